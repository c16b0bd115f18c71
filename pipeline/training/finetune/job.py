"""What is trained on which part of a base, and all that it works with: base cut, rows made, tail and head built."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.errors import HeadSpecError, SettingError
from pipeline.images.augment import Augmentation
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.runs.run import Run, load_run
from pipeline.settings import Options, make_recipe, weights_file
from pipeline.stage_one.ensure import extract_recipe, manifest_of
from pipeline.stage_one.extract import Extraction
from pipeline.stage_one.views import Views, describe_views, extract_views, load_with_views
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import DEFAULT_LAYERS, DenseSpec, parse_layers
from pipeline.training.heads import task_digest

if TYPE_CHECKING:
    import keras

    from pipeline.training.finetune.tail import Top


@dataclass(frozen=True)
class Tuning:
    """What is trained, from which layer on, and how fast."""

    head: str = DEFAULT_LAYERS
    pool: str = "none"
    """Pooling between the base's last layer and the head."""

    augmentation: Augmentation | None = None
    """Fresh views of the training images in every epoch; live only."""

    training: Training = field(default_factory=Training)
    """Of the head with the base frozen; when fine-tuning, of tail and head together."""

    head_epochs: int = 10
    """When fine-tuning: epochs of the head alone before, at the training's own learning rate; 0 for none."""

    first: str | None = None
    """First base layer that is trained together with the head afterwards; None trains none."""

    last: int | None = None
    """The same, counted from the base's end."""

    base_rate: float = 1e-5
    head_rate: float = 1e-5
    """When fine-tuning: learning rates of the base's layers and of the head."""

    on_run: str | None = None
    """Start from the head of this run instead of training one first."""


@dataclass(frozen=True)
class Job:
    """All that one training works with."""

    tuning: Tuning
    first: str | None
    """First trained layer of the base, by name."""

    cached: bool
    views: Views | None
    extraction: Extraction
    task: Task
    base: "keras.Model"
    top: "Top"
    start: dict[str, str]
    """Digests of trunk, tail and head as they were before any training."""

    options: Options

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
        source = f"{self.cached} {describe_views(self.views)} {phase}"
        text = json.dumps([self.recipe.fingerprint, asdict(self.tuning), source, digest, self.start])
        return self.options.runs / ".training" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def prepare(data: Data | Manifest, tuning: Tuning, cached: bool, views: Views | None, options: Options) -> Job:
    """Cut the base where frozen meets trainable, make the rows there, and build what is trained on them.

    Args:
        data: What `scan` takes, or a manifest.
        tuning: What is trained.
        cached: Batches are to come from the store.
        views: Stored views to train on.
        options: Base and places; the cut follows from the tuning.

    Raises:
        HeadSpecError: A linear head, which cannot be trained by gradients here.
        InvalidCutError: No such layer, or the graph cannot be divided before it.
        SettingError: Settings that would have no effect together.
    """
    from pipeline.training.finetune.tail import build_top

    spec = _check(tuning, cached=cached, views=views)
    manifest = manifest_of(data, options)
    manifest.require_task()
    base = _load_base(options)
    first = _first_layer(base, tuning)
    chosen = replace(options, cut=_cut_of(base, first))
    recipe, _ = make_recipe(manifest, chosen)
    extraction = extract_recipe(manifest, recipe, chosen)
    num_classes = len(extraction.manifest.classes)
    top = build_top(base, recipe.cut, spec, pooling=tuning.pool, num_classes=num_classes, seed=tuning.training.seed)
    task = load_with_views(
        extraction.manifest, extraction.store, views, _row_pooling(top, tuning), chosen, chosen.memory_bytes()
    )
    if tuning.on_run is not None:
        adopt_head(top, load_run(tuning.on_run, options=chosen), recipe, tuning.pool, extraction.manifest.classes)
    return Job(tuning, first, cached, views, extraction, task, base, top, top.digests(), chosen)


def head_task(job: Job) -> Task:
    """Rows of the base's last layer, pooled, for the epochs in which the head alone is trained.

    They are made from the rows of the boundary, once; otherwise the frozen tail would run in every epoch.
    """
    options = replace(job.options, cut=None)
    manifest = job.extraction.manifest
    recipe, _ = make_recipe(manifest, options)
    extraction = extract_recipe(manifest, recipe, options)
    if job.views:
        extract_views(manifest, job.views, options=options)
    left = options.memory_bytes(job.task.num_bytes)
    return load_with_views(manifest, extraction.store, job.views, job.tuning.pool, options, left)


def adopt_head(top: "Top", run: Run, recipe: Recipe, pooling: str, classes: Sequence[str]) -> None:
    """Copy the head of a run on the frozen base's last layer.

    Raises:
        HeadSpecError: The run has no head of layers, or it was trained on other features or classes.
        InvalidCutError: The two heads differ in their weights' shapes.
    """
    from pipeline.stage_two.dense.build import DenseHead
    from pipeline.training.finetune.tail import copy_head

    info = run.folder.info
    if not isinstance(run.head, DenseHead) or info.get("first_trained_layer"):
        raise HeadSpecError(
            f"{run.name!r} is not a run of a head of layers on a frozen base, which fine-tuning starts from."
        )
    features = Recipe.from_dict(info["recipe"])
    same = replace(features, cut=recipe.cut, trunk_digest=recipe.trunk_digest, dtype=recipe.dtype, pooling="none")
    last = find_base(recipe.base).last_layer
    if same.fingerprint != replace(recipe, pooling="none").fingerprint or features.cut != last:
        raise HeadSpecError(
            f"The head of {run.name!r} was trained on other features: {features.folder_name}. Fine-tuning goes on from a head on "
            f"{last}, with the same base, size, decoding and preprocessing: {recipe.folder_name} is cut from it."
        )
    if (info["pool"], tuple(info["classes"])) != (pooling, tuple(classes)):
        raise HeadSpecError(
            f"The head of {run.name!r} was trained with --pool {info['pool']} for {', '.join(info['classes'])}; "
            f"here it is --pool {pooling} for {', '.join(classes)}."
        )
    copy_head(run.head.model, top.head)


def _check(tuning: Tuning, *, cached: bool, views: Views | None) -> DenseSpec:
    if cached and tuning.first is None and tuning.last is None:
        raise SettingError("A head alone is trained on cached rows with `head` (fit): name a layer to be trained too.")
    if cached and tuning.augmentation:
        raise SettingError(
            "Cached rows are augmented by stored views: give --views K with --augment, or leave out --cached."
        )
    if views and not cached:
        raise SettingError("Live photographs are augmented anew in every epoch: --views needs --cached.")
    return parse_layers(tuning.head)


def _row_pooling(top: "Top", tuning: Tuning) -> str:
    """Pooling of the rows that predictions are made from; a model with a tail pools inside."""
    return "none" if top.tail_layers else tuning.pool


def _first_layer(base: "keras.Model", tuning: Tuning) -> str | None:
    """The first layer to be trained, by name or counted from the end."""
    if tuning.last is None:
        return tuning.first
    if tuning.first is not None:
        raise SettingError("Name the first trained layer, or count the last ones, not both.")
    if not 0 < tuning.last < len(base.layers):
        raise SettingError(f"{base.name} has {len(base.layers)} layers. Received: the last {tuning.last}.")
    return str(base.layers[-tuning.last].name)


def cut_of(tuning: Tuning, options: Options) -> str:
    """Last layer of the trunk: all below the first trained layer."""
    base = _load_base(options)
    return _cut_of(base, _first_layer(base, tuning))


def _load_base(options: Options) -> "keras.Model":
    from pipeline.bases.weights import load_base

    spec = find_base(options.base)
    return load_base(spec, options.size or spec.native_px, weights_file(options), precision=options.precision)


def _cut_of(base: "keras.Model", first: str | None) -> str:
    from pipeline.bases.cut import cut_before

    return str(base.layers[-1].name) if first is None else cut_before(base, first)
