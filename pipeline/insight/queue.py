"""Suspect labels while labels are corrected: one decomposition, and after each change all images are judged and ranked again.

Letters: N images, K classes, D features, k neighbours.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError
from pipeline.insight.findings import Shown, Suspect
from pipeline.insight.left_out import Judge, default_ridge, leave_out_ridge
from pipeline.insight.neighbours import Array, Labels, find_nearest, unit_length
from pipeline.insight.suspects import NUM_NEAREST, describe_suspect, suspect_rows
from pipeline.insight.whole import Whole
from pipeline.tasks.targets import Outputs


@dataclass(frozen=True)
class Ranking:
    """Labels that may be wrong, under the labels of this moment."""

    whole: Whole
    outputs: Outputs
    """Probabilities of each image by ridge without it, (N, K)."""

    rows: Labels
    """Positions of the suspects, (n,), the most suspect first."""

    checked: Labels
    """Positions of those that would be suspects, but were checked, in the same order."""


class Queue:
    """Judges the same images under labels that change.

    The decomposition, the regularisation and the temperature are those of the first labels. What a change of labels costs is one product
    with the decomposition, and the neighbours of images that were not shown before.

    Args:
        whole: The images, with their first labels.
        unit: Their rows of length 1, (N, D), if they are known.
    """

    def __init__(self, whole: Whole, unit: Array | None = None) -> None:
        from threadpoolctl import ThreadpoolController

        judge = leave_out_ridge(default_ridge(), whole).judge
        if judge is None:
            raise SettingError("Labels are ranked again by ridge, which has a closed form.")
        self._judge: Judge = judge
        self._unit = unit_length(whole.plain) if unit is None else unit
        self._threads = ThreadpoolController()
        self._near: dict[int, tuple[Labels, Array]] = {}

    @property
    def whole(self) -> Whole:
        """The images, with their first labels."""
        return self._judge.whole

    def rank(self, y: Labels, checked: NDArray[np.bool_] | None = None) -> Ranking:
        """The suspects under these labels.

        Args:
            y: Class numbers, (N,).
            checked: Images whose label was checked, and is right, (N,); they are judged by, and are not suspects themselves.
        """
        # The products are small: threads that wait for other work of the machine would take longer than one.
        with self._threads.limit(limits=1, user_api="blas"):
            whole, outputs = replace(self.whole, y=y), self._judge.outputs(y)
            rows = suspect_rows(whole, outputs)
        left_out = np.zeros(len(rows), bool) if checked is None else checked[rows]
        return Ranking(whole, outputs, rows[~left_out], rows[left_out])

    def describe(self, ranking: Ranking, rows: Iterable[int], show: Callable[[int], Shown]) -> tuple[Suspect, ...]:
        """These suspects, with the neighbours that disagree.

        Args:
            ranking: Of this queue.
            rows: Positions.
            show: A position as an image.
        """
        chosen = [int(row) for row in rows]
        self._find([row for row in chosen if row not in self._near])
        return tuple(
            describe_suspect(ranking.whole, ranking.outputs, row, *self._near[row], show=show) for row in chosen
        )

    def _find(self, rows: list[int]) -> None:
        """Neighbours know no labels, so they are found once."""
        if rows:
            blocks = self.whole.blocks
            near = find_nearest(self._unit[rows], self._unit, NUM_NEAREST, blocks=(blocks[rows], blocks))
            self._near |= dict(zip(rows, zip(near.images, near.cosines, strict=True), strict=True))
