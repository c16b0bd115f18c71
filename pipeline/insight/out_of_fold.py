"""Heads without a closed form: each image is judged by a head that was trained on other folds."""

import numpy as np

from pipeline.insight.left_out import LeftOut
from pipeline.insight.whole import Whole
from pipeline.progress import progress_bar
from pipeline.stage_two.folds import Folds, divide
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec
from pipeline.stage_two.weights import weighted
from pipeline.tasks.targets import Outputs


def predict_out_of_fold(
    spec: LinearSpec, whole: Whole, *, class_weight: str | None = None, progress: bool = False
) -> LeftOut:
    """The probabilities of each image by a head that was trained without its fold; see `pipeline.stage_two.folds.divide`.

    A block is in one fold. Images whose class has no other block take part in every training, so that every head knows every class; they
    are not predicted, and all classes have the same probability.

    Args:
        spec: The head; each fold chooses its own regularisation, on a fifth of its training part.
        whole: The images; views are not used.
        class_weight: As in `pipeline.stage_two.weights.weighted`; weights of classes that are balanced are balanced in each training part.
        progress: Show a progress bar.
    """
    images = Split(whole.plain, whole.y, tuple(map(str, range(len(whole)))), groups=tuple(map(str, whole.blocks)))
    division = divide(LabelledRows(whole.task, {"train": images}), Folds(), seed=0)
    num_classes = len(whole.task.names)
    outputs: Outputs = np.full((len(whole), num_classes), 1 / num_classes, np.float32)
    hits = np.zeros(len(whole), bool)
    for rest, held in progress_bar(division.parts, desc="folds", unit="fold", progress=progress):
        outer, inner = map(division.take, division.inner(rest))
        part = weighted(LabelledRows(whole.task, {"train": outer, "validation": inner}), class_weight)
        fit = fit_linear(spec, part)
        outputs[held] = fit.head.outputs(whole.plain[held])
        hits[held] = outputs[held].argmax(axis=1) == whole.y[held]
    num_judged = sum(len(held) for _, held in division.parts)
    return LeftOut(outputs, float(hits.sum() / num_judged), f"{division.folds.num_folds} folds")
