"""All that one training of trunk, tail and head works with: the base cut, its rows made, tail and head built."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.errors import HeadSpecError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.runs.info import task_digest
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.recipes import make_recipe, weights_file
from pipeline.stage_one.views import ensure_views
from pipeline.stage_two.rows import Task, load_with_views
from pipeline.stage_two.spec import parse_layers
from pipeline.training.finetune.settings import FineTuning

if TYPE_CHECKING:
    import keras

    from pipeline.training.finetune.tail import Top


@dataclass(frozen=True)
class Job:
    """All that one training works with."""

    tuning: FineTuning
    first: str | None
    """First trained layer of the base, by name."""

    extraction: Extraction
    task: Task
    base: "keras.Model"
    top: "Top"
    start: dict[str, str]
    """Digests of trunk, tail and head as they were before any training."""

    settings: Settings

    @property
    def pooling(self) -> str:
        """Pooling of the rows that predictions are made from; a model with a tail pools inside."""
        return _row_pooling(self.top, self.tuning)

    @property
    def recipe(self) -> Recipe:
        """Of the rows at the boundary."""
        return self.extraction.store.recipe

    def checkpoint(self, phase: int) -> Path:
        """Named after all that the training depends on, so that another training never takes it for its own."""
        digest = task_digest(self.extraction.manifest, self.recipe, self.tuning.pool)
        text = json.dumps([self.recipe.fingerprint, asdict(self.tuning), phase, digest, self.start])
        return self.settings.paths.runs / ".training" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def prepare(manifest: Manifest, tuning: FineTuning, settings: Settings) -> Job:
    """Cut the base where frozen meets trainable, make the rows there, and build what is trained on them.

    Args:
        manifest: The images, with labels.
        tuning: What is trained.
        settings: Features, folders and compute; the cut follows from the tuning.

    Raises:
        HeadSpecError: A linear head, which cannot be trained by gradients here.
        InvalidCutError: No such layer, or the graph cannot be divided before it.
    """
    from pipeline.training.finetune.tail import build_top

    spec = parse_layers(tuning.head)
    manifest.require_task()
    base = _load_base(settings)
    first = _first_layer(base, tuning)
    own = settings.with_changes(cut=_cut_of(base, first))
    recipe, _ = make_recipe(manifest, own)
    extraction = ensure(manifest, recipe, own)
    manifest = extraction.manifest
    top = build_top(
        base, recipe.cut, spec, pooling=tuning.pool, num_classes=len(manifest.classes), seed=tuning.training.seed
    )
    task = load_with_views(
        manifest,
        extraction.store,
        tuning.views,
        pooling=_row_pooling(top, tuning),
        memory_bytes=own.compute.memory_bytes(),
    )
    if tuning.on_run is not None:
        adopt_head(top, load_run(tuning.on_run, own), recipe, tuning.pool, manifest.classes)
    return Job(tuning, first, extraction, task, base, top, top.digests(), own)


def head_task(job: Job) -> Task:
    """Rows of the base's last layer, pooled, for the epochs in which the head alone is trained.

    They are derived from the rows of the boundary, once; otherwise the frozen tail would run in every epoch.
    """
    settings, manifest, views = job.settings.with_changes(cut=None), job.extraction.manifest, job.tuning.views
    recipe, _ = make_recipe(manifest, settings)
    extraction = ensure(manifest, recipe, settings)
    if views:
        ensure_views(manifest, views, recipe, settings)
    left = settings.compute.memory_bytes(job.task.num_bytes)
    return load_with_views(manifest, extraction.store, views, pooling=job.tuning.pool, memory_bytes=left)


def adopt_head(top: "Top", run: Run, recipe: Recipe, pooling: str, classes: Sequence[str]) -> None:
    """Copy the head of a run on the frozen base's last layer.

    Raises:
        HeadSpecError: The run has no dense head, or it was trained on other features or classes.
        InvalidCutError: The two heads differ in their weights' shapes.
    """
    from pipeline.stage_two.dense.build import DenseHead
    from pipeline.training.finetune.tail import copy_head

    info = run.info
    if not isinstance(run.head, DenseHead) or info.first_trained_layer:
        raise HeadSpecError(
            f"{run.name!r} is not a run of a dense head on a frozen base, which fine-tuning starts from."
        )
    features = Recipe.from_dict(info.recipe)
    same = replace(features, cut=recipe.cut, trunk_digest=recipe.trunk_digest, dtype=recipe.dtype, pooling="none")
    last = find_base(recipe.base).last_layer
    if same.fingerprint != replace(recipe, pooling="none").fingerprint or features.cut != last:
        raise HeadSpecError(
            f"The head of {run.name!r} was trained on other features: {features.folder_name}. Fine-tuning goes on from a head on "
            f"{last}, with the same base, size, decoding and preprocessing: {recipe.folder_name} is cut from it."
        )
    if (info.pool, tuple(info.classes)) != (pooling, tuple(classes)):
        raise HeadSpecError(
            f"The head of {run.name!r} was trained with --pool {info.pool} for {', '.join(info.classes)}; "
            f"here it is --pool {pooling} for {', '.join(classes)}."
        )
    copy_head(run.head.model, top.head)


def _row_pooling(top: "Top", tuning: FineTuning) -> str:
    """Pooling of the rows that predictions are made from; a model with a tail pools inside."""
    return "none" if top.tail_layers else tuning.pool


def _first_layer(base: "keras.Model", tuning: FineTuning) -> str | None:
    """The first layer to be trained, by name or counted from the end."""
    if tuning.last is None:
        return tuning.first
    if not 0 < tuning.last < len(base.layers):
        raise SettingError(f"{base.name} has {len(base.layers)} layers. Received: the last {tuning.last}.")
    return str(base.layers[-tuning.last].name)


def cut_of(tuning: FineTuning, settings: Settings) -> str:
    """Last layer of the trunk: all below the first trained layer."""
    base = _load_base(settings)
    return _cut_of(base, _first_layer(base, tuning))


def _load_base(settings: Settings) -> "keras.Model":
    from pipeline.bases.weights import load_base

    features = settings.features
    spec = find_base(features.base)
    file = weights_file(spec.name, features.weights)
    return load_base(spec, features.size or spec.native_px, file, precision=features.precision)


def _cut_of(base: "keras.Model", first: str | None) -> str:
    from pipeline.bases.cut import cut_before

    return str(base.layers[-1].name) if first is None else cut_before(base, first)
