"""Archives of class folders: the manifest of the unpacked folder, without unpacking."""

import os
import shutil
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.files import hashing
from pipeline.images.files.hashing import FileHashes
from pipeline.images.manifest import Manifest
from pipeline.images.sources.archives.archives import is_archive, scan_archive
from pipeline.images.sources.archives.spool import Spool
from pipeline.images.sources.archives.tars import TarImages
from pipeline.images.sources.archives.zips import ZipImages
from pipeline.images.sources.reading import Reading
from tests.calls import read as scan_data
from tests.conftest import draw_tree
from tests.faults.child import Averages, run

KINDS = ("zip", "tar", "gztar", "bztar", "xztar")
QUICK = ("zip", "tar", "gztar")  # the others differ from the last in what unpacks them


def scan(path: Path, hashes: FileHashes | None = None) -> Manifest:
    """The manifest of an archive."""
    return scan_archive(
        path,
        Reading(hashes=hashes or FileHashes(), home=path.parent / "home"),
    )


def columns(manifest: Manifest) -> tuple:
    """All that a manifest says, but for where its bytes are."""
    return manifest.names, manifest.digests, manifest.labels, manifest.splits, manifest.skipped


def pack(folder: Path, kind: str, *, wrapped: bool = False) -> Path:
    """An archive beside a folder, of what is in it or of the folder itself."""
    root, base = (folder.parent, folder.name) if wrapped else (folder, ".")
    return Path(shutil.make_archive(str(folder.parent / f"packed-{wrapped}"), kind, root, base))


def zip_of(path: Path, *names: str) -> Path:
    """A zip whose members hold their own names."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_archive_has_the_manifest_of_its_folder(kind, wrapped, photos, tmp_path):
    """Names, digests, labels and splits are those of the folder, and every image has its bytes, in any order."""
    folder = shutil.copytree(photos, tmp_path / "photos")
    (folder / "notes.txt").write_text("no image")
    (folder / "train" / ".hidden.png").write_bytes(b"hidden")
    expected = scan_data(folder)
    manifest = scan(pack(folder, kind, wrapped=wrapped))

    assert columns(manifest) == columns(expected)
    assert manifest.title == f"packed-{wrapped}"
    for row in reversed(range(len(manifest))):
        assert manifest.read(row) == expected.read(row)


def test_class_folders_without_splits_are_split_by_content(tmp_path):
    """The percentages fall as they do for the folder."""
    folder = draw_tree(tmp_path / "colours", {"": 20})

    assert columns(scan(pack(folder, "zip", wrapped=True))) == columns(scan_data(folder))


def test_rows_of_a_folder_serve_its_archive(photos, tmp_path):
    """Rows of images in a folder are not computed again for the same images in an archive."""
    folder, engine = shutil.copytree(photos, tmp_path / "photos"), Averages()
    run(folder, tmp_path / "cache", engine)
    assert engine.num_images == 48

    for kind in QUICK:
        assert run(pack(folder, kind), tmp_path / "cache", engine).num_rows == 48
    assert engine.num_images == 48


@pytest.mark.parametrize("kind", QUICK)
def test_stage_one_reads_an_archive(kind, photos, tmp_path):
    """Decoding threads read what they need in the order of the keys, and all rows are made."""
    folder = shutil.copytree(photos, tmp_path / "photos")
    from_folder = run(folder, tmp_path / "one", Averages())
    from_archive = run(pack(folder, kind), tmp_path / "two", Averages())

    assert from_archive.num_new == 48
    assert (from_archive.store.read(from_folder.keys()) == from_folder.store.read(from_folder.keys())).all()


@pytest.mark.parametrize(
    ("members", "names", "labels"),
    [
        (["p/cats/1.jpg", "p/dogs/1.jpg"], ["cats/1.jpg", "dogs/1.jpg"], ["cats", "dogs"]),
        (["a/b/cats/1.jpg", "a/b/dogs/1.jpg"], ["cats/1.jpg", "dogs/1.jpg"], ["cats", "dogs"]),
        (["./cats//1.jpg", "./dogs/./1.jpg"], ["cats/1.jpg", "dogs/1.jpg"], ["cats", "dogs"]),
        (["p\\cats\\1.jpg", "p\\dogs\\1.jpg"], ["cats/1.jpg", "dogs/1.jpg"], ["cats", "dogs"]),
        (["cats/1.jpg", "cats/2.jpg"], ["cats/1.jpg", "cats/2.jpg"], ["cats", "cats"]),
        (["p/cats/1.jpg", "p/2.jpg"], ["2.jpg", "cats/1.jpg"], [None, "cats"]),
        (["train/cats/1.jpg", "train/dogs/1.jpg"], ["train/cats/1.jpg", "train/dogs/1.jpg"], ["cats", "dogs"]),
        (["1.jpg", "cats/1.jpg"], ["1.jpg", "cats/1.jpg"], [None, "cats"]),
        (["p/c/1.jpg", "__MACOSX/p/c/._1.jpg", "p/.git/1.jpg", "p/d/1.jpg"], ["c/1.jpg", "d/1.jpg"], ["c", "d"]),
    ],
)
def test_folders_that_all_images_share_are_left_out(members, names, labels, tmp_path):
    """The usual single folder at the top is no class; a split's folder and an only class are kept."""
    manifest = scan(zip_of(tmp_path / "a.zip", *members))

    assert (sorted(manifest.names), manifest.skipped) == (sorted(names), ())
    assert sorted(map(str, manifest.labels)) == sorted(map(str, labels))


@pytest.mark.parametrize("kind", QUICK)
def test_digests_are_remembered_for_as_long_as_the_archive_is_the_same(kind, photos, tmp_path, monkeypatch):
    """A second scan reads no member; a changed archive is hashed again."""
    monkeypatch.setattr(hashing, "RACY_NS", 0)
    folder = shutil.copytree(photos, tmp_path / "photos")
    path, hashes = pack(folder, kind), FileHashes(tmp_path / "hashes.sqlite")
    first = scan(path, hashes)

    def read(*_: object) -> bytes:
        raise OSError("read again")

    with monkeypatch.context() as patch:
        for images in (ZipImages, TarImages, Spool):
            patch.setattr(images, "read", read)
        assert columns(scan(path, hashes)) == columns(first)
    (folder / first.names[0]).write_bytes(b"another")
    changed = scan(pack(folder, kind), hashes)
    assert changed.digests[0] != first.digests[0]
    assert changed.digests[1:] == first.digests[1:]


@pytest.mark.parametrize("kind", QUICK)
def test_threads_read_at_the_same_time(kind, photos, tmp_path):
    """Sixteen threads get the right bytes of 480 images."""
    manifest = scan(pack(shutil.copytree(photos, tmp_path / "photos"), kind))
    rows = [row * 7 % 48 for row in range(480)]
    with ThreadPoolExecutor(16) as pool:
        data = list(pool.map(manifest.read, rows))

    assert [hashing.hashlib.sha256(content).digest() for content in data] == [manifest.digests[row] for row in rows]


@pytest.mark.parametrize("kind", QUICK)
def test_archive_is_only_read(kind, photos, tmp_path):
    """Neither it nor its folder changes."""
    path = pack(shutil.copytree(photos, tmp_path / "data" / "photos"), kind)

    def look() -> list:
        return [(entry, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in [path, path.parent]]

    before = look()
    scan_data(path, home=tmp_path / "home")
    assert look() == before


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive_that_changed_gives_other_bytes_or_an_error(kind, photos, tmp_path):
    """A file that was cut after the scan is never read past its end."""
    path = pack(shutil.copytree(photos, tmp_path / "photos"), kind)
    manifest = scan(path)
    os.truncate(path, 1000)

    with pytest.raises(OSError, match=r"damaged in the archive|the archive is truncated"):
        manifest.read(47)


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_archive_without_images_says_what_was_expected(name, tmp_path):
    """An empty one, and one of other files."""
    path = tmp_path / name
    if name == "a.zip":
        zip_of(path, "readme.txt")
    else:
        tarfile.open(path, "w").close()

    with pytest.raises(
        DataLayoutError,
        match=r"No image in .*a\.(zip|tar)\.( It contains 1 \.txt\.)? Expected one folder per class \(cats/1\.jpg\)",
    ):
        scan(path)


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tgz", "photos.tar.xz", "photos.tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all" * 100, b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh9"])
def test_file_that_is_no_archive_is_refused(name, content, tmp_path):
    """Whatever it is, the message names it."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataLayoutError, match=rf"{name} is not a readable archive: "):
        scan(tmp_path / name)


@pytest.mark.parametrize(
    ("kind", "name"), [("zip", "photos.tar"), ("zip", "photos.tar.gz"), ("tar", "photos.zip"), ("gztar", "photos.zip")]
)
def test_archive_under_the_name_of_another_kind_is_read(kind, name, tmp_path):
    """The first bytes decide."""
    made = shutil.make_archive(str(tmp_path / "made"), kind, draw_tree(tmp_path / "tree", {"": 2}))
    Path(made).rename(tmp_path / name)

    assert len(scan(tmp_path / name)) == 4


@pytest.mark.parametrize("name", ["photos.zip.1", "download", "photos.cbz", "photos.zip.crdownload"])
def test_archive_whose_name_says_nothing_is_known_by_its_first_bytes(name, photos, tmp_path):
    """As browsers and download managers call them."""
    path = pack(shutil.copytree(photos, tmp_path / "photos"), "zip").rename(tmp_path / name)

    assert is_archive(path)
    assert columns(scan_data(path)) == columns(scan_data(photos))


@pytest.mark.parametrize("name", ["book.xlsx", "weights.keras", "table.csv", "one.jpg", "x.npz", "many.gz"])
def test_zip_that_is_something_else_is_no_archive(name, tmp_path):
    """Its ending says so; and a folder of any name is none."""
    zip_of(tmp_path / name, "a/1.jpg")
    (tmp_path / "folder").mkdir()

    assert not is_archive(tmp_path / name)
    assert not is_archive(tmp_path / "folder")
    assert not is_archive(tmp_path / "missing")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"<!DOCTYPE html>Sign in", "it is a page of HTML, as left by a download that failed; download it again"),
        (b"version https://git-lfs.github.com/spec/v1", "run git lfs pull"),
        (b"Rar!\x1a\x07\0", "it is a RAR archive; unpack it"),
        (b"", "If it is incomplete, download or copy it again"),
    ],
)
def test_what_is_called_an_archive_and_is_none_is_named(content, part, tmp_path):
    """With its cure."""
    (tmp_path / "photos.zip").write_bytes(content)

    with pytest.raises(DataLayoutError, match=part):
        scan(tmp_path / "photos.zip")


def test_table_beside_unlabelled_images_in_an_archive_is_named(tmp_path):
    """As it is in a folder; it is not read there."""
    manifest = scan(zip_of(tmp_path / "a.zip", "photos/1.jpg", "photos/2.jpg", "photos/labels.csv"))

    assert any("in the archive, which is not read: photos/labels.csv. If it has" in text for text in manifest.warnings)
