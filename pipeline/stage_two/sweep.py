"""Many heads on the same features: fitted in parallel, resumable, ranked by validation accuracy."""

import hashlib
import itertools
import json
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import DivergedError, SettingError
from pipeline.execution.tasks import Lost
from pipeline.execution.workers import Workers
from pipeline.files import write_json
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.linear.factors import Factors
from pipeline.stage_two.linear.fit import choose, factors_of, fit_path
from pipeline.stage_two.metrics import score
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import DenseSpec, LinearSpec, expand_choices, parse_head, parse_layers

logger = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Cell:
    """One head with its training."""

    head: str
    training: Training

    @property
    def settings(self) -> dict[str, Any]:
        """The training settings as plain values; linear heads have none."""
        return {} if isinstance(parse_head(self.head), LinearSpec) else asdict(self.training)


def make_cells(
    heads: Sequence[str],
    training: Training,
    *,
    learning_rates: Sequence[float] = (),
    batch_sizes: Sequence[int] = (),
    num_random: int | None = None,
) -> list[Cell]:
    """The grid of heads and training settings, or a random sample of it.

    Args:
        heads: Descriptions; `|` separates choices, as in `dense:64|256,relu`.
        training: Settings that all dense heads share; the random sample uses its seed.
        learning_rates: Learning rates to try for dense heads; empty: that of `training`.
        batch_sizes: Batch sizes to try for dense heads; empty: that of `training`.
        num_random: Number of cells to draw; None: all.

    Raises:
        HeadSpecError: A head cannot be parsed.
        SettingError: The grid is empty, or `num_random` is below 1.
    """
    cells: dict[Cell, None] = {}
    for text in itertools.chain.from_iterable(expand_choices(head) for head in heads):
        spec = parse_head(text)
        rates = learning_rates if isinstance(spec, DenseSpec) else ()
        sizes = batch_sizes if isinstance(spec, DenseSpec) else ()
        for rate, size in itertools.product(rates or [training.learning_rate], sizes or [training.batch_size]):
            cells[Cell(str(spec), replace(training, learning_rate=rate, batch_size=size))] = None
    grid = list(cells)
    if not grid or (num_random is not None and num_random < 1):
        raise SettingError(f"A sweep needs at least one head. Received: heads {list(heads)}, random {num_random}.")
    if num_random is None or num_random >= len(grid):
        return grid
    return random.Random(training.seed).sample(grid, num_random)


def run_sweep(
    cells: Sequence[Cell],
    task: Task,
    folder: Path,
    *,
    task_digest: str,
    workers: Workers,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Fit every cell on the training split and score it on the validation split. The test split is not used.

    Each result is saved at once. A later sweep reads it instead of fitting the cell again.

    Args:
        cells: The heads with their trainings.
        task: Features and labels.
        folder: Folder of the saved results.
        task_digest: Digest of features and labels, so that results of another task are never used.
        workers: Processes that fit; by default one process with one thread per core, because many small fits gain more from
            several cores than one fit does.
        progress: Show a progress bar.

    Returns:
        {head, params, settings, validation, seconds} per cell, the best first: by accuracy, then loss. A cell is skipped with a
        warning if its training diverges, or if its worker crashes again when the cell is fitted alone.

    Raises:
        DivergedError: All cells were skipped.
        ClusterError: The cluster does not answer, or lacks this package.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {cell: folder / f"{_digest(cell, task_digest)}.json" for cell in cells}
    kept = {cell: result for cell, path in paths.items() if (result := _read(path)) is not None}
    logger.info("%d heads; the results of %d are saved from an earlier sweep.", len(cells), len(kept))
    groups = _groups([cell for cell in cells if cell not in kept], task)
    with tqdm(desc="sweep", total=sum(map(len, groups)), unit="head", delay=2, disable=not progress) as bar:

        def fit(groups: Sequence[_Group], *, alone: bool = False) -> list[_Group]:
            """Fit heads and save their results; returns the groups whose workers crashed."""
            lost = []
            share = (_without_test(task),)
            for group, fits in workers.run(
                _fit, groups, share=share, pack=partial(_with_factors, task, {}), alone=alone
            ):
                if isinstance(fits, Lost):
                    lost.append(group)
                    continue
                bar.update(len(group))
                for cell, result in zip(group.cells, fits, strict=True):
                    if isinstance(result, str):
                        logger.warning("Skipped: %s", result)
                    else:
                        kept[cell] = result
                        write_json(paths[cell], result)
            return lost

        crashed = fit(groups)
        for group in fit(crashed, alone=True):
            heads = ", ".join(group.heads)
            logger.warning("Skipped: %s crashed its worker twice; the usual reason is too little memory.", heads)
    results = [kept[cell] for cell in cells if cell in kept]
    if not results:
        raise DivergedError(
            "All trainings of the sweep diverged or crashed. Choose smaller learning rates, or fewer --workers."
        )
    return sorted(results, key=_rank)


def _rank(result: dict[str, Any]) -> tuple[float, float]:
    return -result["validation"]["accuracy"], result["validation"]["loss"]


@dataclass(frozen=True)
class _Group:
    """Heads that are fitted together: one dense head, or linear heads that differ only in their regularisation."""

    cells: tuple[Cell, ...]
    is_wide: bool
    """Whether these are linear heads on more features than training images, which share factors."""

    factors: Factors | None = None

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def heads(self) -> list[str]:
        return [cell.head for cell in self.cells]


def _groups(cells: Sequence[Cell], task: Task) -> list[_Group]:
    """One group per dense head, and one per set of linear heads that differ only in their regularisation."""
    dense, paths = [], dict[tuple[str, str, int], list[Cell]]()
    # With more features than images, computing the factors takes longer than a fit.
    is_wide = math.prod(task.train.X.shape[1:]) > len(task.train)
    for cell in cells:
        spec = parse_head(cell.head)
        if isinstance(spec, LinearSpec):
            paths.setdefault((spec.kind, spec.scale, cell.training.seed), []).append(cell)
        else:
            dense.append(_Group((cell,), is_wide=False))
    return [*dense, *(_Group(tuple(path), is_wide and kind != "knn") for (kind, _, _), path in paths.items())]


def _with_factors(task: Task, shared: dict[str, Factors], group: _Group) -> _Group:
    """The group as it is sent to a worker: with factors, which are computed once for all heads with the same scaling."""
    if not group.is_wide:
        return group
    spec = parse_head(group.cells[0].head)
    if not isinstance(spec, LinearSpec):
        return group
    if spec.scale not in shared:
        shared[spec.scale] = factors_of(spec, task)
    return replace(group, factors=shared[spec.scale])


def _fit(group: _Group, task: Task) -> list[dict[str, Any] | str]:
    """The result of each head of a group, or a text on why it failed."""
    spec = parse_head(group.cells[0].head)
    return _fit_path(group, task) if isinstance(spec, LinearSpec) else [_fit_dense(group.cells[0], task)]


def _fit_path(group: _Group, task: Task) -> list[dict[str, Any] | str]:
    start = time.perf_counter()
    specs = [spec for cell in group.cells if isinstance(spec := parse_head(cell.head), LinearSpec)]
    values = sorted({value for spec in specs for value in spec.values})
    known = group.factors or factors_of(specs[0], task)
    points = fit_path(replace(specs[0], values=tuple(values)), known, task, seed=group.cells[0].training.seed)
    fits = [choose(spec, points, known) for spec in specs]
    seconds = (time.perf_counter() - start) / len(group)
    return [
        _result(
            cell,
            task,
            fit.head.predict_proba(task.validation.flat),
            fit.head.num_parameters,
            {fit.parameter: fit.value},
            seconds,
        )
        for cell, fit in zip(group.cells, fits, strict=True)
    ]


def _fit_dense(cell: Cell, task: Task) -> dict[str, Any] | str:
    from pipeline.stage_two.dense.build import fit_dense

    start, spec = time.perf_counter(), parse_layers(cell.head)
    try:
        dense = fit_dense(spec, task, cell.training)
    except DivergedError as error:
        return f"{cell.head}: {error}"
    probabilities = dense.head.predict_proba(np.asarray(task.validation.X))
    chosen = {"epochs_run": len(dense.history)}
    return _result(cell, task, probabilities, dense.head.num_parameters, chosen, time.perf_counter() - start)


def _result(
    cell: Cell,
    task: Task,
    probabilities: NDArray[np.float32],
    num_parameters: int,
    chosen: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    validation = score(probabilities, task.validation.y, task.classes).as_dict()
    return {
        "head": cell.head,
        "params": num_parameters,
        "settings": cell.settings | chosen,
        "validation": {key: validation[key] for key in ("accuracy", "ci95", "loss", "n", "macro_f1")},
        "seconds": seconds,
    }


def _without_test(task: Task) -> Task:
    return Task(task.classes, {name: split for name, split in task.splits.items() if name != "test"})


def _digest(cell: Cell, task_digest: str) -> str:
    settings = cell.settings or {"seed": cell.training.seed}  # a linear head does not depend on the others
    text = json.dumps([cell.head, settings, task_digest], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        result = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and "validation" in result else None
