"""Labels that are taken for right, kept from one tuner to the next."""

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DataLayoutError, UnwritableLabelsError
from pipeline.stage_two.rows import LabelledRows
from pipeline.tuner.checked import CheckedFile
from pipeline.tuner.choice import Choice
from pipeline.tuner.labels import LabelFile
from pipeline.tuner.session import Session
from tests.stage_two.tasks import make_task
from tests.tuner.sessions import HARD, make_session, manifest_of

KEY = bytes(range(32))


@pytest.fixture
def file(tmp_path):
    return CheckedFile(tmp_path / "photos.checked.csv")


def open_again(tmp_path):
    return make_session(LabelFile(tmp_path / "photos.labels.csv"))[0]


def suspects(session):
    return session.suspects(Choice(), 10_000).rows.tolist()


def test_the_next_tuner_knows_what_was_checked(tmp_path):
    """It is no suspect there, is counted and listed with the others that were checked, and comes back when it is asked again."""
    first = open_again(tmp_path)
    before = suspects(first)
    first.check(before[1])
    second = open_again(tmp_path)
    checked = second.suspects(Choice(), 5, of_checked=True)

    assert suspects(second) == [before[0], *before[2:]]
    assert second.suspects(Choice(), 5).num_checked == checked.num_checked == 1
    assert checked.rows.tolist() == [one.image.row for one in checked.shown] == [before[1]]
    assert second.undo() is None

    second.uncheck(before[1])
    assert suspects(second) == before == suspects(first)


def test_other_names_and_splits_make_no_difference(tmp_path):
    """The image is known by its bytes; under another label it is asked about."""
    first = open_again(tmp_path)
    row = suspects(first)[0]
    first.check(row)
    task = make_task(**HARD)
    manifest = manifest_of(task)
    renamed = replace(manifest, names=tuple(f"other/{name}" for name in manifest.names))
    tuned = LabelledRows(task.task, {split: task.splits[split] for split in ("train", "validation")})
    second = Session(renamed, lambda _: tuned, LabelFile(tmp_path / "photos.labels.csv"))

    assert row not in suspects(second)
    y = second._y.copy()
    y[row] = (y[row] + 1) % 3
    labels = tuple(second.question.task.text(one) for one in y)
    assert row in suspects(Session(replace(renamed, labels=labels), lambda _: tuned, second.labels))


def test_a_new_label_is_checked_and_undo_takes_it_back(tmp_path):
    """Whoever gave a label is not asked about it tomorrow; what was checked before stays so."""
    session = open_again(tmp_path)
    suspect = session.suspects(Choice(), 1).shown[0]
    row = suspect.image.row
    [third] = set(session.classes) - {suspect.image.label, suspect.likely}
    session.check(row)
    session.relabel(row, third)
    digest = session.manifest.digests[row]

    assert open_again(tmp_path).checked.labels[digest] == {suspect.image.label, third}
    session.undo()
    assert session.checked.labels[digest] == {suspect.image.label}
    session.undo()
    assert digest not in session.checked.labels
    assert session.changes == []


def test_two_tuners_lose_nothing(file):
    """Each reads what the other wrote, at the same time too."""
    other = CheckedFile(file.path)
    keys = [bytes([number]) * 32 for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: (file, other)[n % 2].add(keys[n], "cat", "a.jpg"), range(12)))

    assert all(done)
    assert file.labels == other.labels == dict.fromkeys(keys, frozenset({"cat"}))
    assert not file.add(keys[0], "cat", "a.jpg")
    assert other.remove(keys[0], "cat")
    assert not file.remove(keys[0], "cat")
    assert keys[0] not in file.labels


def test_the_table_can_be_read_and_edited(file):
    """A user's own column and order stay, and a row that is removed by hand is not checked any more."""
    file.path.write_text(f"label,sha256,by,path\n'x',{KEY.hex()},me,a.jpg\n")
    file.add(KEY[::-1], "x,\ny", "b\udcff.jpg")
    with file.path.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))

    assert [row["by"] for row in rows] == ["me", ""]
    assert rows[1]["label"] == "x,\ny"
    assert file.labels[KEY] == {"'x'"}
    file.path.write_text("path,label,sha256\n")
    assert file.labels == {}
    file.path.unlink()
    assert file.labels == {}


def test_without_a_file_it_is_known_until_the_end():
    """Data that has no label file."""
    file = CheckedFile(None)

    assert file.add(KEY, "cat", "a.jpg")
    assert not file.add(KEY, "cat", "a.jpg")
    assert file.labels == {KEY: {"cat"}}
    assert file.remove(KEY, "cat")
    assert not file.labels.get(KEY)


def test_a_file_that_cannot_be_written(file, monkeypatch):
    """It stays as it was and the label is not checked; a label that was changed stays changed."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    session = make_session(LabelFile(file.path.with_name("photos.labels.csv")))[0]
    row = suspects(session)[0]
    other = next(name for name in session.classes if name != session.manifest.labels[row])
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.tuner.checked._write", refuse)
        with pytest.raises(UnwritableLabelsError, match=r"photos\.checked\.csv cannot be written: Permission denied"):
            session.check(row)
        session.relabel(row, other)

    assert session.manifest.labels[row] == other
    assert not file.path.exists()
    assert session.undo() == row


def test_another_table_of_that_name_is_not_touched(file):
    """The tuner does not start with it."""
    file.path.write_text("a,b\n1,2\n")

    with pytest.raises(DataLayoutError, match="not a table of checked labels"):
        file.add(KEY, "cat", "a.jpg")
    with pytest.raises(DataLayoutError, match="not a table of checked labels"):
        LabelFile(file.path.with_name("photos.labels.csv")).read(manifest_of(make_task()))
    assert file.path.read_text() == "a,b\n1,2\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_stay(file):
    """Colleagues who may write to the file still may."""
    file.add(KEY, "cat", "a.jpg")
    file.path.chmod(0o664)
    file.add(KEY, "dog", "a.jpg")

    assert file.path.stat().st_mode & 0o777 == 0o664
    np.testing.assert_equal(sorted(file.labels[KEY]), ["cat", "dog"])
