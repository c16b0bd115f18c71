"""One run as plain data, for its section of the page."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError
from pipeline.images.augment import text_of
from pipeline.reports.by_task import KINDS
from pipeline.reports.novelty import describe_novelty
from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo
from pipeline.tasks.scores import BriefScores

logger = logging.getLogger(__name__)

_SCORES = ("ci95", "loss", "n", "macro_f1", "micro_f1", "exact_match", "roc_auc", "top5")
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
        "task": _task(run),
        "head": info.head,
        "kind": _kind(run),
        "pool": info.head_pool,
        "seconds": info.seconds,
        "parameters": info.trainable_params,
        "created": info.created,
        "scores": {
            split: {"main": scores.main} | {key: value for key, value in scores.as_dict().items() if key in _SCORES}
            for split, scores in run.scores.items()
        },
        "sweep": read_sweep(run),
    }


def _task(run: RunFolder) -> dict[str, Any]:
    """What is asked, and what the main score and the curves are called."""
    task, scores = run.task, run.scores["validation"]
    return {
        "kind": task.kind,
        "names": list(task.names),
        "score": scores.main_words,
        "is_share": scores.is_share,
        "history": list(task.history_words),
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
            | _brief(entry["validation"])
            | {"settings": _as_text(entry.get("settings", {}))}
            for entry in run.sweep()
        ]
    except (PipelineError, LookupError, TypeError, ValueError, AttributeError) as error:
        logger.warning("The page shows no sweep of the run %s: %s", run.name, error)
        return []


def _brief(values: Mapping[str, Any]) -> dict[str, Any]:
    scores = BriefScores.from_dict(values)
    return {"main": scores.main, "ci95": list(scores.ci95), "loss": scores.loss}


def detail(run: RunFolder, predictions: PredictionTable) -> dict[str, Any]:
    """What the section of a run shows, beside the images and the map."""
    info, scores, task = run.info, run.scores, run.task
    kind = KINDS[task.kind]
    return {
        "splits": {
            split: kind.describe(scores[split], predictions, task, split) for split in SPLITS if split in scores
        },
        "history": run.history(),
        "phases": info.phases,
        **kind.predicted_of(predictions),
        "novelty": describe_novelty(predictions),
        "made": _made(info),
        "skipped": [f"{entry['path']}: {entry['reason']}" for entry in info.skipped],
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
