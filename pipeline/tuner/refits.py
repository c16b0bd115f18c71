"""Linear heads, fitted again after each change: results that a change does not affect are kept.

The factors of a training set, and ridge's decomposition of them, depend neither on labels nor on the regularisation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.factors import Array, Factors, factor
from pipeline.stage_two.linear.fit import Point, choose, fit_path
from pipeline.stage_two.linear.heads import ArrayHead
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec, default_scale
from pipeline.tasks.targets import Outputs, Targets
from pipeline.tasks.task import Task
from pipeline.tuner.choice import Choice

Numbers = NDArray[np.int64]

_KEPT_FACTORS, _KEPT_PATHS = 8, 64
_BLOCK_ROWS = 1024  # nearest neighbours compare each row of a block with all training rows


@dataclass(frozen=True, eq=False)
class Part:
    """The images that take part, by split (`train` and `validation`)."""

    task: Task
    """What is asked of them."""

    rows: Mapping[str, Numbers]
    """Indices among the split's images, ascending, (N,)."""

    y: Mapping[str, Targets]
    """Their targets, (N,) or (N, K)."""

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Equal for parts that give equal heads."""
        arrays = (arrays[split].tobytes() for arrays in (self.rows, self.y) for split in self.rows)
        return self.task.kind, self.task.names, *arrays

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class LinearRefits:
    """Heads on the rows of one data set.

    Args:
        load: Returns the rows of all training and validation images, with this pooling.
        seed: Of heads that need one.
    """

    def __init__(self, load: Callable[[str], LabelledRows], seed: int) -> None:
        self._load, self._seed = load, seed
        self._factors = lru_cache(_KEPT_FACTORS)(self._factor)
        self._path = lru_cache(_KEPT_PATHS)(self._fit)

    def point(self, choice: Choice, part: Part) -> Point:
        """The head with the chosen regularisation; it takes the coordinates of `coordinates`."""
        return self.path(choice, part, (choice.value,))[0]

    def path(self, choice: Choice, part: Part, values: Sequence[float]) -> list[Point]:
        """A head for each of these values of the regularisation, instead of the chosen one."""
        return self._path(choice.head, choice.pooling, part, tuple(values))

    def on_rows(self, choice: Choice, part: Part, point: Point) -> ArrayHead:
        """The head of a point, which takes rows as they are stored."""
        factors, _ = self._factors_of(choice.head, choice.pooling, part)
        spec = LinearSpec(choice.head, (point.value,), default_scale(choice.head, part.task))
        return choose(spec, [point], factors).head

    def coordinates(self, choice: Choice, part: Part) -> dict[str, Array]:
        """Training and validation images of the part, in the coordinates that the heads take."""
        factors, projected = self._factors_of(choice.head, choice.pooling, part)
        return {"train": factors.X, "validation": projected[part.rows["validation"]]}

    def _fit(self, head: str, pooling: str, part: Part, values: tuple[float, ...]) -> list[Point]:
        factors, projected = self._factors_of(head, pooling, part)
        X = {"train": factors.X, "validation": projected[part.rows["validation"]]}
        labelled = LabelledRows(part.task, {split: Split(X[split], part.y[split], ()) for split in X})
        spec = LinearSpec(head, values, default_scale(head, part.task))
        return fit_path(spec, factors, labelled, seed=self._seed, projected=X["validation"])

    def _factors_of(self, head: str, pooling: str, part: Part) -> tuple[Factors, Array]:
        return self._factors(pooling, default_scale(head, part.task), head != "knn", part.rows["train"].tobytes())

    def _factor(self, pooling: str, scale: str, is_centred: bool, train: bytes) -> tuple[Factors, Array]:
        """The factors of a training set, and all validation images projected to their coordinates."""
        labelled = self._load(pooling)
        factors = factor(labelled.train.flat[np.frombuffer(train, np.int64)], scale, is_centred=is_centred)
        return factors, factors.project(labelled.validation.flat)


def predict_linear(head: ArrayHead, X: Array) -> Outputs:
    """Outputs, (N, K), computed in blocks."""
    blocks = [head.outputs(X[start : start + _BLOCK_ROWS]) for start in range(0, len(X), _BLOCK_ROWS)]
    return np.concatenate(blocks)
