"""Runs that answer with labels and numbers, on small images that are made; and what their exports are compared with."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.exports.export import Export
from pipeline.exports.load import load_exported
from pipeline.predicting import evaluate_data
from pipeline.runs.run import Run, load_run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.tasks.decisions import NONE, Decisions
from pipeline.training.heads import fit_head
from tests.calls import scan

DENSE = Training(epochs=6, batch_size=8, learning_rate=0.02)

HEADS = {"linear": "ridge:alpha=300,scale=standard", "dense": "batchnorm,dense:8,relu", "neighbours": "knn:k=3"}


LABELS = {"multilabel": "bright,red", "regression": "label", "classification": "label"}
"""Label columns of the tables."""


def draw_answers(folder: Path) -> dict[str, Path]:
    """60 images of a colour with noise, and a table for each kind of task: how bright and red they are, some answers of which are not known."""
    rng = np.random.default_rng(0)
    tables: dict[str, list[list[object]]] = {kind: [["path", *LABELS[kind].split(","), "split"]] for kind in LABELS}
    for number in range(60):
        colour = rng.integers(20, 100, 3) + 110 * (number // 4 % 2)
        pixels = np.clip(colour + rng.integers(-25, 25, (40, 50, 3)), 0, 255).astype(np.uint8)
        name, split = f"{number:02d}.png", ("train", "train", "validation", "test")[number % 4]
        Image.fromarray(pixels).save(folder / name)
        is_bright, is_red = colour.mean() > 115, colour[0] > colour.mean()
        red = "" if number % 7 == 0 else int(is_red)
        tables["multilabel"].append([name, int(is_bright), red, split])
        tables["regression"].append([name, f"{colour.mean() * 10:.1f}", split])
        tables["classification"].append([name, "bright" if is_bright else "dark", split])
    for kind, rows in tables.items():
        with (folder / f"{kind}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return {kind: folder / f"{kind}.csv" for kind in tables}


def train(
    table: Path, kind: str, head: str, settings: Settings, *, decisions: Decisions = NONE, name: str | None = None
) -> Run:
    """A run on one of the tables."""
    name = name or f"{kind}-{head}"
    manifest = scan(table, settings, task=kind, label=LABELS[kind])
    saving = Saving(name, plots=False)
    fit_head(manifest, HEADS[head], settings, saving, pool="avg", training=DENSE, decisions=decisions)
    return load_run(name, settings)


def check_export(run: Run, done: Export, table: Path, folder: Path) -> None:
    """An exported file gives, says and is scored as its run, without the run and its cache."""
    elsewhere = Settings.of(cache=folder / "cache", runs=folder / "none")
    exported = load_exported(done.path, elsewhere, digest=done.digest)
    manifest = scan(table, run.settings, task=run.task.kind, label=LABELS[run.task.kind])
    expected, received = (each.predict_manifest(manifest).outputs for each in (run, exported))
    answers = [each.predict([table.parent]) for each in (run, exported)]
    scores = [
        evaluate_data(name, table, settings, {}, digest=digest, split="test").scores
        for name, settings, digest in ((run.folder.path, run.settings, None), (done.path, elsewhere, done.digest))
    ]

    assert done.parity.largest_difference <= 1e-3
    assert exported.task == run.task.without_calibration()
    assert (np.abs(received - expected) / run.task.units(expected)).max() <= 1e-3
    assert expected.std(axis=0).min() > 0.01
    for theirs, mine in zip(*answers, strict=True):
        assert mine.path == theirs.path
        assert mine.values == (
            theirs.values and {name: pytest.approx(value, rel=1e-2, abs=1) for name, value in theirs.values.items()}
        )
        assert dict(mine.top) == pytest.approx(dict(theirs.top), abs=1e-3)
    differing = sum(mine.label != theirs.label for theirs, mine in zip(*answers, strict=True))
    assert differing <= (len(expected) if answers[0][0].values else int(run.task.differs(expected, received).sum()))
    assert scores[0].n == scores[1].n == 15
    assert scores[1].main == pytest.approx(scores[0].main, abs=0.01)


def check_p_values(done: Export, run: Run, received: list, expected: list) -> None:
    """Of an exported file: those of its run for nearly all compared images. The others are as far as a validation image, and rounding decides."""
    levels = {round(number * run.detector.smallest, 9) for number in range(1, run.detector.num_validation + 2)}

    assert done.p_values.different <= max(1, done.parity.images // 20)
    assert {round(one.p_value, 9) for one in (*received, *expected)} <= levels
