"""End to end and fine-tuning as verbs: the same trunk, tail and head, fed by live photographs or by cached rows."""

import hashlib
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.cache.store import row_keys
from pipeline.errors import DisagreementError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.runs.folder import check_run_name, open_run
from pipeline.runs.logs import Log, open_log
from pipeline.runs.run import Run, save_run
from pipeline.settings import Options
from pipeline.stage_one.ensure import can_deepen
from pipeline.stage_one.views import Views, describe_views
from pipeline.stage_two.dense.batches import Source, training_source, validation_source
from pipeline.stage_two.spec import parse_layers
from pipeline.training.finetune.job import Job, Tuning, head_task, prepare
from pipeline.training.heads import provenance

if TYPE_CHECKING:
    from pipeline.stage_two.dense.train import Forward
    from pipeline.training.finetune.tail import Phase


_NUM_STITCHED = 8
# In a probability, by what is coarser of the rows and the arithmetic: float16 keeps 11 bits, bfloat16 keeps 8.
_STITCHED_TOLERANCE = {"float32": 1e-3, "float16": 2e-2, "mixed_float16": 2e-2, "mixed_bfloat16": 1e-1}


def end_to_end(
    data: Data | Manifest, tuning: Tuning, *, name: str | None = None, options: Options | None = None
) -> Run:
    """Train a head on live, freshly augmented photographs through the frozen base; see `tune`.

    Raises:
        SettingError: A layer to be trained is named, which is fine-tuning.
    """
    if tuning.first is not None or tuning.last is not None:
        raise SettingError("End to end the base stays frozen: to train layers of it, use finetune.")
    return tune(data, tuning, name=name, options=options)


def finetune(
    data: Data | Manifest,
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
    data: Data | Manifest,
    tuning: Tuning,
    *,
    cached: bool = False,
    views: Views | None = None,
    name: str | None = None,
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
        pictures: Draw curves and confusion matrix.
        command: How to make the run again.
        options: Base, places and logs.

    Raises:
        HeadSpecError: A linear head, which cannot be trained by gradients here.
        InvalidCutError: No such layer, or the graph cannot be divided before it.
        SettingError: Augmentation with `cached`, which no stored row provides.
        DisagreementError: Trunk, tail and head on photographs predict something else than tail and head on rows.
    """
    chosen = options or Options()
    check_run_name(name, chosen.runs)
    with open_log(chosen.tensorboard, chosen.mlflow) as log:
        job = prepare(data, tuning, cached, views, chosen)
        return _carry_out(job, name, log, command, pictures=pictures)


def _carry_out(job: Job, name: str | None, log: Log, command: str | None, *, pictures: bool) -> Run:
    """Train, check what came out on photographs, and keep the run."""
    from pipeline.stage_two.dense.build import DenseHead

    history, phases = _train(job, log)
    before, after = job.start, job.top.digests()
    difference = _stitched_difference(job)
    info = {
        "command": command,
        "phases": phases,
        "seconds": sum(row["seconds"] for row in history),
        # Of the last phase: epochs of a head alone and those with a tail are not to be mixed.
        "seconds_per_epoch": float(np.median([row["seconds"] for row in history[-phases[-1]["epochs"] :]])),
        "epochs": len(history),
        "trunk_digest_before": before["trunk"],
        "trunk_digest_after": after["trunk"],
        "moved_layers": [layer for layer in before if before[layer] != after[layer] and layer != "head"],
        "stitched_difference": difference,
        **_describe(job),
        **provenance(job.extraction, job.task, job.options),
    }
    head = DenseHead(job.top.model if job.top.tail_layers else job.top.head)
    run = save_run(head, job.task, history, info, name, log, job.options, pictures=pictures)
    _forget(job)
    return run


def _describe(job: Job) -> dict[str, Any]:
    """What the run says of its settings."""
    tuning, trained = job.tuning, (*job.top.head.trainable_variables, *job.top.tail_variables)
    return {
        "head": str(parse_layers(tuning.head)),
        "regime": "fine-tuning" if job.first else "end to end",
        "chosen": {},
        "cached": job.cached,
        "views": describe_views(job.views),
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


def _stitched_difference(job: Job) -> float | None:
    """Largest difference of an output between photographs through the whole network and stored rows through the top.

    Looked at on the first validation images, None if all of them were changed; the run's predictions are made from rows.
    """
    from pipeline.stage_two.dense.train import compile_inference
    from pipeline.training.finetune.live import live_forward

    part = job.extraction.manifest.split("validation")
    files = [part.read(row) for row in range(min(len(part), _NUM_STITCHED))]
    # A photograph that was changed meanwhile says nothing about the rows.
    kept = [row for row, data in enumerate(files) if hashlib.sha256(data).digest() == part.digests[row]]
    if not kept:
        return None
    pixels = np.stack([job.recipe.decoder.decode(files[row]) for row in kept])
    rows = job.extraction.store.read(row_keys([part.digests[row] for row in kept]))
    stitched = live_forward(job.top.trunk, job.top.forward, job.recipe.preprocessing)
    difference = float(np.abs(compile_inference(stitched)(pixels) - compile_inference(job.top.forward)(rows)).max())
    if not difference <= max(_STITCHED_TOLERANCE[kind] for kind in (job.recipe.dtype, job.recipe.precision)):
        _forget(job)
        raise DisagreementError(
            f"On photographs the trained network differs by {difference:.2g} in a probability from what it says on stored "
            "rows: the run is not kept. `bottleneck cache verify --recompute 20 --data DATA` finds rows that are wrong."
        )
    return difference


def _train(job: Job, log: Log) -> tuple[list[dict[str, float]], list[dict[str, Any]]]:
    """The head alone, then the head with the tail; one history over both."""
    from pipeline.training.finetune.tail import fit_top

    history, phases = [], []
    if job.tuning.on_run is not None:
        history = open_run(job.tuning.on_run, job.options.runs).history()
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
            progress=job.options.progress,
        )
        history += [row | {"epoch": len(history) + count} for count, row in enumerate(rows, start=1)]
        phases.append({"name": phase.name, "epochs": len(rows)})
    return history, phases


def _phases(tuning: Tuning, first: str | None) -> "list[Phase]":
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
    if job.cached:
        head_alone = phase.first is None and can_deepen(job.recipe)
        task, forward = (head_task(job), job.top.head) if head_alone else (job.task, job.top.forward)
        return forward, training_source(task.train, training), validation_source(task.validation)
    from pipeline.training.finetune.live import LiveSource, live_forward

    manifest, recipe = job.extraction.manifest, job.recipe
    source, validation = (
        LiveSource(manifest.split(name), job.task.splits[name].y, recipe.decoder, augmentation, training.seed)
        for name, augmentation in (("train", job.tuning.augmentation), ("validation", None))
    )
    return live_forward(job.top.trunk, job.top.forward, recipe.preprocessing), source, validation
