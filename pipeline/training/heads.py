"""One head on cached rows, from a manifest to a run."""

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.bases.trunks import trunk_of
from pipeline.images.manifest import Manifest
from pipeline.runs.info import TrainingFacts
from pipeline.runs.run import Run
from pipeline.runs.save import TrainedHead, save_run
from pipeline.runs.saving import Saving
from pipeline.runs.tracking.logs import Log, open_log
from pipeline.settings import FeatureSettings, Settings
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.folds import Folds, FoldScores, cross_validate, divide
from pipeline.stage_two.head import Head, score_head
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.fold_path import cross_validate_linear
from pipeline.stage_two.linear.stream import stream_linear
from pipeline.stage_two.rows import LabelledRows, RowMemory, StoredRows
from pipeline.stage_two.spec import HeadSpec, LinearSpec, check_learnable, parse_head, pooling_of
from pipeline.stage_two.weights import weighted
from pipeline.tasks.decisions import NONE, Decisions
from pipeline.tasks.targets import Outputs
from pipeline.training.rows import CachedRows, read_rows

logger = logging.getLogger(__name__)


def fit_head(
    manifest: Manifest,
    head: str,
    settings: Settings,
    saving: Saving,
    *,
    pool: str | None = None,
    training: Training | None = None,
    views: Views | None = None,
    folds: Folds | None = None,
    decisions: Decisions = NONE,
    memory: RowMemory | None = None,
) -> Run:
    """Train a head on cached rows and save it as a run; missing rows are computed first.

    Args:
        manifest: The images, with labels.
        head: `ridge`, `logreg`, `dense:256,relu,dropout:0.5` and so on; see `pipeline.stage_two.spec`.
        settings: Features, folders, compute and tracking.
        saving: Name, plots and command of the run.
        pool: Pooling between trunk and head; None: `avg` for linear heads and `none` for dense ones.
        training: Settings of a dense head. Linear heads use its seed.
        views: Train on stored views too.
        folds: Also cross-validate heads of this kind on the training and validation images; None: do not.
        decisions: Goal of the thresholds, and method of the calibration.
        memory: Rows that were read already for another task.

    Raises:
        DataLayoutError: The labels do not make a task.
        DivergedError: The loss of a dense head became NaN or infinite.
        HeadSpecError: The head cannot be parsed, or does not fit the number of classes.
        SettingError: The name is not valid or taken, or the rows do not fit into memory.
    """
    spec = parse_head(head, manifest.task)
    check_learnable(spec, manifest.task)
    saving.check(settings.paths.runs)
    pooling = pooling_of(spec, pool)
    with open_log(settings.tracking.tensorboard, settings.tracking.mlflow) as log:
        cached = read_rows(
            manifest,
            pooling,
            settings,
            views=views,
            memory_bytes=settings.compute.memory_bytes(),
            memory=memory,
        )
        return fit_cached(cached, spec, training or Training(), log, settings, saving, folds=folds, decisions=decisions)


@dataclass(frozen=True)
class _Fitted:
    """A trained head."""

    head: Head
    history: list[dict[str, float]]
    """Empty for linear heads."""

    chosen: dict[str, Any]
    """The regularisation; empty for dense heads."""

    left_out: Outputs | None = None
    """The sums of ridge for each training image without it, (N, C); None for other heads, and with views."""


def fit_cached(
    cached: CachedRows,
    spec: HeadSpec,
    training: Training,
    log: Log,
    settings: Settings,
    saving: Saving,
    *,
    folds: Folds | None = None,
    decisions: Decisions = NONE,
) -> Run:
    """Train a head on rows that are already read; the other arguments are those of `fit_head`."""
    start = time.perf_counter()
    fitted = _train(spec, cached.labelled, training, log.add_epoch, progress=settings.compute.progress)
    head, history = fitted.head, fitted.history
    seconds = time.perf_counter() - start
    scores = (
        _cross_validated(spec, cached.labelled, training, folds, progress=settings.compute.progress) if folds else None
    )
    num_parameters = head.num_parameters
    facts = TrainingFacts(
        head=str(spec),
        command=saving.command,
        chosen=fitted.chosen,
        training=None if isinstance(spec, LinearSpec) else training.as_dict(),
        class_weight=training.class_weight,
        seed=training.seed,
        views=cached.views.as_dict() if cached.views else None,
        pool=cached.pooling,
        seconds=seconds,
        seconds_per_epoch=float(np.median([row["seconds"] for row in history])) if history else None,
        epochs=len(history) or None,
        trainable_params=num_parameters,
        total_params=num_parameters + cached.trunk.parameters,
        trunk_digest_before=cached.trunk.digest,
        trunk_digest_after=_digest_after(cached, settings.features),
        folds=scores.as_dict() if scores else None,
    )
    scored = score_head(head, cached.labelled, tta=cached.has_tta, decisions=decisions, left_out=fitted.left_out)
    trained = TrainedHead(head, scored, history, facts, cached.extraction, scores)
    return save_run(trained, log, settings, saving)


def _digest_after(cached: CachedRows, features: FeatureSettings) -> str:
    """The trunk's digest, taken again from its weights where they are here."""
    if cached.is_stored or cached.trunk.is_told:
        return cached.trunk.digest
    return trunk_of(features.spec, features.weights, features.last_layer).digest


def _cross_validated(
    spec: HeadSpec, labelled: LabelledRows, training: Training, folds: Folds, *, progress: bool
) -> FoldScores:
    """Heads of this kind, each trained without a fold and predicting it."""
    division = divide(labelled, folds, seed=training.seed)
    if isinstance(spec, LinearSpec):
        return cross_validate_linear(
            [spec], division, seed=training.seed, class_weight=training.class_weight, progress=progress
        )[0]

    def train(part: LabelledRows) -> Head:
        return _train(spec, part, training, lambda _: None, progress=False).head

    return cross_validate(train, division, progress=progress)


def _train(spec: HeadSpec, labelled: LabelledRows, training: Training, on_epoch: OnEpoch, *, progress: bool) -> _Fitted:
    """Train a head on the training split, and choose on the validation split."""
    labelled = weighted(labelled, training.class_weight)
    if isinstance(spec, LinearSpec):
        fit_rows = stream_linear if isinstance(labelled.train.X, StoredRows) else fit_linear
        linear = fit_rows(spec, labelled, seed=training.seed)
        logger.info(
            "%s: chose %s = %g out of %d values.", spec.kind, linear.parameter, linear.value, len(linear.candidates)
        )
        candidates = [candidate.as_dict() for candidate in linear.candidates]
        left_out = None if linear.left_out_scores is None else linear.left_out_scores.astype(np.float32)
        return _Fitted(linear.head, [], {linear.parameter: linear.value, "candidates": candidates}, left_out)
    from pipeline.stage_two.dense.build import fit_dense

    dense = fit_dense(spec, labelled, training, on_epoch=on_epoch, progress=progress)
    return _Fitted(dense.head, dense.history, {})
