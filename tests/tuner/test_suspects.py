"""Suspect labels of a session, and images that are alike."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DataLayoutError, SettingError
from pipeline.tuner.choice import Choice
from pipeline.tuner.labels import LabelFile
from tests.stage_two.tasks import make_label_task, make_task
from tests.tuner.sessions import HARD, make_session, session_of

ALL = 10_000


@pytest.fixture
def session(tmp_path):
    return make_session(LabelFile(tmp_path / "labels.csv"))[0]


def rows_of(session, choice=None):
    return session.suspects(choice or Choice(), ALL).rows.tolist()


def test_training_and_validation_images_are_judged(session):
    """The test split is not read; each suspect has its label, a likelier one, and neighbours with other labels."""
    found = session.suspects(Choice(), ALL)
    splits = [session.manifest.splits[row] for row in found.rows]

    assert set(splits) == {"train", "validation"}
    assert [suspect.image.row for suspect in found.shown] == found.rows.tolist()
    for suspect in found.shown:
        assert suspect.image.path == session.manifest.names[suspect.image.row]
        assert suspect.image.label != suspect.likely
        assert suspect.probability < suspect.likely_probability
        assert suspect.image.label not in {near.image.label for near in suspect.neighbours}


def test_only_the_first_are_described(session):
    """As many as are shown; all are counted."""
    few = session.suspects(Choice(), 3)

    assert len(few.shown) == 3
    assert len(few.rows) > 3


def test_relabelling_ranks_again_and_undo_restores(session):
    """The image leaves the queue with its likely label, and comes back to its place when that is undone."""
    before = rows_of(session)
    first = session.suspects(Choice(), 1).shown[0]
    session.relabel(first.image.row, first.likely)

    assert first.image.row not in rows_of(session)
    assert session.undo() == first.image.row
    assert rows_of(session) == before
    assert session.changes == []


def test_a_checked_label_is_no_suspect(session):
    """It is dismissed once, without a change of any label; undone, it is a suspect again."""
    before, manifest = rows_of(session), session.manifest
    session.check(before[1])
    session.check(before[1])

    assert rows_of(session) == [before[0], *before[2:]]
    assert session.manifest is manifest
    assert session.undo() == before[1]
    assert rows_of(session) == before
    assert session.undo() is None


def test_a_label_that_a_user_gave_is_no_suspect(session):
    """An image that was given a third label is not asked about again; checked under one label, it is a suspect under another."""
    row = rows_of(session)[0]
    suspect = session.suspects(Choice(), 1).shown[0]
    [third] = set(session.classes) - {suspect.image.label, suspect.likely}
    session.relabel(row, third)
    assert row not in rows_of(session)

    session.undo()
    assert row in rows_of(session)


def test_each_pooling_is_factored_once(session, monkeypatch):
    """Heads on whole feature maps share the queue of the average; a change of a label needs no eigenvectors."""
    rows_of(session), rows_of(session, Choice(pool="max"))
    monkeypatch.setattr(np.linalg, "eigh", None)
    session.relabel(3, "bee" if session.manifest.labels[3] != "bee" else "cat")

    assert rows_of(session, Choice(pool="none")) == rows_of(session)
    assert rows_of(session, Choice(pool="max"))


def test_groups_leave_together():
    """With the images of a group, a label is judged without the others of it."""
    task = make_task(**HARD)
    grouped = {
        name: replace(split, groups=tuple(f"{name}{number // 30}" for number in range(len(split))))
        for name, split in task.splits.items()
    }
    alone, together = (session_of(one)[0].suspects(Choice(), ALL) for one in (task, replace(task, splits=grouped)))
    one_group = {name: replace(split, groups=("p",) * len(split)) for name, split in task.splits.items()}

    assert [one.probability for one in alone.shown] != [one.probability for one in together.shown]
    with pytest.raises(DataLayoutError, match="All images are in one group"):
        session_of(replace(task, splits=one_group))[0].suspects(Choice(), ALL)


def test_other_tasks_have_no_queue():
    """Several labels for an image cannot be judged; the images can be compared."""
    session, _ = session_of(make_label_task())

    with pytest.raises(SettingError, match="one class"):
        session.suspects(Choice(), 3)
    assert len(session.alike(Choice(), 0)) == 12


def test_images_that_are_alike(session):
    """The training and validation images with the largest cosines, in order; not the image itself."""
    X = np.concatenate([session._load("avg").splits[split].flat for split in ("train", "validation")])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = unit @ unit[100]
    cosines[100] = -2
    found = session.alike(Choice(), 100)

    assert [row for row, _ in found] == np.argsort(-cosines)[:12].tolist()
    np.testing.assert_allclose([cosine for _, cosine in found], np.sort(-cosines)[:12] * -1, atol=1e-6)
