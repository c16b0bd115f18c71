"""The same training again without some images: the same rows, labels, splits, settings and seed.

Nothing is drawn anew. Rows come from the store, labels and splits from the run's predictions.csv, in its order, which is that of the data.
So a linear head is, bit for bit, that of a run on data that never had the images.
"""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from pathlib import Path

from pipeline.bases.digests import TrunkInfo
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.files import write_json
from pipeline.forgetting.known import Row
from pipeline.images.augment import parse_augmentation
from pipeline.images.manifest import Contents, Files, Manifest
from pipeline.images.manifest_file import Elsewhere
from pipeline.images.requirements import require_task
from pipeline.images.sources.folders import real_names
from pipeline.images.summary import Ignored, Skipped
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo, TrainingFacts, task_digest
from pipeline.runs.listing import FAULTS
from pipeline.runs.run import load_run
from pipeline.runs.save import TrainedHead, save_run
from pipeline.runs.saving import Attach, Saving
from pipeline.runs.tables import read_table
from pipeline.runs.tracking.logs import Log
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.folds import Folds
from pipeline.stage_two.grid import Cell
from pipeline.stage_two.head import score_again
from pipeline.stage_two.rows import load_rows
from pipeline.stage_two.spec import parse_head
from pipeline.stage_two.sweep import HeadResult, rank, result_path, run_sweep
from pipeline.tasks.decisions import Decisions
from pipeline.training.heads import fit_cached
from pipeline.training.rows import CachedRows

OWN_FILES = frozenset(
    {
        *("run.json", "metrics.json", "history.csv", "predictions.csv", "head.npz", "head.keras", "folds.csv"),
        *("groups.csv", "novelty.npz", "sweep.json", "forgotten.json"),
    }
)
"""Files that a training writes into the folder of its run, besides plots."""


def manifest_of(run: RunFolder, rows: Sequence[Row], forgotten: Collection[str] = ()) -> Manifest:
    """The images of a run, in its order, with its labels and splits.

    Args:
        run: The run.
        rows: The rows of its predictions.csv that are to be kept.
        forgotten: Names of the others.
    """
    info, names = run.info, tuple(row["path"] for row in rows)
    root = None if info.root is None else Path(info.root)
    images = Elsewhere(info.source or info.data) if root is None else Files(root, tuple(real_names(root, names)))
    known = _groups(run)
    groups = tuple(known.get((row["path"], row["sha256"])) for row in rows) if known else ()
    found = Manifest(
        images=images,
        positions=tuple(range(len(rows))),
        names=names,
        digests=tuple(bytes.fromhex(row["sha256"]) for row in rows),
        labels=tuple(row["label"] for row in rows),
        splits=tuple(row["split"] for row in rows),
        groups=groups,
        kind=run.task.kind,
        skipped=tuple(
            Skipped(entry["path"], entry["reason"]) for entry in info.skipped if entry["path"] not in forgotten
        ),
        ignored=tuple(Ignored(entry["kind"], entry["count"], entry["reason"] or "") for entry in info.ignored),
        title=info.data,
        source=info.source,
        label_column=info.label_column,
        split_rule=info.split_rule,
    )
    return found if _names_all(run) == info.classes else replace(found, target_names=info.classes)


def _names_all(run: RunFolder) -> tuple[str, ...]:
    """The names that occur in the labels of all images: those of the task, unless the data named them or an older version sorted them."""
    labels = tuple(row["label"] for row in run.predictions())
    return Manifest(
        images=Contents(()),
        positions=(0,) * len(labels),
        names=("",) * len(labels),
        digests=(b"",) * len(labels),
        labels=labels,
        splits=("train",) * len(labels),
        kind=run.task.kind,
    ).classes


def _groups(run: RunFolder) -> dict[tuple[str, str], str | None]:
    try:
        return {(row["path"], row["sha256"]): row["group"] or None for row in read_table(run.path / "groups.csv")}
    except FileNotFoundError:
        return {}


def views_of(info: RunInfo) -> Views | None:
    """The stored views that a run was trained on."""
    if not info.views:
        return None
    augmentation = parse_augmentation(info.views["augmentation"])
    if augmentation is None:
        return None
    return Views(info.views["count"], augmentation, info.views["seed"], info.views["tta"])


def training_of(info: RunInfo) -> Training:
    """The settings of a run's training; those that linear heads do not use have their defaults."""
    known = {entry.name for entry in fields(Training)}
    given = {name: value for name, value in (info.training or {}).items() if name in known}
    return Training(**{"seed": info.seed, "class_weight": info.class_weight, **given})


def decisions_of(run: RunFolder) -> Decisions:
    """The goal of the run's thresholds, and the method of its calibration."""
    return Decisions(str(run.task.goal) if run.task.goal else None, run.task.calibrate)


def folds_of(info: RunInfo) -> Folds | None:
    """The folds of a run."""
    return Folds(info.folds["folds"], info.folds["repeats"]) if info.folds else None


def saving_again(run: RunFolder, keep: Sequence[Path], results: Sequence[HeadResult] = ()) -> Saving:
    """How a new training of a run takes its place: with the old name and command, and plots if plots were drawn.

    Args:
        run: The run.
        keep: Files of its folder that the new one gets, too.
        results: Of the heads of its sweep, for sweep.json.
    """
    plots = any(run.path.glob("*.png"))
    return Saving(run.name, replace=True, plots=plots, command=run.info.command, attach=_attach(keep, results))


def _attach(paths: Sequence[Path], results: Sequence[HeadResult]) -> Attach:
    """What copies files of the old run, and writes the results of a sweep, into the folder of the new one."""

    def add(folder: Path) -> None:
        for path in paths:
            if path.is_dir():
                shutil.copytree(path, folder / path.name, symlinks=True)
            else:
                shutil.copy2(path, folder / path.name, follow_symlinks=False)
        if results:
            write_json(folder / "sweep.json", [result.as_dict() for result in results])

    return add


class Refit:
    """Trains the head of a run on cached rows again, without some images.

    Args:
        run: The run.
        manifest: Its other images.
        settings: Folders; features of the run.
        keep: Files of the run's folder that are not made by the training.
    """

    def __init__(self, run: RunFolder, manifest: Manifest, settings: Settings, keep: Sequence[Path]) -> None:
        self._run, self._manifest, self._settings, self._keep = run, manifest, settings, keep
        self._store = Store(settings.paths.cache, Recipe.from_dict(dict(run.info.recipe)))

    def train(self) -> None:
        """Train the head, or the heads of the sweep whose best one the run is, and replace the run.

        Raises:
            MissingRowsError: Rows of the other images are not in the cache.
            PipelineError, OSError: The head cannot be trained without the images, or the run cannot be written.
        """
        info, sweep = self._run.info, self._run.sweep()
        if not sweep:
            self._fit(self._rows(info.pool), info.head, training_of(info))
            return
        cells = [_cell(entry, info) for entry in sweep]
        rows = {pooling: self._rows(pooling) for pooling in {cell.pooling for cell in cells}}
        results = rank(result for each in rows.values() for result in self._sweep(cells, each))
        best = results[0].cell
        self._fit(rows[best.pooling], best.head, best.training, results)

    def score(self) -> None:
        """Score the head as it is on the other images, and replace the run."""
        run, info = self._run, self._run.info
        manifest = replace(self._manifest, target_names=info.classes)
        views = views_of(info)
        labelled = load_rows(
            manifest, self._store, views, pooling=info.pool, memory_bytes=self._settings.compute.memory_bytes()
        )
        head = load_run(run.path, self._settings).head
        scored = score_again(head, run.task, labelled, tta=views is not None and views.tta)
        facts = TrainingFacts(**{entry.name: getattr(info, entry.name) for entry in fields(TrainingFacts)})
        trained = TrainedHead(head, scored, (), facts, self._extraction(manifest))
        own = [run.path / name for name in ("history.csv", "folds.csv", "sweep.json", run.head_path.name)]
        kept = [*self._keep, *(path for path in own if path.is_file())]
        save_run(trained, Log(), self._settings, saving_again(run, kept))

    def _rows(self, pooling: str) -> CachedRows:
        info, manifest = self._run.info, self._manifest
        views = views_of(info)
        labelled = load_rows(
            manifest, self._store, views, pooling=pooling, memory_bytes=self._settings.compute.memory_bytes()
        )
        trunk = TrunkInfo(info.trunk_digest_before or "", info.total_params - info.trainable_params)
        return CachedRows(labelled, self._extraction(manifest), trunk, pooling, views, is_stored=True)

    def _extraction(self, manifest: Manifest) -> Extraction:
        return Extraction(require_task(manifest), self._store, 0, 0.0, None)

    def _sweep(self, cells: Sequence[Cell], rows: CachedRows) -> list[HeadResult]:
        compute, manifest = self._settings.compute, rows.extraction.manifest
        return run_sweep(
            [cell for cell in cells if cell.pooling == rows.pooling],
            rows.labelled,
            self._settings.paths.runs / ".sweeps",
            task_digest=task_digest(manifest, self._store.recipe, rows.pooling),
            workers=compute.executor,
            folds=folds_of(self._run.info),
            progress=compute.progress,
        )

    def _fit(self, rows: CachedRows, head: str, training: Training, results: Sequence[HeadResult] = ()) -> None:
        run = self._run
        fit_cached(
            rows,
            parse_head(head, rows.labelled.task),
            training,
            Log(),
            self._settings,
            saving_again(run, self._keep, results),
            folds=folds_of(run.info),
            decisions=decisions_of(run),
        )


def _cell(entry: dict[str, object], info: RunInfo) -> Cell:
    """One head of a sweep with its training, as sweep.json has it."""
    known = {each.name for each in fields(Training)}
    settings = entry.get("settings")
    given = {name: value for name, value in settings.items() if name in known} if isinstance(settings, dict) else {}
    return Cell(str(entry["head"]), replace(training_of(info), **given), str(entry["pool"]))


def sweep_leftovers(run: RunFolder, runs: Path) -> list[Path]:
    """Results of the heads of a run's sweep, which a later sweep on the same images would use."""
    info, manifest = run.info, manifest_of(run, run.predictions())
    try:
        recipe, found = Recipe.from_dict(dict(info.recipe)), []
        for cell in (_cell(entry, info) for entry in run.sweep()):
            digest = task_digest(manifest, recipe, cell.pooling)
            found.append(result_path(runs / ".sweeps", cell, digest, folds_of(info)))
    except FAULTS:  # a damaged sweep.json; the run itself says so when it is fitted again
        return []
    return [path for path in found if path.is_file()]
