"""Members of tars, compressed or not."""

import io
import tarfile

import pytest

from pipeline.images.sources.archives import tars
from pipeline.images.sources.archives.tars import TarImages, list_tar

CONTENTS = {f"cats/{number}.jpg": bytes([number]) * (100 + number) for number in range(9)}


def write_tar(path, mode="w"):
    """A tar of a folder, nine files and a link."""
    with tarfile.open(path, mode) as archive:
        folder, link = tarfile.TarInfo("cats"), tarfile.TarInfo("cats/link.jpg")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "0.jpg"
        archive.addfile(folder)
        for name, content in CONTENTS.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        archive.addfile(link)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_are_listed_and_read_by_their_place(mode, tmp_path):
    """Whatever compresses it, and whatever its name is; folders are no members, and a link is refused."""
    listing = list_tar(write_tar(tmp_path / "photos.bin", mode), tmp_path / "home")
    chosen = [member for member in listing.members if not member.refusal][::-1]
    images = listing.make_images(chosen)

    assert [(member.name, member.refusal) for member in listing.members if member.refusal] == [
        ("cats/link.jpg", "symbolic link")
    ]
    assert {member.name: images.read(number) for number, member in enumerate(chosen)} == CONTENTS


def test_tar_that_ends_between_two_members_may_be_incomplete(tmp_path):
    """Nothing in it says how many there were: the end mark is missing, which is a warning."""
    whole = write_tar(tmp_path / "whole.tar")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[: 512 * (1 + 2 * 3)])  # the folder, and three files

    assert list_tar(whole, tmp_path).warnings == ()
    assert len(list_tar(cut, tmp_path).members) == 3
    assert "cut.tar has no end mark, so files may be missing" in list_tar(cut, tmp_path).warnings[0]


def test_uncompressed_tar_needs_no_copy(tmp_path):
    """Its images are sections of the file itself."""
    listing = list_tar(write_tar(tmp_path / "a.tar"), tmp_path / "home")

    assert isinstance(listing.make_images(listing.members), TarImages)
    assert not (tmp_path / "home").exists()


def test_compressed_tar_is_unpacked_once_and_leaves_nothing(tmp_path, monkeypatch):
    """All reads in any order take one pass, and the file of the images has no name."""
    unpacked, passes = tars._unpacked, []
    monkeypatch.setattr(tars, "_unpacked", lambda *given: passes.append(1) or unpacked(*given))
    listing = list_tar(write_tar(tmp_path / "a.tar.gz", "w:gz"), tmp_path / "home")
    images = listing.make_images(listing.members[:9])
    for position in (8, 0, 5, 5):
        images.read(position)

    assert passes == [1]
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_first_bytes_of_members_without_ending_are_read_on_the_way(mode, tmp_path):
    """Whatever their sizes are, none hides the next header, and images are told from other files."""
    sizes, start = (8, 511, 512, 4095, 4096, 4097, 90_000), b"\x89PNG\r\n\x1a\n"
    contents = {f"{kind}{size}": kind + b"x" * (size - 8) for size in sizes for kind in (start, b"no image")}
    with tarfile.open(tmp_path / "a.tar", mode) as archive:
        for number, content in enumerate([*contents.values(), b""]):
            entry = tarfile.TarInfo(f"a/{number}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    listing = list_tar(tmp_path / "a.tar", tmp_path / "home")
    found = [member for member in listing.members if not member.other]
    images = listing.make_images(found)

    assert len(listing.members) == 15
    assert [images.read(number) for number in range(len(found))] == [
        content for content in contents.values() if content.startswith(start)
    ]


def test_tar_that_ends_in_a_damaged_header_is_refused(tmp_path):
    """`tarfile` takes it for the end, and would leave out all that follows."""
    path = write_tar(tmp_path / "a.tar")
    data = bytearray(path.read_bytes())
    data[512 + 148] ^= 1  # the checksum of the second header
    path.write_bytes(data)

    with pytest.raises(tarfile.TarError, match="a damaged header"):
        list_tar(path, tmp_path / "home")
