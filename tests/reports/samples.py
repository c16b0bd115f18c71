"""Runs that are written without training."""

import hashlib

import numpy as np

from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.runs.folder import NewRun, write_predictions
from pipeline.runs.info import RunInfo
from pipeline.stage_two.head import score_head
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.class_scores import ClassScores
from pipeline.tasks.classification import Classification


def make_predictions(*rows):
    """From rows of (split, label, prediction, confidence), named by their index."""
    splits, labels, predicted, confidence = zip(*rows, strict=True)
    return PredictionTable(
        names=tuple(f"{index}.png" for index in range(len(rows))),
        digests=tuple(hashlib.sha256(bytes([index])).digest() for index in range(len(rows))),
        splits=np.array([SPLITS.index(split) for split in splits], np.int8),
        labels=np.array(labels),
        predicted=np.array(predicted),
        confidence=np.array(confidence, float),
        total=len(rows),
    )


def make_run(
    runs,
    name,
    *,
    validation=0.8,
    interval=(0.6, 0.9),
    test=0.7,
    classes=("a", "b"),
    rows=(),
    scores=None,
    task=None,
    novelty_of=None,
    **info,
):
    """A run of these accuracies, or scores, and predictions: (path, split, label, digest, outputs)."""
    task = task or Classification(tuple(classes))
    with NewRun(runs, name, "stem") as new:
        write_predictions(new.path / "predictions.csv", rows, task, novelty_of)
        if scores is None:
            scores = {"validation": make_scores(validation, interval, 40)}
            if test is not None:
                scores["test"] = make_scores(test, (0.5, 0.8), 41)
        described = {
            "head": "logreg",
            "data": "photos",
            "recipe": {"base": "vgg16"},
            "classes": task.names,
            "task": task.as_dict(),
            "pool": "avg",
            "weights": "imagenet",
            "seconds": 1.234,
            "command": f"bottleneck head photos --name {name}",
            "fingerprint": "f" * 64,
            "created": "2026-11-23T05:33:19+00:00",
        }
        return new.finish(RunInfo(**(described | info)), scores)


def make_scores(accuracy, interval, count):
    """Scores of two classes, without predictions."""
    return ClassScores(
        accuracy=accuracy,
        ci95=interval,
        loss=0.5,
        n=count,
        macro_f1=accuracy,
        recall={"a": accuracy, "b": accuracy},
        precision={"a": accuracy, "b": accuracy},
        confusion=[[count, 0], [0, 0]],
    )


def make_task_run(runs, name, labelled, head="ridge", digest_of=None, **info):
    """A run of a head that is fitted to these rows; images have the digests of their names, or those of a function of the name."""
    digest_of = digest_of or (lambda image: hashlib.sha256(image.encode()).digest())
    scored = score_head(fit_linear(parse_head(head), labelled).head, labelled)
    task = scored.labelled.task
    rows = [
        (image, split, task.text(target), digest_of(image), output)
        for split, part in labelled.splits.items()
        for image, target, output in zip(part.names, part.y, scored.outputs[split], strict=True)
    ]
    return make_run(runs, name, rows=rows, scores=dict(scored.scores), task=task, head=head, **info)


TWO_CLASSES = Classification(("a", "b"))
PREDICTED = make_predictions(
    ("test", 0, 0, 0.9),
    ("test", 0, 1, 0.6),
    ("test", 0, 0, 0.5),
    ("test", 1, 0, 0.8),
    ("validation", 0, 1, 0.7),
    ("train", 1, 1, 0.99),
    ("train", 1, 0, 0.51),
)
"""Of two classes: right and wrong predictions of all splits."""
