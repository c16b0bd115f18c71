"""Members of tars, compressed or not."""

import io
import tarfile

import pytest

from pipeline.images.sources import tars
from pipeline.images.sources.tars import TarImages, list_tar

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
    members, make_images = list_tar(write_tar(tmp_path / "photos.bin", mode), tmp_path / "home")
    chosen = [member for member in members if not member.refusal][::-1]
    images = make_images(chosen)

    assert [(member.name, member.refusal) for member in members if member.refusal] == [
        ("cats/link.jpg", "symbolic link")
    ]
    assert {member.name: images.read(number) for number, member in enumerate(chosen)} == CONTENTS


def test_uncompressed_tar_needs_no_copy(tmp_path):
    """Its images are sections of the file itself."""
    members, make_images = list_tar(write_tar(tmp_path / "a.tar"), tmp_path / "home")

    assert isinstance(make_images(members), TarImages)
    assert not (tmp_path / "home").exists()


def test_compressed_tar_is_unpacked_once_and_leaves_nothing(tmp_path, monkeypatch):
    """All reads in any order take one pass, and the file of the images has no name."""
    unpacked, passes = tars._unpacked, []
    monkeypatch.setattr(tars, "_unpacked", lambda *given: passes.append(1) or unpacked(*given))
    members, make_images = list_tar(write_tar(tmp_path / "a.tar.gz", "w:gz"), tmp_path / "home")
    images = make_images(members[:9])
    for position in (8, 0, 5, 5):
        images.read(position)

    assert passes == [1]
    assert list((tmp_path / "home").iterdir()) == []


def test_tar_that_ends_in_a_damaged_header_is_refused(tmp_path):
    """`tarfile` takes it for the end, and would leave out all that follows."""
    path = write_tar(tmp_path / "a.tar")
    data = bytearray(path.read_bytes())
    data[512 + 148] ^= 1  # the checksum of the second header
    path.write_bytes(data)

    with pytest.raises(tarfile.TarError, match="a damaged header"):
        list_tar(path, tmp_path / "home")
