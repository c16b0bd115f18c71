"""The heads of a sweep: a grid of descriptions and training settings."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.errors import HeadSpecError, SettingError
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import (
    DenseSpec,
    HeadSpec,
    LinearSpec,
    check_learnable,
    expand_choices,
    parse_head,
    pooling_of,
)
from pipeline.tasks.task import Task

DEFAULT_HEADS = (
    "logreg",
    "logreg:scale=none",
    "svm",
    "ridge",
    "lda",
    "knn",
    "softmax",
    "dense:64|256,relu,dropout:0.5",
)


def default_heads(task: Task) -> tuple[str, ...]:
    """Those of `DEFAULT_HEADS` that can learn a task."""
    return tuple(text for text in DEFAULT_HEADS if _can_learn(expand_choices(text)[0], task))


def _can_learn(head: str, task: Task) -> bool:
    try:
        check_learnable(parse_head(head), task)
    except HeadSpecError:
        return False
    return True


@dataclass(frozen=True)
class Cell:
    """One head with its training."""

    head: str
    training: Training
    pooling: str
    """Pooling of the rows that it is trained on: `none`, `avg` or `max`."""

    @property
    def settings(self) -> dict[str, Any]:
        """The training settings as plain values; linear heads have none."""
        return {} if isinstance(parse_head(self.head), LinearSpec) else self.training.as_dict()


@dataclass(frozen=True)
class Grid:
    """The heads and training settings of a sweep: all combinations, or a random sample of them."""

    heads: Sequence[str] = ()
    """Descriptions; `|` separates choices, as in `dense:64|256,relu`. Empty: those of `DEFAULT_HEADS` that can learn the task."""

    training: Training = field(default_factory=Training)
    """Settings that all dense heads share; the random sample uses its seed."""

    pool: str | None = None
    """Pooling of all heads; None: `avg` for linear heads and `none` for dense ones, see `pooling_of`."""

    learning_rates: Sequence[float] = ()
    """Learning rates to try for dense heads; empty: that of `training`."""

    batch_sizes: Sequence[int] = ()
    """Batch sizes to try for dense heads; empty: that of `training`."""

    num_random: int | None = None
    """Number of cells to draw; None: all."""

    def cells(self, task: Task) -> list[Cell]:
        """The cells for a task, each once.

        Raises:
            HeadSpecError: A head cannot be parsed, or cannot learn the task.
            SettingError: `num_random` is below 1.
        """
        heads = self.heads or default_heads(task)
        specs = [parse_head(text, task) for head in heads for text in expand_choices(head)]
        cells = list(dict.fromkeys(cell for spec in specs for cell in self._cells_of(spec)))
        if self.num_random is not None and self.num_random < 1:
            raise SettingError(
                f"A sweep needs at least one head. Received: heads {list(heads)}, random {self.num_random}."
            )
        if self.num_random is not None and self.num_random < len(cells):
            cells = random.Random(self.training.seed).sample(cells, self.num_random)
        for cell in cells:
            check_learnable(parse_head(cell.head), task)
        return cells

    def _cells_of(self, spec: HeadSpec) -> Iterator[Cell]:
        """One head with all learning rates and batch sizes; a linear head has neither."""
        is_dense = isinstance(spec, DenseSpec)
        rates = (is_dense and self.learning_rates) or [self.training.learning_rate]
        sizes = (is_dense and self.batch_sizes) or [self.training.batch_size]
        for rate, size in itertools.product(rates, sizes):
            yield Cell(
                str(spec),
                replace(self.training, learning_rate=rate, batch_size=size),
                pooling_of(spec, self.pool),
            )
