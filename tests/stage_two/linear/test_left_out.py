"""Ridge judged by leave-one-out."""

import numpy as np

from pipeline.stage_two.linear.left_out import left_out_hits
from pipeline.stage_two.spec import LINEAR_GRIDS


def test_an_image_is_left_out_when_it_is_judged():
    """The accuracy is that of refits without each image."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    X = (rng.normal(size=(30, 5)) + np.eye(3, 5)[y]).astype(np.float32)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    best = 0
    for alpha in LINEAR_GRIDS["ridge"][1]:
        hits = 0
        for row in range(30):
            others = np.arange(30) != row
            mean, targets = scaled[others].mean(axis=0), np.where(y[others, None] == np.arange(3), 1.0, -1.0)
            A = scaled[others] - mean
            W = np.linalg.solve(A.T @ A + alpha * np.eye(5), A.T @ (targets - targets.mean(axis=0)))
            hits += np.argmax((scaled[row] - mean) @ W + targets.mean(axis=0)) == y[row]
        best = max(best, hits)

    assert int(left_out_hits(X, y, 3).sum()) == best
