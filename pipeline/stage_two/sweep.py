"""Many heads on the same features: on all cores, resumable, ranked by validation."""

import hashlib
import itertools
import json
import logging
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import DivergedError, SettingError, WorkerDiedError
from pipeline.files import write_json
from pipeline.quiet import quiet_tensorflow
from pipeline.results.scores import score
from pipeline.stage_two.factors import Factors
from pipeline.stage_two.features import Task
from pipeline.stage_two.linear_fit import choose, factors_of, fit_path
from pipeline.stage_two.spec import DenseSpec, LinearSpec, expand_choices, parse_head, parse_layers
from pipeline.stage_two.training import Training

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
        """What was chosen, as plain values; linear heads have no training settings."""
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
        training: Settings that all dense heads share; its seed draws the sample.
        learning_rates: Choices for dense heads; default: that of `training`.
        batch_sizes: Choices for dense heads; default: that of `training`.
        num_random: How many cells to draw; None takes all.

    Raises:
        HeadSpecError: A description cannot be understood.
        SettingError: There is no cell, or fewer than one to draw.
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
    num_workers: int | None = None,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Fit every cell on the training split and score it on validation; the test split is not looked at.

    Each result is written as soon as it is there, and read instead of computed the next time.

    Args:
        cells: What to fit.
        task: Features and labels.
        folder: Where results are kept.
        task_digest: What the features and labels are, so that results of others are never taken for these.
        num_workers: Processes; default: one a core.
        progress: Show a bar.

    Returns:
        {head, params, settings, validation, seconds} a cell, best first: by accuracy, then loss. A cell
        whose training diverged is left out with a warning.

    Raises:
        DivergedError: No cell is left.
        WorkerDiedError: A process was killed; the results that were there are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_digest(cell, task_digest)}.json" for cell in cells]
    known = [_read(path) for path in paths]
    open_cells = [(cell, path) for cell, path, result in zip(cells, paths, known, strict=True) if result is None]
    logger.info("%d heads, %d of them known from an earlier sweep.", len(cells), len(cells) - len(open_cells))
    # A process for each core, with one thread: many small fits gain more from cores than one fit does.
    workers = num_workers or joblib.cpu_count()
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    num_threads = max(1, joblib.cpu_count() // workers) if workers > 1 else None
    with tqdm(desc="sweep", total=len(open_cells), unit="head", delay=2, disable=not progress) as bar:
        try:
            for count, problem in parallel(_jobs(open_cells, _without_test(task), num_threads)):
                bar.update(count)
                if problem:
                    logger.warning("Left out: %s", problem)
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                f"One of {workers} processes was killed, most often because memory ran out. The results so far are kept: "
                "run the sweep again, with fewer --workers if it stays."
            ) from error
    results = [result for path, old in zip(paths, known, strict=True) if (result := old or _read(path))]
    if not results:
        raise DivergedError("All trainings of the sweep diverged. Choose smaller learning rates.")
    return sorted(results, key=_rank)


def _rank(result: dict[str, Any]) -> tuple[float, float]:
    return -result["validation"]["accuracy"], result["validation"]["loss"]


_Linear = tuple[Cell, LinearSpec, Path]
"""A linear head without a result, and where it goes."""


def _jobs(cells: Sequence[tuple[Cell, Path]], task: Task, num_threads: int | None) -> Iterator[Any]:
    """Each dense head by itself; linear heads that differ in their regularisation alone as one path."""
    paths: dict[tuple[str, str, int], list[_Linear]] = {}
    for cell, path in cells:
        spec = parse_head(cell.head)
        if isinstance(spec, LinearSpec):
            paths.setdefault((spec.kind, spec.scale, cell.training.seed), []).append((cell, spec, path))
        else:
            yield joblib.delayed(_fit_dense)(cell, task, path, num_threads)
    shared: dict[str, Factors] = {}
    for (kind, scale, _), group in paths.items():
        factors = None
        if kind != "knn" and _is_wide(task):
            if scale not in shared:
                shared[scale] = factors_of(group[0][1], task)
            factors = shared[scale]
        yield joblib.delayed(_fit_path)(group, task, factors)


def _is_wide(task: Task) -> bool:
    """More features than training images: then the factors take longer than a fit."""
    return math.prod(task.train.X.shape[1:]) > len(task.train)


def _fit_path(group: Sequence[_Linear], task: Task, factors: Factors | None) -> tuple[int, None]:
    """Write the results of linear heads that differ in their regularisation alone."""
    start = time.perf_counter()
    specs = [spec for _, spec, _ in group]
    values = sorted({value for spec in specs for value in spec.values})
    known = factors or factors_of(specs[0], task)
    points = fit_path(replace(specs[0], values=tuple(values)), known, task, seed=group[0][0].training.seed)
    fits = [choose(spec, points, known) for spec in specs]
    seconds = (time.perf_counter() - start) / len(group)
    for (cell, _, path), fit in zip(group, fits, strict=True):
        probabilities = fit.head.predict_proba(task.validation.flat)
        _keep(cell, path, task, probabilities, fit.head.num_parameters, {fit.parameter: fit.value}, seconds)
    return len(group), None


def _fit_dense(cell: Cell, task: Task, path: Path, num_threads: int | None) -> tuple[int, str | None]:
    """Write a head's result; what is wrong with it if there is none."""
    quiet_tensorflow()  # in worker processes
    if num_threads:  # TensorFlow looks when it is loaded
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(name, str(num_threads))
    from pipeline.stage_two.dense import fit_dense

    start, spec = time.perf_counter(), parse_layers(cell.head)
    try:
        dense = fit_dense(spec, task, cell.training)
    except DivergedError as error:
        return 1, f"{cell.head}: {error}"
    probabilities = dense.head.predict_proba(np.asarray(task.validation.X))
    chosen = {"epochs_run": len(dense.history)}
    _keep(cell, path, task, probabilities, dense.head.num_parameters, chosen, time.perf_counter() - start)
    return 1, None


def _keep(
    cell: Cell,
    path: Path,
    task: Task,
    probabilities: NDArray[np.float32],
    num_parameters: int,
    chosen: dict[str, Any],
    seconds: float,
) -> None:
    validation = score(probabilities, task.validation.y, task.classes)
    result = {
        "head": cell.head,
        "params": num_parameters,
        "settings": cell.settings | chosen,
        "validation": {key: validation[key] for key in ("accuracy", "ci95", "loss", "n", "macro_f1")},
        "seconds": seconds,
    }
    write_json(path, result)


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
