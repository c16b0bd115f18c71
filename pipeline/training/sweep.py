"""Many heads on the same rows: ranked by validation, the best one kept as a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.files import write_json
from pipeline.images.manifest import Manifest
from pipeline.runs.folder import check_run_name
from pipeline.runs.info import task_digest
from pipeline.runs.logs import log_sweep, open_log
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import parse_head
from pipeline.stage_two.sweep import DEFAULT_HEADS, make_cells, run_sweep
from pipeline.training.heads import fit_spec
from pipeline.training.rows import read_task


@dataclass(frozen=True)
class SweepResult:
    """A ranked table of heads, and the best one."""

    results: Sequence[dict[str, Any]]
    """{head, params, settings, validation, seconds} of each head, the best one first."""

    best: Run
    """The only head that sees the test split."""


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
    name: str | None = None,
    command: str | None = None,
) -> SweepResult:
    """Fit many heads on the same rows, rank them by validation, and keep the best as a run.

    Results that an interrupted or smaller sweep left are not computed again.

    Args:
        manifest: The images, with labels.
        heads: Descriptions; `|` separates choices, as in `dense:64|256,relu`. Empty: `DEFAULT_HEADS`.
        settings: Features, folders, compute and tracking.
        pool: Pooling for all heads; None: `avg`.
        training: Settings that all dense heads share.
        learning_rates: Choices for dense heads.
        batch_sizes: Choices for dense heads.
        num_random: Draw so many from the grid; None: take all.
        name: Name of the best head's run.
        command: How to make it again.
    """
    pooling, compute = pool or "avg", settings.compute
    check_run_name(name, settings.paths.runs)
    cells = make_cells(
        heads or DEFAULT_HEADS,
        training or Training(),
        learning_rates=learning_rates,
        batch_sizes=batch_sizes,
        num_random=num_random,
    )
    # Opened before the trainings: what is missing to write the logs is an error now.
    with open_log(settings.tracking.tensorboard, settings.tracking.mlflow) as log:
        task, extraction, _ = read_task(manifest, pooling, settings)
        results = run_sweep(
            cells,
            task,
            settings.paths.runs / ".sweeps",
            task_digest=task_digest(extraction.manifest, extraction.store.recipe, pooling),
            workers=compute.executor,
            progress=compute.progress,
        )
        best = results[0]
        winner = next(
            cell for cell in cells if cell.head == best["head"] and cell.settings.items() <= best["settings"].items()
        )
        in_memory = settings.with_changes(memory_gb=math.inf)  # as it was ranked
        spec = parse_head(winner.head)
        run = fit_spec(extraction.manifest, spec, pooling, winner.training, log, in_memory, name=name, command=command)
    write_json(run.folder.path / "sweep.json", results)
    if settings.tracking.tensorboard:
        log_sweep(settings.tracking.tensorboard, run.name, results)
    return SweepResult(results, run)
