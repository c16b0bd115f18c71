"""The heads of a sweep: a grid of descriptions and training settings."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import HeadSpecError, SettingError
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DenseSpec, LinearSpec, check_learnable, expand_choices, parse_head, pooling_of
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


def make_cells(
    heads: Sequence[str],
    training: Training,
    *,
    pool: str | None = None,
    learning_rates: Sequence[float] = (),
    batch_sizes: Sequence[int] = (),
    num_random: int | None = None,
    task: Task | None = None,
) -> list[Cell]:
    """The grid of heads and training settings, or a random sample of it.

    Args:
        heads: Descriptions; `|` separates choices, as in `dense:64|256,relu`.
        training: Settings that all dense heads share; the random sample uses its seed.
        pool: Pooling of all heads; None: see `pooling_of`.
        learning_rates: Learning rates to try for dense heads; empty: that of `training`.
        batch_sizes: Batch sizes to try for dense heads; empty: that of `training`.
        num_random: Number of cells to draw; None: all.
        task: What they will learn; see `parse_head`.

    Raises:
        HeadSpecError: A head cannot be parsed.
        SettingError: The grid is empty, or `num_random` is below 1.
    """
    cells: dict[Cell, None] = {}
    for text in itertools.chain.from_iterable(expand_choices(head) for head in heads):
        spec = parse_head(text, task)
        rates = learning_rates if isinstance(spec, DenseSpec) else ()
        sizes = batch_sizes if isinstance(spec, DenseSpec) else ()
        for rate, size in itertools.product(rates or [training.learning_rate], sizes or [training.batch_size]):
            own = replace(training, learning_rate=rate, batch_size=size)
            cells[Cell(str(spec), own, pooling_of(spec, pool))] = None
    grid = list(cells)
    if not grid or (num_random is not None and num_random < 1):
        raise SettingError(f"A sweep needs at least one head. Received: heads {list(heads)}, random {num_random}.")
    if num_random is None or num_random >= len(grid):
        return grid
    return random.Random(training.seed).sample(grid, num_random)
