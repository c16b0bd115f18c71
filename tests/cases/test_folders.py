"""Folders and archives as people have them; inputs are made, and each test is a kind of circumstance that was reported."""

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import DataLayoutError
from pipeline.images.decoding import heif
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import read_given
from pipeline.images.manifest import Manifest
from pipeline.images.requirements import require_task
from pipeline.images.summary import Ignored, unread_kinds
from tests.calls import read
from tests.conftest import COLOURS, draw_photo

SOURCES = ("folder", "zip", "tar", "gztar")
HEIC = b"\0\0\0\x18ftypheic" + b"\0" * 500


@pytest.fixture
def make(tmp_path: Path):
    """Makes a data set of files and their content: the folder, or an archive of it."""

    def write(files: dict[str, bytes], source: str = "folder") -> Path:
        root = tmp_path / "data"
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root if source == "folder" else Path(shutil.make_archive(str(tmp_path / "packed"), source, root))

    return write


def image(number: int, kind: str = "PNG") -> bytes:
    """A small image, no two alike."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (number * 7 % 256, number % 256, 99)).save(stream, kind)
    return stream.getvalue()


def scan(path: Path, **fields: object) -> Manifest:
    """The manifest of a data set."""
    return read(path, home=path.parent / "home", **fields)


def kinds(manifest: Manifest) -> dict[str, int]:
    """The number of ignored files by kind."""
    return {entry.kind: entry.count for entry in manifest.ignored}


@pytest.mark.parametrize("source", SOURCES)
def test_images_under_any_name_are_read(source, make):
    """Browsers, telephones and old data sets use many endings, or none, or the wrong one."""
    names = ["a.jfif", "b.jpe", "c.JPG.1", "d.pjpeg", "e", "f.ppm", "g.avif", "h.png", "i.download", "j.tmp.jpg?raw=1"]
    formats = ["JPEG"] * 5 + ["PPM", "AVIF", "JPEG", "WEBP", "PNG"]
    files = {
        f"cats/{name}": image(number, kind) for number, (name, kind) in enumerate(zip(names, formats, strict=True))
    }
    manifest = scan(make(files | {"dogs/1.gif": image(99, "GIF"), "dogs/notes": b"not one of them"}, source))

    assert set(manifest.names) == {*files, "dogs/1.gif"}
    assert kinds(manifest) == {"files without ending": 1}
    for row in range(len(manifest)):
        assert Decoder(4).decode(manifest.read(row)).shape == (4, 4, 3)


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_not_read_is_counted_with_its_cure(source, make, monkeypatch):
    """Images that need something else are told from files that nobody expects to be read."""
    monkeypatch.setattr(heif, "FORMATS", ())
    files = {"a/1.png": image(1), "b/1.png": image(2), "a/1.heic": HEIC, "b/2.HEIC": HEIC, "b/3.heic": b"damaged"}
    files |= {"a/1.txt": b"x", "b/1.txt": b"y", "a/1.nef": image(3, "TIFF"), "b/clip.mp4": b"\0\0\0\x18ftypisom"}
    manifest = scan(make(files, source))

    assert manifest.names == ("a/1.png", "b/1.png")
    assert kinds(manifest) == {".heic": 3, ".txt": 2, ".mp4": 1, ".nef": 1}
    reasons = {entry.kind: entry.reason for entry in manifest.ignored}
    assert "pip install 'bottleneck-pipeline[heif]'" in reasons[".heic"]
    assert "develop them to JPEG" in reasons[".nef"]
    assert reasons[".txt"] == ""


@pytest.mark.parametrize("source", SOURCES)
def test_data_of_other_kinds_alone_is_an_error_with_the_cure(source, make, monkeypatch):
    """The kinds are named with their counts, the most frequent first."""
    monkeypatch.setattr(heif, "FORMATS", ())
    files = {f"a/{number}.heic": HEIC for number in range(12)} | {"a/x.txt": b"x", "b/y.txt": b"y"}

    with pytest.raises(
        DataLayoutError, match=r"It contains 12 \.heic \(HEIC images need the extra `heif`.*\), 2 \.txt\."
    ):
        scan(make(files, source))


def test_class_of_files_that_are_not_read_says_so(tmp_path):
    """One class is left; the error has the kind of the other files and the cure."""
    draw_photo(tmp_path / "cats" / "1.png", (90, 90, 90), 1)
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "1.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")

    with pytest.raises(DataLayoutError, match=r"two classes\. Received: \['cats'\].* Not read: 1 \.jp2 \("):
        require_task(read(tmp_path))


def test_images_to_predict_are_found_in_the_same_way(make, monkeypatch):
    """A folder given to `predict` has its other files counted, too; one without images says what it has."""
    monkeypatch.setattr(heif, "FORMATS", ())
    root = make({"a/1": image(1), "a/2.jpg": image(2), "a/3.heic": HEIC, "b/4.heic": HEIC})
    given = read_given(str(root), FileHashes())
    alone = read_given(str(root / "b"), FileHashes())

    assert [Path(name).name for name in given.names] == ["1", "2.jpg"]
    assert kinds(given.manifest) == {".heic": 2}
    assert "It contains 1 .heic (HEIC images need the extra `heif`" in alone.manifest.skipped[0].reason


@pytest.mark.parametrize("source", SOURCES)
def test_what_systems_leave_behind_is_no_image(source, make):
    """Thumbnails of a server, the bin of Windows and copies of an editor are neither images nor classes."""
    files = {f"{label}/{number}.png": image(number) for label in "ab" for number in range(2)}
    junk = ["a/@eaDir/1.png/SYNOPHOTO_THUMB_M.png", "$RECYCLE.BIN/$R1.png", "lost+found/1.png", "__MACOSX/a/._1.png"]
    junk += ["a/.ipynb_checkpoints/1-checkpoint.png", "a/._1.png", "b/Thumbs.db", "b/desktop.ini", ".DS_Store"]
    manifest = scan(make(files | {name: image(9) for name in junk}, source))

    assert set(manifest.names) == set(files)
    assert manifest.classes == ("a", "b")
    assert kinds(manifest) == {"system folders": 5, "system files": 4}
    assert not [warning for warning in manifest.warnings if "folder" in warning.lower()]


@pytest.mark.parametrize("source", SOURCES)
def test_images_that_icloud_has_not_downloaded_are_named(source, make):
    """Hidden files stand for them until somebody opens the image."""
    names = ["a/1.png", "b/1.png", "a/.IMG_2.JPG.icloud", "b/.IMG_3.HEIC.icloud", "a/.hidden"]
    manifest = scan(make({name: image(number) for number, name in enumerate(names)}, source))

    assert kinds(manifest) == {".icloud": 2, "system files": 1}
    assert "download them in the Finder" in manifest.ignored[0].reason


@pytest.mark.parametrize("source", SOURCES)
def test_bins_that_may_be_classes_are_named(source, make):
    """`RECYCLED` is left out with a reason, which --strict refuses; `recycled` is a class."""
    names = ("glass/1.png", "glass/2.png", "recycled/1.png", "RECYCLED/1.png", "RECYCLER/S-1-5-21/Dc1.png")
    manifest = scan(make({name: image(number) for number, name in enumerate(names)}, source))

    assert manifest.classes == ("glass", "recycled")
    (reason,) = unread_kinds(manifest.ignored)
    assert reason.startswith("2 folders called RECYCLED or RECYCLER: they are taken for recycle bins of Windows;")


@pytest.mark.parametrize("source", SOURCES)
def test_archive_and_folder_mean_the_same(source, make):
    """Wrappers, splits and stray images have one meaning in all of them."""
    names = [
        f"Photos/{split}/{split}/{label}/{n}" for split in ("seg_train", "seg_test") for label in "ab" for n in "12"
    ]
    manifest = scan(make({name: image(number) for number, name in enumerate([*names, "sample"])}, source))

    assert manifest.classes == ("a", "b")
    assert manifest.labels.count(None) == 1
    assert manifest.splits.count("test") == 4
    assert manifest.warnings[0] == "The folder 'Photos' is a wrapper around the others; it is no class."


def test_snapshot_of_the_hub_is_read(tmp_path):
    """All its files are links to files elsewhere, whose names are digests."""
    snapshot, blobs = tmp_path / "snapshots/abc", tmp_path / "blobs"
    blobs.mkdir()
    for number, name in enumerate(("cats/1.png", "dogs/1.png")):
        (blobs / f"{number:064x}").write_bytes(image(number))
        (snapshot / name).parent.mkdir(parents=True)
        (snapshot / name).symlink_to(f"../../../blobs/{number:064x}")
    manifest = scan(snapshot)

    assert (manifest.labels, manifest.skipped) == (("cats", "dogs"), ())
    assert manifest.read(0) == image(0)


def test_data_folder_that_is_a_link_is_read(tmp_path, make):
    """The user named it."""
    root = make({"a/1.png": image(1), "b/1.png": image(2)})
    (tmp_path / "link").symlink_to(root)

    assert scan(tmp_path / "link").names == ("a/1.png", "b/1.png")


def test_links_in_archives_are_never_followed(tmp_path):
    """Neither to a member nor out of the archive, with or without the ending of an image."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number, label in enumerate("ab"):
            entry, content = tarfile.TarInfo(f"{label}/1.png"), image(number)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (("a/2.png", "../b/1.png"), ("a/host", "/etc/hostname")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    manifest = scan(tmp_path / "a.tar", follow_links=True)

    assert manifest.names == ("a/1.png", "b/1.png")
    assert {entry.path: entry.reason for entry in manifest.skipped} == dict.fromkeys(
        ("a/2.png", "a/host"), "symbolic link"
    )


def test_pipes_and_devices_are_never_opened(tmp_path):
    """Opening a pipe would wait for ever, whatever it is called."""
    draw_photo(tmp_path / "a/1.png", COLOURS["red"], 0)
    os.mkfifo(tmp_path / "a/pipe")
    (tmp_path / "a/null").symlink_to("/dev/null")
    manifest = scan(tmp_path)

    assert manifest.names == ("a/1.png",)
    assert manifest.ignored == (Ignored("pipes, sockets and devices", 2),)


def test_names_of_a_chinese_windows_are_read_and_said(tmp_path):
    """Their encoding is not in the archive."""

    class Raw(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 the name that zipfile calls
            return self.filename.encode("gbk"), 0

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number, name in enumerate(("猫/1.png", "狗/1.png")):
            archive.writestr(Raw(name), image(number))
    manifest = scan(tmp_path / "a.zip")

    assert manifest.classes == ("狗", "猫")
    assert "read as GBK (the first: '猫/1.png')" in manifest.warnings[0]
