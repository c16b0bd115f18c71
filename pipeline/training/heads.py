"""Stage two as verbs: train one head, or many."""

import datetime as dt
import hashlib
import logging
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bases.digests import TrunkInfo
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.files import write_json
from pipeline.images.manifest import Files, Manifest
from pipeline.images.scan import Data
from pipeline.runs.folder import check_run_name
from pipeline.runs.logs import Log, log_sweep, open_log
from pipeline.runs.run import Head, Run, save_run
from pipeline.settings import Options, make_recipe, trunk_of
from pipeline.stage_one.ensure import extract_recipe, manifest_of
from pipeline.stage_one.extract import Extraction
from pipeline.stage_one.views import Views, describe_views, load_with_views
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.stream import stream_linear
from pipeline.stage_two.rows import StoredRows, Task
from pipeline.stage_two.spec import HeadSpec, LinearSpec, parse_head
from pipeline.stage_two.sweep import DEFAULT_HEADS, make_cells, run_sweep

logger = logging.getLogger(__name__)


def fit(
    data: Data | Manifest,
    head: str = "ridge",
    *,
    pool: str | None = None,
    training: Training | None = None,
    views: Views | None = None,
    name: str | None = None,
    pictures: bool = True,
    command: str | None = None,
    options: Options | None = None,
) -> Run:
    """Stage two: train a head on cached rows and keep it as a run; rows that are missing are made first.

    Args:
        data: What `scan` takes, or a manifest.
        head: `ridge`, `logreg`, `dense:256,relu,dropout:0.5` and so on; see `pipeline.stage_two.spec`.
        pool: Pooling between trunk and head; None is `avg` for linear heads and `none` for dense ones.
        training: Settings of a dense head; its seed also serves linear heads.
        views: Train on stored augmentations too; they must have been stored before (`extract_views`).
        name: The run's name; None makes one up. A run of that name is replaced.
        pictures: Draw curves and confusion matrix into the run's folder.
        command: How to make the run again, kept in run.json.
        options: Base, places and logs.
    """
    chosen, spec = options or Options(), parse_head(head)
    check_run_name(name, chosen.runs)
    with open_log(chosen.tensorboard, chosen.mlflow) as log:
        return _fit(data, spec, pool, training or Training(), views, name, command, log, chosen, pictures=pictures)


def _fit(
    data: Data | Manifest,
    spec: HeadSpec,
    pool: str | None,
    training: Training,
    views: Views | None,
    name: str | None,
    command: str | None,
    log: Log,
    options: Options,
    *,
    pictures: bool = True,
) -> Run:
    is_linear = isinstance(spec, LinearSpec)
    pooling = pool or ("avg" if is_linear else "none")
    task, extraction, trunk = read_task(data, pooling, options, views, options.memory_bytes())
    start = time.perf_counter()
    trained, history, chosen_values = _train(spec, task, training, log.add_epoch, progress=options.progress)
    seconds = time.perf_counter() - start
    num_parameters = trained.num_parameters
    info = {
        "head": str(spec),
        "command": command,
        "chosen": chosen_values,
        "training": None if is_linear else asdict(training),
        "seed": training.seed,
        "views": describe_views(views),
        "pool": pooling,
        "seconds": seconds,
        "seconds_per_epoch": float(np.median([row["seconds"] for row in history])) if history else None,
        "epochs": len(history) or None,
        "trainable_params": num_parameters,
        "total_params": num_parameters + trunk.parameters,
        "trunk_digest_before": trunk.digest,
        "trunk_digest_after": trunk_of(options)[0].digest,
        **provenance(extraction, task, options),
    }
    return save_run(trained, task, history, info, name, log, options, pictures=pictures)


def _train(
    spec: HeadSpec, task: Task, training: Training, on_epoch: OnEpoch, *, progress: bool
) -> tuple[Head, list[dict[str, float]], dict[str, Any]]:
    """The head, its history (empty for linear ones), and what was chosen on validation (nothing for dense ones)."""
    if isinstance(spec, LinearSpec):
        fit_rows = stream_linear if isinstance(task.train.X, StoredRows) else fit_linear
        linear = fit_rows(spec, task, seed=training.seed)
        logger.info("%s: %s %g, of %d tried.", spec.kind, linear.parameter, linear.value, len(linear.candidates))
        return linear.head, [], {linear.parameter: linear.value, "candidates": linear.candidates}
    from pipeline.stage_two.dense.build import fit_dense

    dense = fit_dense(spec, task, training, on_epoch=on_epoch, progress=progress)
    return dense.head, dense.history, {}


def sweep(
    data: Data | Manifest,
    heads: Sequence[str] = DEFAULT_HEADS,
    *,
    pool: str | None = None,
    training: Training | None = None,
    learning_rates: Sequence[float] = (),
    batch_sizes: Sequence[int] = (),
    num_random: int | None = None,
    name: str | None = None,
    command: str | None = None,
    options: Options | None = None,
) -> tuple[list[dict[str, Any]], Run]:
    """Fit many heads on the same rows, rank them by validation, and keep the best as a run.

    Results already there from an interrupted or smaller sweep are not computed again.

    Args:
        data: What `scan` takes, or a manifest.
        heads: Descriptions; `|` separates choices, as in `dense:64|256,relu`.
        pool: Pooling for all heads; None is `avg`.
        training: Settings that all dense heads share.
        learning_rates: Choices for dense heads.
        batch_sizes: Choices for dense heads.
        num_random: Draw so many from the grid; None takes all.
        name: The best head's run.
        command: How to make it again.
        options: Base and places.

    Returns:
        The ranked table, and the best head as a run (the only one that sees the test split).
    """
    chosen, settings, pooling = options or Options(), training or Training(), pool or "avg"
    check_run_name(name, chosen.runs)
    cells = make_cells(heads, settings, learning_rates=learning_rates, batch_sizes=batch_sizes, num_random=num_random)
    manifest = manifest_of(data, chosen)
    with open_log(chosen.tensorboard, chosen.mlflow) as log:  # before the trainings: what is missing is an error now
        task, extraction, _ = read_task(manifest, pooling, chosen)
        results = run_sweep(
            cells,
            task,
            chosen.runs / ".sweeps",
            task_digest=task_digest(extraction.manifest, extraction.store.recipe, pooling),
            workers=chosen.who_works,
            progress=chosen.progress,
        )
        best = results[0]
        winner = next(
            cell for cell in cells if cell.head == best["head"] and cell.settings.items() <= best["settings"].items()
        )
        in_memory = replace(chosen, memory_gb=math.inf)  # as it was ranked
        spec = parse_head(winner.head)
        run = _fit(extraction.manifest, spec, pooling, winner.training, None, name, command, log, in_memory)
    write_json(run.folder.path / "sweep.json", results)
    if chosen.tensorboard:
        log_sweep(chosen.tensorboard, run.name, results)
    return results, run


def read_task(
    data: Data | Manifest,
    pooling: str,
    options: Options,
    views: Views | None = None,
    memory_bytes: float = math.inf,
) -> tuple[Task, Extraction, TrunkInfo]:
    """Rows and labels; a store of pooled rows serves where it has all rows and the spatial one has not."""
    manifest = manifest_of(data, options)
    manifest.require_task()
    recipe, trunk = make_recipe(manifest, options)
    keys = row_keys(manifest.digests)
    pooled = recipe.with_pooling(pooling)
    # The pooled store is looked at first: most often there is none, and the other one is then read once and not twice.
    if (
        pooling != "none"
        and Store(options.cache, pooled).has(keys).all()
        and not Store(options.cache, recipe).has(keys).all()
    ):
        recipe = pooled
    extraction = extract_recipe(manifest, recipe, options)
    task = load_with_views(extraction.manifest, extraction.store, views, pooling, options, memory_bytes)
    return task, extraction, trunk


def task_digest(manifest: Manifest, recipe: Recipe, pooling: str) -> str:
    """What features and labels a training works on: rows, labels and splits, in any order."""
    entries = sorted(zip(manifest.digests, map(str, manifest.labels), manifest.splits, strict=True))
    text = repr((recipe.fingerprint, pooling, entries))
    return hashlib.sha256(text.encode()).hexdigest()


def data_digest(manifest: Manifest) -> str:
    """Which images with which labels in which splits, whatever features are taken of them: scores on the same can be compared."""
    entries = sorted(zip(manifest.digests, map(str, manifest.labels), manifest.splits, strict=True))
    return hashlib.sha256(repr(entries).encode()).hexdigest()


def provenance(extraction: Extraction, task: Task, options: Options) -> dict[str, Any]:
    """What a run was made from: data, rows, weights, versions."""
    manifest = extraction.manifest
    is_file = options.weights not in ("imagenet", "random")
    return {
        "data": manifest.title,
        "root": str(manifest.images.root.resolve()) if isinstance(manifest.images, Files) else None,
        "source": manifest.source,
        "data_digest": data_digest(manifest),
        "task_digest": task_digest(manifest, extraction.store.recipe, "any"),
        "classes": list(task.classes),
        "images": {name: len(split) for name, split in task.splits.items()},
        "skipped": [asdict(entry) for entry in manifest.skipped],
        "duplicates": manifest.duplicates_across_splits(),
        "recipe": extraction.store.recipe.as_dict(),
        "fingerprint": extraction.store.recipe.fingerprint,
        "weights": str(Path(options.weights).resolve()) if is_file else options.weights,
        "stage_one": {"new": extraction.num_new, "seconds": extraction.seconds},
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("bottleneck-pipeline", "tensorflow", "keras", "scikit-learn", "numpy")},
        },
    }
