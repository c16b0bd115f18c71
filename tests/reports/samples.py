"""Runs that are written down, not trained."""

import hashlib

import numpy as np

from pipeline.reports.predictions import SPLITS, Predictions
from pipeline.runs.folder import NewRun, write_predictions


def make_predictions(*rows):
    """Of (split, label, said, confidence), named by their place."""
    splits, labels, said, confidence = zip(*rows, strict=True)
    return Predictions(
        names=tuple(f"{place}.png" for place in range(len(rows))),
        digests=tuple(hashlib.sha256(bytes([place])).digest() for place in range(len(rows))),
        splits=np.array([SPLITS.index(split) for split in splits], np.int8),
        labels=np.array(labels),
        predicted=np.array(said),
        confidence=np.array(confidence, float),
        total=len(rows),
    )


def make_run(runs, name, *, validation=0.8, interval=(0.6, 0.9), test=0.7, classes=("a", "b"), rows=(), **info):
    """A run of these accuracies and predictions: (path, split, label, digest, probabilities)."""
    with NewRun(runs, name, "stem") as new:
        write_predictions(new.path / "predictions.csv", rows, classes)
        metrics = {"validation": {"accuracy": validation, "ci95": list(interval), "n": 40}}
        if test is not None:
            metrics["test"] = {"accuracy": test, "ci95": [0.5, 0.8], "n": 41}
        described = {
            "head": "logreg",
            "data": "photos",
            "recipe": {"base": "vgg16"},
            "classes": classes,
            "pool": "avg",
            "weights": "imagenet",
            "seconds": 1.234,
            "command": f"bottleneck head photos --name {name}",
            "fingerprint": "f" * 64,
            "created": "2026-11-23T05:33:19+00:00",
        }
        return new.finish(described | info, metrics)
