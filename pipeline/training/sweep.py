"""Many heads on the same rows: ranked by validation accuracy, equal ones by log loss; the best one becomes a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.files import write_json
from pipeline.html import show_table
from pipeline.images.manifest import Manifest
from pipeline.images.summary import USES
from pipeline.runs.info import task_digest
from pipeline.runs.naming import check_run_name
from pipeline.runs.run import Run
from pipeline.runs.tracking.logs import log_sweep, open_log
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.folds import Folds
from pipeline.stage_two.grid import Cell, default_heads, make_cells
from pipeline.stage_two.rows import RowMemory
from pipeline.stage_two.spec import DenseSpec, check_learnable, parse_head
from pipeline.stage_two.sweep import HeadResult, rank, run_sweep
from pipeline.tasks.decisions import NONE, Decisions
from pipeline.training.heads import fit_cached
from pipeline.training.rows import CachedRows, read_rows


@dataclass(frozen=True)
class SweepResult:
    """A ranked table of heads, and the best one as a run."""

    results: Sequence[HeadResult]
    """One per head, the best one first."""

    best: Run
    """The run of the best head; only this head is evaluated on the test split."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `results`, `best` as in `Run.as_dict`, and what became of the images."""
        best = self.best.as_dict()
        use = {name: best[name] for name in USES}
        return {"results": [result.as_dict() for result in self.results], "best": best, **use}

    @property
    def _judge(self) -> str:
        """What heads are ranked by."""
        words = self.results[0].validation.words
        return f"validation {words}" if self.results[0].folds is None else f"the mean {words} of folds"

    def __repr__(self) -> str:
        return f"SweepResult({len(self.results)} heads, best={self.best!r})"

    def _repr_html_(self) -> str:
        """The ranked table, for notebooks."""
        words = self.results[0].validation.words
        return show_table(
            [
                {
                    "head": result.head,
                    "pool": result.pool,
                    **_of_folds(result),
                    f"validation {words}": result.validation.main,
                    "95 % interval": "{:.3f} to {:.3f}".format(*result.validation.ci95),
                    "loss": result.validation.loss,
                    "trained parameters": result.params,
                    "seconds": result.seconds,
                }
                for result in self.results
            ],
            caption=f"{len(self.results)} heads, ranked by {self._judge}, equal ones by loss. The best one is the run {self.best.name}.",
        )


def _of_folds(result: HeadResult) -> dict[str, object]:
    """Mean and deviation of a cross-validation, as cells of a table."""
    if result.folds is None:
        return {}
    return {"mean of folds": result.judged[0], "deviation": result.folds["deviation"]}


def sweep_heads(
    manifest: Manifest,
    heads: Sequence[str],
    settings: Settings,
    *,
    pool: str | None = None,
    training: Training | None = None,
    learning_rates: Sequence[float] = (),
    batch_sizes: Sequence[int] = (),
    num_random: int | None = None,
    folds: Folds | None = None,
    decisions: Decisions = NONE,
    name: str | None = None,
    replace: bool = False,
    command: str | None = None,
    memory: RowMemory | None = None,
) -> SweepResult:
    """Fit many heads on the same rows, rank them by validation accuracy, and save the best as a run.

    Results of an earlier sweep on the same rows and labels, also of an interrupted one, are not computed again.

    Args:
        manifest: The images, with labels.
        heads: Descriptions; `|` separates choices, as in `dense:64|256,relu`. Empty: `default_heads`.
        settings: Features, folders, compute and tracking.
        pool: Pooling of all heads; None: `avg` for linear heads and `none` for dense ones, as in `fit_head`.
        training: Settings that all dense heads share.
        learning_rates: Learning rates to try for dense heads.
        batch_sizes: Batch sizes to try for dense heads.
        num_random: Number of heads to draw from the grid; None: all.
        folds: Also cross-validate each head on the training and validation images, and rank by that.
        decisions: Goal of the thresholds, and method of the calibration, of the best head; heads are ranked without them.
        name: Name of the run of the best head; None: made up.
        replace: Replace an existing run of that name.
        command: The command that makes the run again.
        memory: Rows that were read already for another task.

    Raises:
        DivergedError: Every training diverged or crashed.
        HeadSpecError: A head cannot be parsed.
        SettingError: The name is not valid or taken, or the grid is empty.
    """
    check_run_name(name, settings.paths.runs, replace=replace)
    cells = make_cells(
        heads or default_heads(manifest.task),
        training or Training(),
        pool=pool,
        learning_rates=learning_rates,
        batch_sizes=batch_sizes,
        num_random=num_random,
        task=manifest.task,
    )
    for cell in cells:
        check_learnable(parse_head(cell.head), manifest.task)
    # Opened before the trainings, so that a missing package is an error now and not at the end.
    with open_log(settings.tracking.tensorboard, settings.tracking.mlflow) as log:
        cached = {
            pooling: _read_rows(manifest, pooling, cells, settings, memory)
            for pooling in {cell.pooling for cell in cells}
        }
        results = rank(result for rows in cached.values() for result in _sweep_rows(cells, rows, settings, folds))
        winner = results[0].cell
        run = fit_cached(
            cached[winner.pooling],
            parse_head(winner.head),
            winner.training,
            log,
            settings,
            folds=folds,
            decisions=decisions,
            name=name,
            replace=replace,
            command=command,
        )
    done = SweepResult(results, run)
    write_json(run.folder.path / "sweep.json", done.as_dict()["results"])
    if settings.tracking.tensorboard:
        log_sweep(settings.tracking.tensorboard, run.name, done.as_dict()["results"])
    return done


def _read_rows(
    manifest: Manifest, pooling: str, cells: Sequence[Cell], settings: Settings, memory: RowMemory | None
) -> CachedRows:
    """Rows of this pooling; if only dense heads take them, they may stay in their store. Linear heads need them in memory."""
    specs = [parse_head(cell.head) for cell in cells if cell.pooling == pooling]
    is_dense = all(isinstance(spec, DenseSpec) for spec in specs)
    return read_rows(
        manifest,
        pooling,
        settings,
        memory_bytes=settings.compute.memory_bytes() if is_dense else math.inf,
        memory=memory,
    )


def _sweep_rows(cells: Sequence[Cell], cached: CachedRows, settings: Settings, folds: Folds | None) -> list[HeadResult]:
    """Fit the heads that take rows of this pooling."""
    extraction, compute = cached.extraction, settings.compute
    return run_sweep(
        [cell for cell in cells if cell.pooling == cached.pooling],
        cached.labelled,
        settings.paths.runs / ".sweeps",
        task_digest=task_digest(extraction.manifest, extraction.store.recipe, cached.pooling),
        workers=compute.executor,
        folds=folds,
        progress=compute.progress,
    )
