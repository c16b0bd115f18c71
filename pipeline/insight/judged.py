"""Labels of rows that were read elsewhere, each judged without its image and its copies.

Letters: N images, D features.
"""

from collections.abc import Callable, Sequence

from pipeline.insight.findings import Shown, Suspect
from pipeline.insight.left_out import LeftOut, default_ridge, leave_out_ridge
from pipeline.insight.neighbours import Array, Labels
from pipeline.insight.suspects import rank_suspects
from pipeline.insight.whole import whole_of
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.tasks.task import Task


def judge_rows(
    task: Task, X: Array, y: Labels, digests: Sequence[bytes], show: Callable[[int], Shown]
) -> tuple[LeftOut, tuple[Suspect, ...]]:
    """The output of ridge for each image without it, and the suspects, the most suspect first.

    Args:
        task: One class for each image.
        X: Pooled rows, (N, D).
        y: Class numbers, (N,).
        digests: SHA-256 of each image; images with the same one leave together.
        show: A position as an image.

    Raises:
        DataLayoutError: All images have the same bytes.
        SettingError: The images do not have a class each.
    """
    images = Split(X, y, tuple(map(str, range(len(y)))), digests=tuple(digests))
    whole = whole_of(LabelledRows(task, {"train": images}))
    done = leave_out_ridge(default_ridge(), whole)
    return done, rank_suspects(whole, done.outputs, show)
