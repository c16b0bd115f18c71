"""End to end and fine-tuning as verbs: the same trunk, tail and head, fed by live photographs or by cached rows."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bases.zoo import find_base
from pipeline.cache.recipe import Recipe
from pipeline.errors import HeadSpecError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.images.views import Augmentation
from pipeline.results.runs import check_run_name
from pipeline.stage_two.features import Task
from pipeline.stage_two.spec import DenseSpec, parse_head
from pipeline.stage_two.training import Training
from pipeline.verbs.heads import provenance, task_digest
from pipeline.verbs.options import Options, make_recipe, weights_file
from pipeline.verbs.rows import extract_recipe, manifest_of
from pipeline.verbs.run import Run, load_run, save_run
from pipeline.verbs.views import Views, describe_views, load_with_views

if TYPE_CHECKING:
    import keras

    from pipeline.stage_two.tail import Phase, Top
    from pipeline.stage_two.trainer import Forward, Source


@dataclass(frozen=True)
class Tuning:
    """What is trained, from which layer on, and how fast."""

    head: str = "dense:256,relu,dropout:0.5"
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


def end_to_end(
    data: str | Path | Manifest, tuning: Tuning, *, name: str | None = None, options: Options | None = None
) -> Run:
    """Train a head on live, freshly augmented photographs through the frozen base; see `tune`.

    Raises:
        SettingError: A layer to be trained is named, which is fine-tuning.
    """
    if tuning.first is not None or tuning.last is not None:
        raise SettingError("End to end the base stays frozen: to train layers of it, use finetune.")
    return tune(data, tuning, name=name, options=options)


def finetune(
    data: str | Path | Manifest,
    tuning: Tuning,
    *,
    cached: bool = False,
    views: Views | None = None,
    name: str | None = None,
    options: Options | None = None,
) -> Run:
    """Train the head, then the base from a layer on together with it, live or from cached rows; see `tune`.

    Raises:
        SettingError: No layer to be trained is named.
    """
    if tuning.first is None and tuning.last is None:
        raise SettingError("Fine-tuning needs the first layer to be trained (Tuning.first), or how many of the last.")
    return tune(data, tuning, cached=cached, views=views, name=name, options=options)


def tune(
    data: str | Path | Manifest,
    tuning: Tuning,
    *,
    cached: bool = False,
    views: Views | None = None,
    name: str | None = None,
    tensorboard: Path | None = None,
    pictures: bool = True,
    command: str | None = None,
    options: Options | None = None,
) -> Run:
    """Train a head on the live base, or the head and then the last part of the base with it.

    The trunk, everything below the first trained layer, stays frozen; its digest is taken before and
    after. A killed training goes on from its last whole epoch.

    Args:
        data: What `scan` takes, or a manifest.
        tuning: What is trained.
        cached: Take the trunk's output from the store instead of running it on live photographs.
        views: With `cached`: train on stored augmentations too.
        name: The run's name; None makes one up.
        tensorboard: Folder for TensorBoard's logs.
        pictures: Draw curves and confusion matrix.
        command: How to make the run again.
        options: Base and places.

    Raises:
        HeadSpecError: A linear head, which cannot be trained by gradients here.
        InvalidCutError: No such layer, or the graph cannot be divided before it.
        SettingError: Augmentation with `cached`, which no stored row provides.
    """
    from pipeline.bases.weights import load_base
    from pipeline.stage_two.tail import build_top

    chosen, spec = options or Options(), parse_head(tuning.head)
    check_run_name(name, chosen.runs)
    if not isinstance(spec, DenseSpec):
        raise HeadSpecError(
            f"End-to-end training needs a head of layers, such as dense:256,relu. Received: {tuning.head!r}."
        )
    if cached and tuning.augmentation:
        raise SettingError(
            "Cached rows are augmented by stored views: give --views K with --augment, or leave out --cached."
        )
    if views and not cached:
        raise SettingError("Live photographs are augmented anew in every epoch: --views needs --cached.")
    manifest = manifest_of(data, chosen)
    manifest.require_task()
    size = chosen.size or find_base(chosen.base).native_px
    base = load_base(find_base(chosen.base), size, weights_file(chosen), precision=chosen.precision)
    first = _first_layer(base, tuning)
    chosen = replace(chosen, cut=_cut_of(base, first))
    recipe, _ = make_recipe(manifest, chosen)
    extraction = extract_recipe(manifest, recipe, chosen)
    manifest = extraction.manifest
    top = build_top(
        base, recipe.cut, spec, pooling=tuning.pool, num_classes=len(manifest.classes), seed=tuning.training.seed
    )
    has_tail = bool(top.tail_layers)
    pooling = "none" if has_tail or cached else tuning.pool
    task = load_with_views(manifest, extraction.store, views, pooling, chosen)
    before = top.digests()
    history, phases = _run_phases(top, task, manifest, recipe, tuning, first, cached, views, tensorboard, chosen)
    after = top.digests()
    num_trained = sum(int(np.prod(v.shape)) for v in (*top.head.trainable_variables, *top.tail_variables))
    info = {
        "head": str(spec),
        "regime": "fine-tuning" if first else "end to end",
        "command": command,
        "chosen": {},
        "cached": cached,
        "views": describe_views(views),
        "first_trained_layer": first,
        "augmentation": tuning.augmentation.canonical_json() if tuning.augmentation else None,
        "training": asdict(tuning.training),
        "seed": tuning.training.seed,
        "phases": phases,
        "pool": "none" if has_tail else tuning.pool,
        "seconds": sum(row["seconds"] for row in history),
        "seconds_per_epoch": float(np.median([row["seconds"] for row in history])) if history else None,
        "epochs": len(history),
        "trainable_params": num_trained,
        "total_params": base.count_params() + top.head.count_params(),
        "trunk_digest_before": before["trunk"],
        "trunk_digest_after": after["trunk"],
        "moved_layers": [layer for layer in before if before[layer] != after[layer]],
        **provenance(extraction, task, chosen),
    }
    return _save(top, task, history, info, name, pictures, chosen)


def _first_layer(base: "keras.Model", tuning: Tuning) -> str | None:
    """The first layer to be trained, by name or counted from the end."""
    if tuning.last is None:
        return tuning.first
    if tuning.first is not None:
        raise SettingError("Name the first trained layer, or count the last ones, not both.")
    if not 0 < tuning.last < len(base.layers):
        raise SettingError(f"{base.name} has {len(base.layers)} layers. Received: the last {tuning.last}.")
    return str(base.layers[-tuning.last].name)


def _cut_of(base: "keras.Model", first: str | None) -> str:
    from pipeline.bases.cut import cut_before

    return str(base.layers[-1].name) if first is None else cut_before(base, first)


def _run_phases(
    top: "Top",
    task: Task,
    manifest: Manifest,
    recipe: Recipe,
    tuning: Tuning,
    first: str | None,
    cached: bool,
    views: Views | None,
    tensorboard: Path | None,
    options: Options,
) -> tuple[list[dict[str, float]], list[dict[str, Any]]]:
    """The head alone, then the head with the tail; one history over both."""
    from pipeline.stage_two.tail import fit_top

    history, phases = [], []
    if tuning.on_run is not None:
        history = _adopt_head(top, tuning.on_run, options)
        phases.append({"name": "head", "epochs": len(history)})
    for number, phase in enumerate(_phases(tuning, first)):
        forward, source, validation = _feed(top, task, manifest, recipe, tuning, cached, phase)
        rows = fit_top(
            top,
            forward,
            source,
            validation,
            phase,
            checkpoint=_checkpoint(manifest, recipe, tuning, f"{cached} {describe_views(views)} {number}", options),
            tensorboard=tensorboard / phase.name.replace(" ", "-") if tensorboard else None,
            progress=options.progress,
        )
        history += [row | {"epoch": len(history) + count} for count, row in enumerate(rows, start=1)]
        phases.append({"name": phase.name, "epochs": len(rows)})
    return history, phases


def _phases(tuning: Tuning, first: str | None) -> "list[Phase]":
    from pipeline.stage_two.tail import Phase

    if first is None:
        return [Phase("head", tuning.training)]
    # Another seed: other orders and views than those the head has seen alone.
    together = replace(tuning.training, learning_rate=tuning.head_rate, seed=tuning.training.seed + 1)
    phases = [Phase("head and tail", together, first, tuning.base_rate)]
    if tuning.on_run is None and tuning.head_epochs:
        phases.insert(0, Phase("head", replace(tuning.training, epochs=tuning.head_epochs, patience=0)))
    return phases


def _feed(
    top: "Top",
    task: Task,
    manifest: Manifest,
    recipe: Recipe,
    tuning: Tuning,
    cached: bool,
    phase: "Phase",
) -> "tuple[Forward, Source, Source]":
    """Where batches come from, and what runs on them: the one difference between cached and live."""
    if cached:
        from pipeline.stage_two.dense import training_source
        from pipeline.stage_two.trainer import ArraySource

        train, validation_part = task.train, task.validation
        return top.forward, training_source(train, phase.training), ArraySource(validation_part.X, validation_part.y)
    from pipeline.comparison.live import LiveSource, live_forward

    source, validation = (
        LiveSource(manifest.split(split), manifest.classes, recipe.decoder, augmentation, phase.training.seed)
        for split, augmentation in (("train", tuning.augmentation), ("validation", None))
    )
    return live_forward(top.trunk, top.forward, recipe.preprocessing), source, validation


def _adopt_head(top: "Top", name: str, options: Options) -> list[dict[str, float]]:
    """Copy a run's head, and go on with its history."""
    from pipeline.stage_two.dense import DenseHead
    from pipeline.stage_two.tail import copy_head

    run = load_run(name, options=options)
    if not isinstance(run.head, DenseHead) or run.folder.info.get("first_trained_layer"):
        raise HeadSpecError(
            f"{name!r} is not a run of a head of layers on a frozen base, which fine-tuning starts from."
        )
    copy_head(run.head.model, top.head)
    return run.folder.history()


def _checkpoint(manifest: Manifest, recipe: Recipe, tuning: Tuning, source: str, options: Options) -> Path:
    """Named after all that the training depends on, so that another training never takes it for its own."""
    text = json.dumps([recipe.fingerprint, asdict(tuning), source, task_digest(manifest, recipe, tuning.pool)])
    return options.runs / ".training" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _save(
    top: "Top",
    task: Task,
    history: Sequence[dict[str, float]],
    info: dict[str, Any],
    name: str | None,
    pictures: bool,
    options: Options,
) -> Run:
    from pipeline.stage_two.dense import DenseHead

    head = DenseHead(top.model if top.tail_layers else top.head)
    return save_run(head, task, list(history), info, name, pictures, options)
