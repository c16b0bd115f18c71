"""End to end and fine-tuning, from a manifest to a run: the same trunk, tail and head on live images or on cached rows."""

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.images.manifest import Manifest
from pipeline.runs.folder import check_run_name, open_run
from pipeline.runs.info import describe_run
from pipeline.runs.logs import Log, open_log
from pipeline.runs.run import Run
from pipeline.runs.save import save_run
from pipeline.settings import Settings
from pipeline.stage_one.derive import can_derive
from pipeline.stage_two.dense.batches import Source, training_source, validation_source
from pipeline.stage_two.spec import parse_layers
from pipeline.training.finetune.job import Job, head_task, prepare
from pipeline.training.finetune.settings import FineTuning

if TYPE_CHECKING:
    from pipeline.stage_two.dense.train import Forward
    from pipeline.training.finetune.tail import Phase


def finetune(
    manifest: Manifest,
    tuning: FineTuning,
    settings: Settings,
    *,
    name: str | None = None,
    plots: bool = True,
    command: str | None = None,
) -> Run:
    """Train a head on the frozen base, or the head and then the last part of the base with it.

    The trunk, everything below the first trained layer, stays frozen; its digest is taken before and after. A killed
    training goes on from its last whole epoch.

    Args:
        manifest: The images, with labels.
        tuning: What is trained.
        settings: Features, folders, compute and tracking.
        name: The run's name; None: made up.
        plots: Draw learning curves and confusion matrix.
        command: How to make the run again.

    Raises:
        HeadSpecError: A linear head, which cannot be trained by gradients here.
        InvalidCutError: No such layer, or the graph cannot be divided before it.
        DisagreementError: The whole network on images predicts something else than tail and head on rows.
    """
    check_run_name(name, settings.paths.runs)
    with open_log(settings.tracking.tensorboard, settings.tracking.mlflow) as log:
        return _carry_out(prepare(manifest, tuning, settings), log, name=name, plots=plots, command=command)


def _carry_out(job: Job, log: Log, *, name: str | None, plots: bool, command: str | None) -> Run:
    """Train, check the result on images, and keep the run."""
    from pipeline.stage_two.dense.build import DenseHead
    from pipeline.training.finetune.check import stitched_difference

    history, phases = _train(job, log)
    before, after = job.start, job.top.digests()
    try:
        difference = stitched_difference(job)
    finally:
        _forget(job)
    info = describe_run(
        job.extraction,
        {split: len(part) for split, part in job.task.splits.items()},
        job.settings.features.weights,
        command=command,
        phases=phases,
        seconds=sum(row["seconds"] for row in history),
        # Of the last phase: epochs of a head alone and those with a tail are not to be mixed.
        seconds_per_epoch=float(np.median([row["seconds"] for row in history[-phases[-1]["epochs"] :]])),
        epochs=len(history),
        trunk_digest_before=before["trunk"],
        trunk_digest_after=after["trunk"],
        moved_layers=[layer for layer in before if before[layer] != after[layer] and layer != "head"],
        stitched_difference=difference,
        **_describe(job),
    )
    head = DenseHead(job.top.model if job.top.tail_layers else job.top.head)
    return save_run(head, job.task, history, info, log, job.settings, name=name, plots=plots)


def _describe(job: Job) -> dict[str, Any]:
    """The settings, for run.json."""
    tuning, trained = job.tuning, (*job.top.head.trainable_variables, *job.top.tail_variables)
    return {
        "head": str(parse_layers(tuning.head)),
        "regime": "fine-tuning" if job.first else "end to end",
        "chosen": {},
        "cached": tuning.cached,
        "views": tuning.views.as_dict() if tuning.views else None,
        "first_trained_layer": job.first,
        "augmentation": tuning.augmentation.canonical_json() if tuning.augmentation else None,
        "training": asdict(tuning.training),
        "seed": tuning.training.seed,
        "pool": job.pooling,
        "trainable_params": sum(int(np.prod(variable.shape)) for variable in trained),
        "total_params": job.base.count_params() + job.top.head.count_params(),
    }


def _forget(job: Job) -> None:
    """Remove the checkpoints: the training is over, or was on rows that are wrong."""
    for number in range(len(_phases(job.tuning, job.first))):
        job.checkpoint(number).unlink(missing_ok=True)


def _train(job: Job, log: Log) -> tuple[list[dict[str, float]], list[dict[str, Any]]]:
    """The head alone, then the head with the tail; one history over both."""
    from pipeline.training.finetune.tail import fit_top

    history, phases = [], []
    if job.tuning.on_run is not None:
        history = open_run(job.tuning.on_run, job.settings.paths.runs).history()
        for row in history:
            log.add_epoch(row)
        phases.append({"name": "head", "epochs": len(history)})
    for number, phase in enumerate(_phases(job.tuning, job.first)):
        rows = fit_top(
            job.top,
            *_feed(job, phase),
            phase,
            checkpoint=job.checkpoint(number),
            on_epoch=partial(log.add_epoch, after=len(history)),
            progress=job.settings.compute.progress,
        )
        history += [row | {"epoch": len(history) + count} for count, row in enumerate(rows, start=1)]
        phases.append({"name": phase.name, "epochs": len(rows)})
    return history, phases


def _phases(tuning: FineTuning, first: str | None) -> "list[Phase]":
    from pipeline.training.finetune.tail import Phase

    if first is None:
        return [Phase("head", tuning.training)]
    # Another seed: other orders and views than those the head has seen alone.
    together = replace(tuning.training, learning_rate=tuning.head_rate, seed=tuning.training.seed + 1)
    phases = [Phase("head and tail", together, first, tuning.base_rate)]
    if tuning.on_run is None and tuning.head_epochs:
        phases.insert(0, Phase("head", replace(tuning.training, epochs=tuning.head_epochs, patience=0)))
    return phases


def _feed(job: Job, phase: "Phase") -> "tuple[Forward, Source, Source]":
    """Where batches come from, and what runs on them: the one difference between cached and live."""
    training = phase.training
    if job.tuning.cached:
        head_alone = phase.first is None and can_derive(job.recipe)
        task, forward = (head_task(job), job.top.head) if head_alone else (job.task, job.top.forward)
        return forward, training_source(task.train, training), validation_source(task.validation)
    from pipeline.training.finetune.live import LiveSource, live_forward

    manifest, recipe = job.extraction.manifest, job.recipe
    source, validation = (
        LiveSource(manifest.split(name), job.task.splits[name].y, recipe.decoder, augmentation, training.seed)
        for name, augmentation in (("train", job.tuning.augmentation), ("validation", None))
    )
    return live_forward(job.top.trunk, job.top.forward, recipe.preprocessing), source, validation
