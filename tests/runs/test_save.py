"""A head that has been trained is saved as a run."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from pipeline.cache.store import Store
from pipeline.images.manifest import Files, Manifest
from pipeline.runs.info import TrainingFacts
from pipeline.runs.run import load_run
from pipeline.runs.save import TrainedHead, save_run
from pipeline.runs.saving import Saving
from pipeline.runs.tracking.logs import Log
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_two.head import score_head
from pipeline.stage_two.linear.heads import LinearHead
from pipeline.stage_two.rows import LabelledRows
from tests.cache.samples import RECIPE
from tests.runs.samples import HISTORY
from tests.stage_two.tasks import make_task


@pytest.fixture
def task():
    """Three classes, with made up digests of the images."""
    made = make_task()
    splits = {
        name: replace(part, digests=tuple(number.to_bytes(32) for number in range(len(part))))
        for name, part in made.splits.items()
    }
    return LabelledRows(made.task, splits)


@pytest.fixture
def head():
    """A linear head of any weights."""
    weights = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    zeros, ones = np.zeros(6, np.float32), np.ones(6, np.float32)
    return LinearHead(zeros, ones, weights, np.zeros(3, np.float32), 1.0)


class Recording(Log):
    """A log that keeps the runs it was told of."""

    def finish(self, run):
        self.finished = run.name


def save(head, task, folder, history=(), name=None):
    """A run without plots, and its log."""
    log, settings = Recording(), Settings.of(runs=folder)
    facts = TrainingFacts(head="logreg:C=1", pool="avg", seconds=1.5)
    trained = TrainedHead(head, score_head(head, task), list(history), facts, make_extraction(folder, task))
    return save_run(trained, log, settings, Saving(name, plots=False)), log


def make_extraction(folder, task):
    """The rows of its images, as stage one leaves them."""
    parts = [(split, part) for split, part in task.splits.items()]
    manifest = Manifest(
        images=Files(folder / "photos", ()),
        positions=tuple(range(sum(len(part) for _, part in parts))),
        names=tuple(name for _, part in parts for name in part.names),
        digests=tuple(digest for _, part in parts for digest in part.digests),
        labels=tuple(task.classes[label] for _, part in parts for label in part.y),
        splits=tuple(split for split, part in parts for _ in part.y),
        title="photos",
    )
    return Extraction(manifest, Store(folder / "cache", RECIPE), num_new=0, seconds=0.0, engine=None)


def test_saved_run_predicts_as_its_head_does(head, task, tmp_path):
    """Loaded again, it has the same arrays; the log is told when the folder is complete."""
    run, log = save(head, task, tmp_path, name="mine")
    again = load_run("mine", Settings.of(runs=tmp_path))

    assert (run.name, log.finished) == ("mine", "mine")
    assert np.array_equal(again.head.outputs(task.train.flat), head.outputs(task.train.flat))


def test_every_split_is_scored_and_every_image_is_listed(head, task, tmp_path):
    """The accuracies are those of the listed predictions."""
    run, _ = save(head, task, tmp_path)
    with (run.folder.path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == sum(map(len, task.splits.values()))
    for split, part in task.splits.items():
        right = head.outputs(part.flat).argmax(axis=1) == part.y
        listed = [row["predicted"] == row["label"] for row in rows if row["split"] == split]
        assert listed == right.tolist()
        assert run.scores[split].accuracy == pytest.approx(right.mean())


def test_run_without_a_name_is_named_after_data_base_and_head(head, task, tmp_path):
    """Without the regularisation; a second one has a name of its own."""
    names = [save(head, task, tmp_path)[0].name for _ in range(2)]

    assert all(name.startswith("photos-vgg16-logreg") for name in names)
    assert len(set(names)) == 2


def test_epochs_are_kept_if_there_are_any(head, task, tmp_path):
    """A linear head has none, so it has no file of them."""
    with_history, _ = save(head, task, tmp_path, HISTORY)
    without, _ = save(head, task, tmp_path)

    assert len((with_history.folder.path / "history.csv").read_text().splitlines()) == 1 + len(HISTORY)
    assert not (without.folder.path / "history.csv").exists()
