"""End-to-end training and fine-tuning, from a manifest to a run, on live images or cached rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import require_pixels
from pipeline.runs.info import TrainingFacts
from pipeline.runs.run import Run
from pipeline.runs.save import TrainedHead, save_run
from pipeline.runs.saving import Saving
from pipeline.runs.tracking.logs import Log, open_log
from pipeline.settings import Settings
from pipeline.stage_two.dense.batches import Source, training_source, validation_source
from pipeline.stage_two.head import score_head
from pipeline.stage_two.weights import weighted
from pipeline.tasks.decisions import NONE, Decisions
from pipeline.training.finetune.assembly import Assembly, assemble
from pipeline.training.finetune.settings import FineTuning

if TYPE_CHECKING:
    from pipeline.stage_two.dense.train import Forward
    from pipeline.training.finetune.tail import Phase


@dataclass(frozen=True)
class PhaseRecord:
    """A finished phase, for run.json."""

    name: str
    """`head`, or `head and tail`."""

    epochs: int


def finetune(
    manifest: Manifest, tuning: FineTuning, settings: Settings, saving: Saving, *, decisions: Decisions = NONE
) -> Run:
    """Train a head on the frozen base, or first the head and then the last layers of the base together with it.

    The trunk, all layers below the first trained one, stays frozen; its digest is taken before and after. An interrupted training
    continues after its last complete epoch.

    Args:
        manifest: The images, with labels.
        tuning: What is trained.
        settings: Features, folders, compute and tracking.
        saving: Name, plots and command of the run.
        decisions: Goal of the thresholds, and method of the calibration.

    Raises:
        DisagreementError: The whole network on images predicts something else than tail and head on rows.
        DivergedError: The loss became NaN or infinite.
        DataLayoutError: Live training of images that come from a manifest file.
        HeadSpecError: A linear head, which is not trained by gradients here.
        InvalidCutError: There is no such layer, or the graph cannot be divided before it.
    """
    saving.check(settings.paths.runs)
    if not tuning.cached:
        require_pixels(manifest, "Training on live images (without --cached)")
    with open_log(settings.tracking.tensorboard, settings.tracking.mlflow) as log:
        assembly = assemble(manifest, tuning, settings)
        trained = _train_head(assembly, decisions, log, saving.command)
        return save_run(trained, log, assembly.settings, saving)


def _train_head(assembly: Assembly, decisions: Decisions, log: Log, command: str | None) -> TrainedHead:
    """Train, and check the result on images."""
    from pipeline.stage_two.dense.build import DenseHead
    from pipeline.training.finetune.check import stitched_difference

    history, phases = _train(assembly, log)
    after = assembly.top.digests()
    try:
        difference = stitched_difference(assembly)
    finally:
        _remove_checkpoints(assembly)
    facts = _describe(assembly, history, phases, after, difference, command)
    head = DenseHead(assembly.top.model if assembly.top.tail_layers else assembly.top.head, assembly.labelled.task.link)
    scored = score_head(head, assembly.labelled, tta=bool(facts.views and facts.views["tta"]), decisions=decisions)
    return TrainedHead(head, scored, history, facts, assembly.extraction)


def _describe(
    assembly: Assembly,
    history: Sequence[dict[str, float]],
    phases: Sequence[PhaseRecord],
    after: Mapping[str, str],
    difference: float | None,
    command: str | None,
) -> TrainingFacts:
    """What run.json records of a training: its settings, its epochs, and which layers it moved."""
    tuning, top, before = assembly.tuning, assembly.top, assembly.start
    trained = (*top.head.trainable_variables, *top.tail_variables)
    return TrainingFacts(
        head=str(assembly.spec),
        pool=assembly.pooling,
        inner_pool=tuning.pool if assembly.first else None,
        command=command,
        regime="fine-tuning" if assembly.first else "end to end",
        cached=tuning.cached,
        views=tuning.views.as_dict() if tuning.views else None,
        first_trained_layer=assembly.first,
        augmentation=tuning.augmentation.canonical_json() if tuning.augmentation else None,
        training=tuning.training.as_dict(),
        class_weight=tuning.training.class_weight,
        seed=tuning.training.seed,
        phases=[asdict(phase) for phase in phases],
        fine_tuning=_recorded(tuning) if assembly.first else None,
        seconds=sum(row["seconds"] for row in history),
        # Of the last phase: an epoch of the head alone takes another time.
        seconds_per_epoch=float(np.median([row["seconds"] for row in history[-phases[-1].epochs :]])),
        epochs=len(history),
        trainable_params=sum(int(np.prod(variable.shape)) for variable in trained),
        total_params=assembly.base.count_params() + top.head.count_params(),
        trunk_digest_before=before["trunk"],
        trunk_digest_after=after["trunk"],
        moved_layers=[layer for layer in before if before[layer] != after[layer] and layer != "head"],
        stitched_difference=difference,
    )


def _recorded(tuning: FineTuning) -> dict[str, object]:
    """What run.json says nowhere else, and is needed to train the same again."""
    return {
        "head_epochs": tuning.head_epochs,
        "base_lr": tuning.base_rate,
        "head_lr": tuning.head_rate,
        "on_run": tuning.on_run,
    }


def _remove_checkpoints(assembly: Assembly) -> None:
    """Remove the checkpoints: the training is complete, or its rows are wrong."""
    for number in range(len(_phases(assembly.tuning, assembly.first))):
        assembly.checkpoint(number).unlink(missing_ok=True)


def _train(assembly: Assembly, log: Log) -> tuple[list[dict[str, float]], list[PhaseRecord]]:
    """Run all phases: the history over all of them, and a record of each."""
    from pipeline.training.finetune.tail import fit_top

    waiting = _phases(assembly.tuning, assembly.first)
    history = [dict(row) for row in assembly.history]
    phases: list[PhaseRecord] = []
    if assembly.tuning.on_run is not None:
        for row in history:
            log.add_epoch(row)
        phases.append(PhaseRecord("head", len(history)))
    for number, phase in enumerate(waiting):
        forward, source, validation = _sources(assembly, phase)
        rows = fit_top(
            assembly.top,
            forward,
            assembly.labelled.task,
            source,
            validation,
            phase,
            checkpoint=assembly.checkpoint(number),
            on_epoch=partial(log.add_epoch, after=len(history)),
            progress=assembly.settings.compute.progress,
        )
        history += [row | {"epoch": len(history) + count} for count, row in enumerate(rows, start=1)]
        phases.append(PhaseRecord(phase.name, len(rows)))
    return history, phases


def _phases(tuning: FineTuning, first: str | None) -> "list[Phase]":
    from pipeline.training.finetune.tail import Phase

    if first is None:
        return [Phase("head", tuning.training)]
    # Another seed, so that order and views differ from those of the first phase.
    together = replace(tuning.training, learning_rate=tuning.head_rate, seed=tuning.training.seed + 1)
    phases = [Phase("head and tail", together, first, tuning.base_rate)]
    if tuning.trains_head_first:
        phases.insert(0, Phase("head", replace(tuning.training, epochs=tuning.head_epochs, patience=0)))
    return phases


def _sources(assembly: Assembly, phase: "Phase") -> "tuple[Forward, Source, Source]":
    """Forward pass, training source and validation source; cached and live training differ in nothing else."""
    training = phase.training
    if assembly.tuning.cached:
        last_layer = assembly.load_last_layer() if phase.first is None else None
        labelled, forward = (
            (assembly.labelled, assembly.top.forward) if last_layer is None else (last_layer, assembly.top.head)
        )
        train = weighted(labelled, training.class_weight).train
        return forward, training_source(train, training), validation_source(labelled.validation)
    from pipeline.training.finetune.live import LiveSource, live_forward

    manifest, recipe = assembly.extraction.manifest, assembly.recipe
    splits = weighted(assembly.labelled, training.class_weight).splits
    source, validation = (
        LiveSource(
            manifest.split(name), splits[name].y, recipe.decoder, augmentation, training.seed, splits[name].weights
        )
        for name, augmentation in (("train", assembly.tuning.augmentation), ("validation", None))
    )
    return live_forward(assembly.top.trunk, assembly.top.forward, recipe.preprocessing), source, validation
