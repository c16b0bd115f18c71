"""The parts of one fine-tuning: the base is cut, the rows at the cut are stored and read, tail and head are built."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bases.files import home_folder, weights_file
from pipeline.cache.recipe import Recipe
from pipeline.errors import HeadSpecError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.runs.info import task_digest
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import ensure_views, fetch_views
from pipeline.stage_two.rows import LabelledRows, load_rows
from pipeline.stage_two.spec import DenseSpec, check_learnable, parse_layers
from pipeline.training.finetune.settings import FineTuning

if TYPE_CHECKING:
    import keras

    from pipeline.training.finetune.tail import Top


@dataclass(frozen=True)
class Assembly:
    """All that one training needs, complete before its first step."""

    tuning: FineTuning
    spec: DenseSpec
    """The head."""

    first: str | None
    """Name of the first trained layer of the base; None: no layer of the base is trained."""

    extraction: Extraction
    """The rows at the cut."""

    last_layer: Extraction | None
    """The rows of the base's last layer, if a phase trains the head alone on cached rows."""

    labelled: LabelledRows
    """Rows at the cut, with labels."""

    base: "keras.Model"
    top: "Top"
    start: dict[str, str]
    """Digests of trunk, tail layers and head before the training."""

    history: Sequence[Mapping[str, float]]
    """Epochs of the run that the head comes from; empty for a new head."""

    settings: Settings

    @property
    def pooling(self) -> str:
        """Pooling of the rows that predictions are made from; a model with a tail pools inside."""
        return _row_pooling(self.first, self.tuning)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the rows at the cut."""
        return self.extraction.store.recipe

    def checkpoint(self, phase: int) -> Path:
        """The checkpoint of a phase. Its name depends on all that the training depends on, so no other training reads it."""
        digest = task_digest(self.extraction.manifest, self.recipe, self.tuning.pool)
        classes = self.extraction.manifest.classes
        # Up to version 0.2 classes were in the order of their letters: `10` before `2`.
        order = [] if list(classes) == sorted(classes) else [classes]
        tuning = asdict(self.tuning) | {"training": self.tuning.training.as_dict()}
        text = json.dumps([self.recipe.fingerprint, tuning, phase, digest, self.start, *order])
        return self.settings.paths.runs / ".training" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"

    def load_last_layer(self) -> LabelledRows | None:
        """Rows of the base's last layer with labels, pooled for the head; None if they are not needed."""
        if self.last_layer is None:
            return None
        return load_rows(
            self.extraction.manifest,
            self.last_layer.store,
            self.tuning.views,
            pooling=self.tuning.pool,
            memory_bytes=self.settings.compute.memory_bytes(self.labelled.num_bytes),
        )


def assemble(manifest: Manifest, tuning: FineTuning, settings: Settings) -> Assembly:
    """Cut the base where frozen layers meet trained ones, store and read the rows there, and build tail and head.

    Args:
        manifest: The images, with labels.
        tuning: What is trained.
        settings: Features, folders and compute; the cut follows from the tuning.

    Raises:
        HeadSpecError: A linear head, which is not trained by gradients here, or a run whose head does not fit.
        InvalidCutError: There is no such layer, or the graph cannot be divided before it.
    """
    from pipeline.training.finetune.tail import build_top

    spec = parse_layers(tuning.head)
    check_learnable(spec, manifest.task)
    base = _load_base(settings)
    first = _first_layer(base, tuning)
    cut = _cut_of(base, first)
    own = settings.with_changes(cut=cut)
    recipe, _ = make_recipe(manifest, own)
    extraction = ensure(manifest, recipe, own)
    fetch_views(extraction.manifest, tuning.views, recipe, own)
    last_layer = _last_layer_rows(extraction.manifest, tuning, recipe, own)
    labelled = load_rows(
        extraction.manifest,
        extraction.store,
        tuning.views,
        pooling=_row_pooling(first, tuning),
        memory_bytes=own.compute.memory_bytes(),
    )
    seed = tuning.training.seed
    task, scaling = labelled.task, labelled.task.scaling(labelled.train.y)
    top = build_top(base, cut, spec, pooling=tuning.pool, task=task, seed=seed, scaling=scaling)
    history: Sequence[Mapping[str, float]] = ()
    if tuning.on_run is not None:
        run = load_run(tuning.on_run, own)
        adopt_head(top, run, recipe, tuning.pool, labelled.classes)
        history = run.folder.history()
    return Assembly(
        tuning=tuning,
        spec=spec,
        first=first,
        extraction=extraction,
        last_layer=last_layer,
        labelled=labelled,
        base=base,
        top=top,
        start=top.digests(),
        history=history,
        settings=own,
    )


def _last_layer_rows(manifest: Manifest, tuning: FineTuning, recipe: Recipe, settings: Settings) -> Extraction | None:
    """Rows of the base's last layer, derived from those at the cut: otherwise the frozen tail would run in every epoch."""
    if not (tuning.cached and tuning.trains_head_first and recipe.has_whole_grids):
        return None
    whole = settings.with_changes(cut=None)
    recipe, _ = make_recipe(manifest, whole)
    extraction = ensure(manifest, recipe, whole)
    if tuning.views:
        ensure_views(manifest, tuning.views, recipe, whole)
    return extraction


def adopt_head(top: "Top", run: Run, recipe: Recipe, pooling: str, classes: Sequence[str]) -> None:
    """Copy the weights of a run's head, which was trained on the last layer of the frozen base.

    Args:
        top: Tail and head; the head receives the weights.
        run: The run.
        recipe: Of the rows at the cut.
        pooling: Pooling between the base's last layer and the head.
        classes: Names of the classes.

    Raises:
        HeadSpecError: The run has no dense head, or it was trained on other features or classes.
        InvalidCutError: The shapes of the weights differ.
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
    if same.fingerprint != replace(recipe, pooling="none").fingerprint or features.cut != top.last_layer:
        raise HeadSpecError(
            f"The head of {run.name!r} was trained on other features: {features.folder_name}. Fine-tuning starts from a head on "
            f"{top.last_layer}, with the base, size, decoding and preprocessing of {recipe.folder_name}."
        )
    if (info.pool, tuple(info.classes)) != (pooling, tuple(classes)):
        raise HeadSpecError(
            f"The head of {run.name!r} was trained with --pool {info.pool} for {', '.join(info.classes)}; "
            f"expected --pool {pooling} for {', '.join(classes)}."
        )
    copy_head(run.head.model, top.head)


def cut_of(tuning: FineTuning, settings: Settings) -> str:
    """Name of the trunk's last layer; all layers below the first trained one are in the trunk."""
    base = _load_base(settings)
    return _cut_of(base, _first_layer(base, tuning))


def _row_pooling(first: str | None, tuning: FineTuning) -> str:
    return tuning.pool if first is None else "none"


def _first_layer(base: "keras.Model", tuning: FineTuning) -> str | None:
    """Name of the first trained layer, which the settings name, by its block too, or count from the end."""
    from pipeline.bases.cut import first_layer

    if tuning.last is None:
        return None if tuning.first is None else first_layer(base, tuning.first)
    if not 0 < tuning.last < len(base.layers):
        raise SettingError(f"{base.name} has {len(base.layers)} layers. Received: the last {tuning.last}.")
    return str(base.layers[-tuning.last].name)


def _load_base(settings: Settings) -> "keras.Model":
    from pipeline.bases.weights import load_base

    features = settings.features
    spec = features.spec
    file = weights_file(spec, features.weights, home_folder())
    return load_base(spec, features.size or spec.native_px, file, precision=features.precision)


def _cut_of(base: "keras.Model", first: str | None) -> str:
    from pipeline.bases.cut import cut_before

    return str(base.layers[-1].name) if first is None else cut_before(base, first)
