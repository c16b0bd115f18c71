"""How well features tell classes apart, without a validation split: ridge judged by leave-one-out."""

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.ridge import fit_ridge
from pipeline.stage_two.spec import LINEAR_GRIDS, default_scale
from pipeline.tasks.classification import Classification


def left_out_hits(X: NDArray[np.float32], y: NDArray[np.int64], num_classes: int) -> NDArray[np.bool_]:
    """Whether each image is classified correctly by a ridge regression on all other images, (N,).

    The regularisation is the one with the most hits; see `pipeline.stage_two.linear.ridge` for the formula.

    Args:
        X: Features, (N, D); they are standardized.
        y: Class numbers, (N,).
        num_classes: Number of classes.
    """
    from threadpoolctl import threadpool_limits

    _, values = LINEAR_GRIDS["ridge"]
    known = factor(X, default_scale("ridge"))
    task = Classification(tuple(map(str, range(num_classes))))
    with threadpool_limits(1, user_api="blas"):
        fits = list(fit_ridge(known.decomposition, task.columns(y), values, with_leave_one_out=True))
    judged = [task.judge_left_out(fit.left_out, y).hits for fit in fits if fit.left_out is not None]
    return max((hits for hits in judged if hits is not None), key=np.count_nonzero)
