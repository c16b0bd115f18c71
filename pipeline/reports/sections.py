"""One run as plain data: what its section of the page shows."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.reports.calibration import reliability
from pipeline.reports.gallery import MISTAKES, surest_mistakes
from pipeline.reports.predictions import SPLITS, Predictions
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo
from pipeline.stage_two.metrics import Scores

_SCORES = ("accuracy", "ci95", "loss", "n", "macro_f1", "roc_auc", "top5")
_NO_SETTINGS = ("candidates",)


def summarise(run: RunFolder) -> dict[str, Any]:
    """What a table says of a run, and a chart: plain values."""
    info, recipe = run.info, run.info.recipe
    return {
        "name": run.name,
        "data": info.data,
        "base": recipe["base"],
        "size": recipe.get("decoder", {}).get("size_px"),
        "cut": recipe.get("cut"),
        "head": info.head,
        "kind": _kind(run),
        "pool": info.pool,
        "seconds": info.seconds,
        "parameters": info.trainable_params,
        "created": info.created,
        "scores": {
            split: {key: value for key, value in scores.as_dict().items() if key in _SCORES}
            for split, scores in run.scores.items()
        },
        "sweep": [
            {key: entry[key] for key in ("head", "params", "seconds")}
            | {key: entry["validation"][key] for key in ("accuracy", "ci95", "loss")}
            | {"settings": _as_text(entry.get("settings", {}))}
            for entry in read_sweep(run)
        ],
    }


def _kind(run: RunFolder) -> str:
    info = run.info
    return str(info.regime or ("linear" if info.training is None else "layers"))


def _as_text(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in settings.items()
    )


def read_sweep(run: RunFolder) -> list[dict[str, Any]]:
    """All heads of the sweep that a run is the best of; none where it is of no sweep."""
    try:
        return list(json.loads((run.path / "sweep.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def detail(run: RunFolder, predictions: Predictions) -> dict[str, Any]:
    """What the open section shows, beside the photographs and the map."""
    info, scores = run.info, run.scores
    return {
        "splits": {split: _split(scores[split], predictions, split) for split in SPLITS if split in scores},
        "history": run.history(),
        "phases": info.phases,
        "predicted": predictions.predicted.tolist(),
        "confidence": np.round(predictions.confidence * 1000).astype(int).tolist(),
        "made": _made(info),
        "skipped": [f"{entry['path']}: {entry['reason']}" for entry in info.skipped],
    }


def _split(scores: Scores, predictions: Predictions, split: str) -> dict[str, Any]:
    rows = predictions.rows_of(split)
    # Of K x K fields few are not 0 where there are many classes.
    fields = [[i, j, n] for i, line in enumerate(scores.confusion) for j, n in enumerate(line) if n]
    return {
        "confusion": fields,
        "recall": list(scores.recall.values()),
        "precision": list(scores.precision.values()),
        "listed": len(rows),
        "reliability": reliability(predictions.confidence[rows], predictions.is_right[rows]),
        "mistakes": surest_mistakes(predictions, split)[:MISTAKES],
    }


def _made(info: RunInfo) -> list[list[str]]:
    """Names and values, in the order in which a run comes about."""
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
