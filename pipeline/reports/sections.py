"""One run as plain data, for its section of the page."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError
from pipeline.images.augment import text_of
from pipeline.reports.calibration import reliability
from pipeline.reports.gallery import MAX_MISTAKES, confident_mistakes
from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo
from pipeline.tasks.class_scores import ClassScores
from pipeline.tasks.scores import Scores

logger = logging.getLogger(__name__)

_SCORES = ("accuracy", "ci95", "loss", "n", "macro_f1", "roc_auc", "top5")
_NO_SETTINGS = ("candidates",)


def summarise(run: RunFolder) -> dict[str, Any]:
    """What the leaderboard and the charts show of a run."""
    info, recipe = run.info, run.info.recipe
    return {
        "name": run.name,
        "data": info.data,
        "base": recipe["base"],
        "size": recipe.get("decoder", {}).get("size_px"),
        "cut": recipe.get("cut"),
        "head": info.head,
        "kind": _kind(run),
        "pool": info.head_pool,
        "seconds": info.seconds,
        "parameters": info.trainable_params,
        "created": info.created,
        "scores": {
            split: {key: value for key, value in scores.as_dict().items() if key in _SCORES}
            for split, scores in run.scores.items()
        },
        "sweep": read_sweep(run),
    }


def _kind(run: RunFolder) -> str:
    info = run.info
    return str(info.regime or ("linear" if info.training is None else "dense"))


def _as_text(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in settings.items()
    )


def read_sweep(run: RunFolder) -> list[dict[str, Any]]:
    """The heads of the sweep whose best head a run is, as the page shows them; none, with a warning, if they cannot be read."""
    try:
        return [
            {key: entry[key] for key in ("head", "params", "seconds")}
            | {key: entry["validation"][key] for key in ("accuracy", "ci95", "loss")}
            | {"settings": _as_text(entry.get("settings", {}))}
            for entry in run.sweep()
        ]
    except (PipelineError, LookupError, TypeError, ValueError, AttributeError) as error:
        logger.warning("The page shows no sweep of the run %s: %s", run.name, error)
        return []


def detail(run: RunFolder, predictions: PredictionTable) -> dict[str, Any]:
    """What the section of a run shows, beside the images and the map."""
    info, scores = run.info, run.scores
    return {
        "splits": {split: _split(scores[split], predictions, split) for split in SPLITS if split in scores},
        "history": run.history(),
        "phases": info.phases,
        "predicted": predictions.predicted.tolist(),
        "confidence": predictions.confidence.tolist(),  # in full, because the page sorts by it
        "made": _made(info),
        "skipped": [f"{entry['path']}: {entry['reason']}" for entry in info.skipped],
    }


def _split(scores: Scores, predictions: PredictionTable, split: str) -> dict[str, Any]:
    rows = predictions.rows_of(split)
    assert isinstance(scores, ClassScores)
    # With many classes most of the K x K cells are 0.
    counts = [[i, j, n] for i, line in enumerate(scores.confusion) for j, n in enumerate(line) if n]
    return {
        "confusion": counts,
        "recall": list(scores.recall.values()),
        "precision": list(scores.precision.values()),
        "listed": len(rows),
        "reliability": reliability(predictions.confidence[rows], predictions.is_right[rows]),
        "mistakes": confident_mistakes(predictions, split)[:MAX_MISTAKES],
    }


def _made(info: RunInfo) -> list[list[str]]:
    """How the run was made: names and values, in the order of its making."""
    chosen = {key: value for key, value in info.chosen.items() if key not in _NO_SETTINGS}
    named = {
        "command": info.command or "from Python",
        "created": info.created,
        "data": info.source or info.root or info.data,
        "images": ", ".join(f"{count:,} {split}" for split, count in info.images.items()),
        "weights": info.weights,
        "chosen on validation": _as_text(chosen) if chosen else None,
        "training": _as_text(info.training) if info.training else None,
        "views": _as_text(info.views) if info.views else None,
        "augmentation": text_of(info.augmentation) if info.augmentation else None,
        "first trained layer": info.first_trained_layer,
        "seed": info.seed,
        "data digest": info.data_digest,
        "task digest": info.task_digest,
        "fingerprint of the recipe": info.fingerprint,
        "trunk before training": info.trunk_digest_before,
        "trunk after training": info.trunk_digest_after,
        "versions": ", ".join(f"{name} {version}" for name, version in info.versions.items()),
        "recipe": json.dumps(info.recipe, ensure_ascii=False),
    }
    return [[name, str(value)] for name, value in named.items() if value not in (None, "")]
