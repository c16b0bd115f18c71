"""Kinds of files, by their first bytes and by their names."""

import io

import pytest
from PIL import Image

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding import heif
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.kinds import (
    Other,
    has_image_extension,
    is_system_file,
    is_system_folder,
    other_kind,
    unread_reason,
)

READ = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "AVIF")
RAW = "raw images of a camera are not read; develop them to JPEG or TIFF"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 500


def encode(kind: str, mode: str = "RGB") -> bytes:
    """A small image in a format of Pillow."""
    stream = io.BytesIO()
    Image.new(mode, (8, 6), 1).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", [kind for kind in READ if kind != "DIB"])
@pytest.mark.parametrize("name", ["1", "1.jpg.1", "1.dat", "1.heic", "1.txt"])
def test_image_is_known_by_its_first_bytes(kind, name):
    """Whatever it is called, if the decoder reads it then it is an image."""
    data = encode(kind)

    assert other_kind(name, data) is None
    assert Decoder(4).decode(data).shape == (4, 4, 3)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_netpbm_images_are_known_in_binary_and_in_text(mode):
    """All kinds of Netpbm start with a P, a digit and white space; a text that starts so is none."""
    assert other_kind("1", encode("PPM", mode)) is None
    assert other_kind("1", b"P2\n# made by hand\n2 1\n255\n0 255\n") is None
    assert other_kind("1.txt", b"P1 is the first patient") == Other(".txt")


@pytest.mark.parametrize(
    ("name", "head", "part"),
    [
        ("1.heic", HEIC, "the extra `heif`"),
        ("1", HEIC, "the extra `heif`"),
        ("1.HEIF", b"", "the extra `heif`"),
        ("1.jxl", b"\xff\x0a" + b"\0" * 30, "JPEG XL"),
        ("1", b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        ("1.jp2", encode("JPEG2000"), "JPEG 2000"),
        ("1.png", b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI" + b"\0" * 30, "CgBI"),
        ("1.cr2", b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 30, "raw images"),
        ("1.NEF", b"MM\0*" + b"\0" * 30, "raw images"),
        ("1.arw", encode("TIFF"), "raw images"),
        ("1.dng", encode("TIFF"), "raw images"),
        ("1.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw images"),
        ("1.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("1", b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg/>", "SVG"),
        ("1.psd", b"8BPS\0\1", "layers"),
        ("1.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "videos"),
        ("1.mov", b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "videos"),
        ("1.mkv", b"\x1aE\xdf\xa3", "videos"),
        ("1.avi", b"RIFF\0\0\0\0AVI LIST", "videos"),
        ("1", b"\0" * 128 + b"DICM", "medical"),
        ("1.ico", encode("ICO"), "convert them to PNG"),
        ("1.tga", encode("TGA"), "convert them to PNG"),
        ("train.zip", b"PK\3\4", "archives"),
        ("1.pdf", b"%PDF-1.7", "documents"),
    ],
)
def test_what_is_not_read_has_a_reason_and_a_cure(name, head, part, monkeypatch):
    """By its first bytes, or by its name where these say nothing."""
    monkeypatch.setattr(heif, "FORMATS", ())

    assert part in other_kind(name, head).reason


@pytest.mark.parametrize("head", [b"", b"text", b"\0" * 4096, b"BM is no bitmap", b"PK\3\4", b"<html><svg></html>"])
def test_other_files_are_a_kind_without_a_reason(head):
    """They are counted by the endings of their names, in lower case."""
    assert other_kind("a.TXT", head) == Other(".txt")
    assert other_kind("README", head) == Other("files without ending")


def test_heic_that_is_called_a_jpeg_is_named_when_it_is_decoded(monkeypatch):
    """Telephones send such files; the reason says what it is, and of other bytes nothing is known."""
    monkeypatch.setattr(heif, "FORMATS", ())
    monkeypatch.setattr("pipeline.images.decoding.formats.FORMATS", ("JPEG", "PNG"))

    assert unread_reason(b"\x80\x81") == ""
    with pytest.raises(UnreadableImageError, match=r"^HEIC images need the extra `heif`"):
        Decoder(4).decode(HEIC)


@pytest.mark.parametrize("name", ["a.jpg", "a.JFIF", "a.jpe", "a.pjpeg", "a.ppm", "a.b.avif"])
def test_endings_of_images_are_known_in_any_case(name):
    """Files with these names are images without a look at their content."""
    assert has_image_extension(name)
    assert not has_image_extension(f"{name}.1")


def test_what_systems_leave_behind_is_known():
    """In any case of the letters; a class may be called nearly the same."""
    files = ["Thumbs.db", "thumbs.DB", "desktop.ini", ".DS_Store", "._1.jpg", "Icon\r"]
    folders = [
        "@eaDir",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "__MACOSX",
        ".ipynb_checkpoints",
        "RECYCLED",
    ]

    assert all(map(is_system_file, files))
    assert all(map(is_system_folder, folders))
    assert not any(map(is_system_folder, ["lost", "recycle", "cats", "eaDir", "recycled", "Recycled"]))


@pytest.mark.parametrize(
    ("data", "cure"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "run git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "download it again"),
        (b"<HTML><body>", "download it again"),
    ],
)
def test_what_failed_downloads_leave_under_the_name_of_an_image_is_named(data, cure):
    """With what to do; of other bytes nothing more is known."""
    with pytest.raises(UnreadableImageError, match=cure):
        Decoder(4).decode(data)
    with pytest.raises(UnreadableImageError, match="not an image in any of the formats"):
        Decoder(4).decode(b"\x80\x81 other bytes")


@pytest.mark.parametrize("name", ["@tmp", "FOUND.001", "found.123", "Catalog Previews.lrdata"])
def test_more_folders_of_systems_are_known(name):
    """Those with a number or a name of the user in their name."""
    assert is_system_folder(name)
    assert not is_system_folder(f"my {name} photos")
