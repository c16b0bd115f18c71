"""The SHA-256 of exports, and the record of them."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from pipeline.errors import DamagedStoreError, SettingError, UnknownExportError
from pipeline.exports.digests import RECORD, check_known, digest_export, record_export


@pytest.fixture
def folder(tmp_path):
    """Some files, and a folder without any."""
    made = tmp_path / "model"
    for name, content in (
        ("saved_model.pb", b"graph"),
        ("variables/\xe4 b.index", b"\x00\x01"),
        ("variables.txt", b""),
    ):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    (made / "assets").mkdir()
    return made


def test_digest_of_a_folder_is_that_of_sha256sum(folder):
    """The command in the docstring prints the same digest."""
    command = r"find -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum"
    printed = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout

    assert digest_export(folder) == printed.split()[0]


def test_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    """As `sha256sum` prints it."""
    (tmp_path / "model.onnx").write_bytes(b"network")

    assert digest_export(tmp_path / "model.onnx") == hashlib.sha256(b"network").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "saved_model.pb").write_bytes(b"graqh"),
        lambda folder: (folder / "variables.txt").rename(folder / "variables.text"),
        lambda folder: (folder / "variables.txt").unlink(),
        lambda folder: (folder / "assets" / "more").write_bytes(b""),
    ],
    ids=["byte", "name", "missing", "added"],
)
def test_any_change_changes_the_digest(change, folder):
    """A byte, a name, a file that is missing or added; a copy elsewhere, and an empty folder, change nothing."""
    before = digest_export(folder)
    copy = shutil.copytree(folder, folder.parent / "copy")
    (copy / "assets").rmdir()
    change(folder)

    assert digest_export(copy) == before
    assert digest_export(folder) != before


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc"), os.mkfifo], ids=["link", "pipe"])
def test_what_no_export_holds_is_refused(make, folder):
    """A link leads to bytes that may change after the check, and a pipe has none."""
    make(folder / "variables" / "other")

    with pytest.raises(DamagedStoreError, match="variables/other is a link or has a name that no export has"):
        digest_export(folder)


def test_name_of_several_lines_is_refused(folder):
    """It could make two folders of different content print the same text."""
    (folder / "a\nb").write_bytes(b"")

    with pytest.raises(DamagedStoreError, match="a name that no export has"):
        digest_export(folder)


def test_recorded_folder_is_known_to_its_runs_folder_alone(folder, tmp_path):
    """Any run there may have recorded it, beside other exports; a changed byte is unknown."""
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    record_export(run, "model.keras", "Keras", "0" * 64)
    record_export(run, "model", "SavedModel", digest_export(folder))
    check_known(folder, None, tmp_path / "runs")

    assert [entry["file"] for entry in json.loads((run / RECORD).read_text())] == ["model.keras", "model"]
    with pytest.raises(
        UnknownExportError, match=r"a SavedModel is a program, and no run in .*/other .* --runs.* --digest"
    ):
        check_known(folder, None, tmp_path / "other")
    (folder / "variables.txt").write_bytes(b"x")
    with pytest.raises(UnknownExportError, match="no run in"):
        check_known(folder, None, tmp_path / "runs")


def test_given_digest_decides(folder, tmp_path):
    """It makes a folder known, in capitals too, and a file that has another one is refused."""
    file = tmp_path / "model.onnx"
    file.write_bytes(b"network")
    for path in (folder, file):
        check_known(path, digest_export(path).upper(), tmp_path)
        with pytest.raises(UnknownExportError, match=f"not the expected export, or was changed.*{digest_export(path)}"):
            check_known(path, "0" * 64, tmp_path)
    check_known(file, None, tmp_path)
    with pytest.raises(SettingError, match=r"64 hexadecimal digits\. Received: 'abc'"):
        check_known(file, "abc", tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"file": "model"}]'])
def test_record_that_cannot_be_read_makes_nothing_known(text, folder, tmp_path, caplog):
    """A warning names it, where it has anything in it, and other records still count."""
    for name in ("broken", "mine"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "broken" / RECORD).write_text(text)
    with pytest.raises(UnknownExportError):
        check_known(folder, None, tmp_path / "runs")
    record_export(tmp_path / "runs" / "mine", "model", "SavedModel", digest_export(folder))
    check_known(folder, None, tmp_path / "runs")

    assert (f"broken/{RECORD} cannot be read" in caplog.text) == (text != "{}")


def test_export_of_a_run_that_cannot_be_written_is_not_lost(folder, tmp_path, caplog):
    """The warning gives the digest."""
    (tmp_path / "run").write_text("a file, so no record can be made in it")
    record_export(tmp_path / "run", "model", "SavedModel", "0" * 64)

    assert f"give its digest: {'0' * 64}" in caplog.text
