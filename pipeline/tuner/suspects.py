"""The queue of suspect labels, and images that are alike, from the rows in memory. It knows nothing of the page.

The test split is never read. Letters: N training and validation images, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.insight.findings import Shown, Suspect
from pipeline.insight.neighbours import Array, find_nearest, unit_length
from pipeline.insight.queue import Queue
from pipeline.insight.whole import Whole, whole_of
from pipeline.stage_two.rows import LabelledRows
from pipeline.tasks.targets import Targets
from pipeline.tasks.task import Task
from pipeline.tuner.refits import Numbers

NUM_ALIKE = 12
"""Images like another one that are shown."""

_SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Suspects:
    """Labels that may be wrong, the most suspect first."""

    rows: Numbers
    """Their rows in the manifest, (n,)."""

    shown: tuple[Suspect, ...]
    """The first of them, in full; their `row` is that of the manifest."""

    num_checked: int
    """How many more there would be, but for labels that were checked."""


class Insight:
    """What is found in the rows of a session's images: suspects, and images that are alike.

    Args:
        load: Returns the rows of all training and validation images, with this pooling.
        rows: Their rows in the manifest, by split, in the order of the loaded rows.
        task: What is asked.
    """

    def __init__(self, load: Callable[[str], LabelledRows], rows: dict[str, Numbers], task: Task) -> None:
        self._load, self._task = load, task
        self._rows = np.concatenate([rows[split] for split in _SPLITS])
        self._places = {int(row): place for place, row in enumerate(self._rows)}
        self._unit = cache(self._find_unit)
        self._queues: dict[str, Queue] = {}

    def rank(
        self,
        pooling: str,
        y: Targets,
        checked: NDArray[np.bool_],
        count: int,
        show: Callable[[int], Shown],
        *,
        of_checked: bool = False,
    ) -> Suspects:
        """The suspect labels under the labels of this moment.

        Args:
            pooling: Of the rows; see `pooled`.
            y: Class numbers of all images of the manifest.
            checked: Images of the manifest whose label was checked, and is right.
            count: How many to describe in full.
            show: A row of the manifest as an image.
            of_checked: Return those that were checked, and would be suspects otherwise.
        """
        own = y[self._rows]
        queue = self._queue(pooled(pooling), own)
        ranking = queue.rank(own, checked[self._rows])
        wanted = ranking.checked if of_checked else ranking.rows
        found = queue.describe(ranking, wanted[:count], lambda place: show(int(self._rows[place])))
        return Suspects(self._rows[wanted], found, len(ranking.checked))

    def alike(self, pooling: str, row: int, count: int = NUM_ALIKE) -> Sequence[tuple[int, float]]:
        """Rows of the manifest whose features have the highest cosine with those of an image, and their cosines; copies too."""
        unit, place = self._unit(pooled(pooling)), self._places[row]
        numbers = np.arange(len(unit))
        near = find_nearest(unit[[place]], unit, count, blocks=(numbers[[place]], numbers))
        return [
            (int(self._rows[image]), float(cosine))
            for image, cosine in zip(near.images[0], near.cosines[0], strict=True)
            if image >= 0
        ]

    def knows(self, row: int) -> bool:
        """Whether an image of the manifest is one of these."""
        return row in self._places

    def _queue(self, pooling: str, y: Targets) -> Queue:
        """The queue of a pooling, which is factored with the labels of its first use."""
        if pooling not in self._queues:
            whole = whole_of(self._load(pooling))
            # The task of the session also has classes that only test images have.
            own = Whole(self._task, whole.X, y, whole.owners, whole.blocks)
            self._queues[pooling] = Queue(own, self._unit(pooling))
        return self._queues[pooling]

    def _find_unit(self, pooling: str) -> Array:
        labelled = self._load(pooling)
        return unit_length(np.concatenate([labelled.splits[split].flat for split in _SPLITS]))


def pooled(pooling: str) -> str:
    """The pooling of the queue: that of the head, and the average where the head takes whole feature maps."""
    return "avg" if pooling == "none" else pooling
