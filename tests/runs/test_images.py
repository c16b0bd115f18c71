"""Images of a run, found again."""

import hashlib
import os
import shutil
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from pipeline.runs.images import find_images
from pipeline.settings import Settings
from tests.calls import read as scan
from tests.conftest import draw_photo, draw_tree
from tests.runs.samples import make_run


@pytest.fixture
def tree(tmp_path):
    return draw_tree(tmp_path / "tree", {"train": 2, "validation": 1})


def find(tmp_path, manifest, **info):
    run = make_run(tmp_path / "runs", **{"root": None, "source": None} | info)
    return find_images(run, manifest.names, manifest.digests, Settings.of(cache=tmp_path / "cache"))


def test_images_of_a_folder_are_found_by_their_names(tmp_path, tree):
    """Each digest gives the bytes that have it."""
    manifest = scan(tree)
    found = find(tmp_path, manifest, root=str(tree))

    assert found.note is None
    assert [hashlib.sha256(found.read(digest)).digest() for digest in manifest.digests] == list(manifest.digests)
    assert found.read(b"x" * 32) is None


def test_image_whose_name_has_another_normal_form_is_found(tmp_path):
    """A run has names in the composed form; a Mac writes them decomposed."""
    tree = tmp_path / "tree"
    for number, name in enumerate(("été", "red")):
        draw_photo(tree / normalize("NFD", name) / "1.png", (1, 2, 3), number)
    manifest = scan(tree)
    found = find(tmp_path, manifest, root=str(tree))

    assert set(manifest.classes) == {normalize("NFC", "été"), "red"}
    assert all(found.read(digest) is not None for digest in manifest.digests)


def test_changed_image_is_not_shown(tmp_path, tree):
    """A run may name any file of the machine; only files whose content it knows are read."""
    manifest = scan(tree)
    (tree / manifest.names[0]).write_bytes(b"a secret")
    (tree / manifest.names[1]).unlink()
    (tree / manifest.names[2]).unlink()
    os.mkfifo(tree / manifest.names[2])
    found = find(tmp_path, manifest, root=str(tree))

    assert [found.read(digest) is None for digest in manifest.digests] == [True, True, True, False, False, False]


def test_folder_that_is_gone_is_named(tmp_path, tree):
    """The note names the folder."""
    manifest = scan(tree)
    shutil.rmtree(tree)
    found = find(tmp_path, manifest, root=str(tree))

    assert found.note == f"The images were in {tree}, which does not exist any more."
    assert found.read(manifest.digests[0]) is None


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_images_of_an_archive_are_found_by_their_content(kind, tmp_path, tree):
    """An archive that still exists is scanned again."""
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), kind, tree))
    manifest = scan(archive, home=tmp_path / "home")
    found = find(tmp_path, manifest, root=None, source=manifest.source)

    assert manifest.source == str(archive)
    assert found.note is None
    assert all(hashlib.sha256(found.read(digest)).digest() == digest for digest in manifest.digests)


def test_what_folders_of_an_archive_mean_is_not_asked_again(tmp_path, tree):
    """The run was made with an option that answered the question."""
    draw_photo(tree / "seg_pred" / "1.png", (1, 2, 3), 99)
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", tree))
    manifest = scan(archive, ignore_column=("seg_pred",))
    found = find(tmp_path, manifest, source=manifest.source)

    assert found.note is None
    assert all(found.read(digest) is not None for digest in manifest.digests)


def test_what_arrays_mean_is_not_asked_again(tmp_path):
    """The run was made with an option that answered the question, and judged the range of the images that it used."""
    images = np.random.default_rng(0).integers(0, 4000, (12, 4, 4), np.uint16)
    np.savez(tmp_path / "scans.npz", x=images, x_old=images, y=[0, 1] * 6, label_names=["cat", "dog"])
    manifest = scan(tmp_path / "scans.npz", ignore_column=("x_old",))
    ignored = [vars(entry) for entry in manifest.ignored]
    found = find(tmp_path, manifest, source=manifest.source, ignored=ignored)

    assert manifest.classes == ("cat", "dog")
    assert found.note is None
    assert all(found.read(digest) is not None for digest in manifest.digests)


def test_archive_that_is_damaged_is_named(tmp_path, tree):
    """Data that cannot be scanned again gives a note with the reason, and no error."""
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", tree))
    manifest = scan(archive)
    archive.write_bytes(b"PK nothing")

    assert find(tmp_path, manifest, source=str(archive)).note.startswith(f"{archive} cannot be scanned again: ")


@pytest.mark.parametrize("source", [None, "keras:cifar10", "tfds:flowers", "/no/such/file.zip"])
def test_nothing_is_downloaded_for_a_report(source, tmp_path, tree):
    """Data that must be downloaded, does not exist any more, or never was a file gives a note."""
    found = find(tmp_path, scan(tree), source=source, data="cats")

    assert found.note.startswith(f"The images of this run came from {source or 'cats'}, which is not a folder")


def test_data_set_of_keras_that_is_kept_is_found(tmp_path, monkeypatch):
    """A data set that an earlier scan has downloaded is scanned again."""
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path / "home"))
    arrays = {f"{name}_{part}": np.arange(2 * 16).reshape(2, 4, 4) for name in "x" for part in ("train", "test")}
    (tmp_path / "home" / "datasets").mkdir(parents=True)
    np.savez(tmp_path / "home" / "datasets" / "keras-mnist.npz", **arrays, y_train=[0, 1], y_test=[0, 1])
    manifest = scan("keras:mnist", home=tmp_path / "home")
    found = find(tmp_path, manifest, source=manifest.source)

    assert found.note is None
    assert hashlib.sha256(found.read(manifest.digests[1])).digest() == manifest.digests[1]


def test_run_without_digests_shows_nothing(tmp_path, tree):
    """A run of an earlier version has to be trained again."""
    run = make_run(tmp_path / "runs", root=str(tree))

    assert "train it again" in find_images(run, ["a.png"], [b""], Settings.of()).note
