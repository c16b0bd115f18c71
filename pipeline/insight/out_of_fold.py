"""Heads without a closed form: each image is judged by a head that was trained on other folds."""

import warnings

import numpy as np
from numpy.typing import NDArray

from pipeline.insight.left_out import LeftOut
from pipeline.insight.whole import Whole
from pipeline.progress import progress_bar
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec
from pipeline.tasks.targets import Outputs

NUM_FOLDS = 5
_INNER = 5
"""One in so many images of each class of a fold's training part is what the regularisation is chosen on."""

Labels = NDArray[np.int64]


def predict_out_of_fold(spec: LinearSpec, whole: Whole, *, seed: int = 0, progress: bool = False) -> LeftOut:
    """The probabilities of each image by a head that was trained without its fold.

    Folds have about as many images of each class; a block is in one fold. Images whose class has no other block take part in every
    training, so that every head knows every class.

    Args:
        spec: The head; each fold chooses its own regularisation.
        whole: The images; views are not used.
        seed: Of the division.
        progress: Show a progress bar.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    fixed, moving = np.flatnonzero(whole.is_alone), np.flatnonzero(~whole.is_alone)
    num_folds = min(NUM_FOLDS, len(np.unique(whole.blocks[moving])))
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = list(splitter.split(np.zeros(len(moving)), whole.y[moving], whole.blocks[moving]))
    outputs: Outputs = np.full((len(whole), len(whole.task.names)), 1 / len(whole.task.names), np.float32)
    for rest, held in progress_bar(parts, desc="folds", unit="fold", progress=progress):
        labelled = _labelled(whole, np.concatenate([fixed, moving[rest]]))
        outputs[moving[held]] = fit_linear(spec, labelled, seed=seed).head.outputs(whole.plain[moving[held]])
    hits = outputs[moving].argmax(axis=1) == whole.y[moving]
    return LeftOut(outputs, float(hits.mean()), f"{num_folds} folds")


def _labelled(whole: Whole, rows: Labels) -> LabelledRows:
    """These images: a part of each class to choose on, the others to train on; all of them for both where there are too few."""
    by_class = [rows[whole.y[rows] == label] for label in range(len(whole.task.names))]
    inner = np.concatenate([part[_INNER - 1 :: _INNER] for part in by_class])
    outer = np.setdiff1d(rows, inner)
    parts = {"train": outer, "validation": inner if len(inner) else outer}
    return LabelledRows(whole.task, {name: Split(whole.plain[part], whole.y[part], ()) for name, part in parts.items()})
