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
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
from pipeline.runs.tracking.logs import log_sweep, open_log
from pipeline.settings import Settings
from pipeline.stage_two.folds import Folds
from pipeline.stage_two.grid import Cell, Grid
from pipeline.stage_two.rows import RowMemory
from pipeline.stage_two.spec import DenseSpec, parse_head
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
    grid: Grid,
    settings: Settings,
    saving: Saving,
    *,
    folds: Folds | None = None,
    decisions: Decisions = NONE,
    memory: RowMemory | None = None,
) -> SweepResult:
    """Fit many heads on the same rows, rank them by validation accuracy, and save the best as a run.

    Results of an earlier sweep on the same rows and labels, also of an interrupted one, are not computed again.

    Args:
        manifest: The images, with labels.
        grid: The heads.
        settings: Features, folders, compute and tracking.
        saving: Name, plots and command of the run of the best head.
        folds: Also cross-validate each head on the training and validation images, and rank by that.
        decisions: Goal of the thresholds, and method of the calibration, of the best head; heads are ranked without them.
        memory: Rows that were read already for another task.

    Raises:
        DivergedError: Every training diverged or crashed.
        HeadSpecError: A head cannot be parsed, or cannot learn the task.
        SettingError: The name is not valid or taken, or the grid is empty.
    """
    saving.check(settings.paths.runs)
    cells = grid.cells(manifest.task)
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
            saving,
            folds=folds,
            decisions=decisions,
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
