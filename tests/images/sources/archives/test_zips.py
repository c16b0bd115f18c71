"""Members of zips."""

import zipfile
from dataclasses import replace

import pytest

from pipeline.images.sources.archives.zips import list_zip

CONTENTS = {f"cats/{number}.jpg": bytes([number]) * (100 + number) for number in range(9)}


def write_zip(path, method=zipfile.ZIP_STORED):
    """A zip of a folder and nine files."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("cats")
        for name, content in CONTENTS.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_files_are_listed_and_read_by_their_place(method, tmp_path):
    """Stored or deflated; folders are no members."""
    listing = list_zip(write_zip(tmp_path / "a.zip", method))
    chosen = listing.members[::-1]
    images = listing.make_images(chosen)

    assert [member.refusal for member in listing.members] == [None] * 9
    assert {member.name: images.read(number) for number, member in enumerate(chosen)} == CONTENTS


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_other_compression_is_refused(method, name, tmp_path):
    """The reason has the method's name and the cure."""
    listing = list_zip(write_zip(tmp_path / "a.zip", method))

    assert {member.refusal for member in listing.members} == {
        f"compressed by {name}, which is not read; make the archive again with Deflate, or unpack it"
    }


def test_changed_content_is_never_served(tmp_path):
    """A byte that was flipped after the listing is found by the directory's checksum."""
    path = write_zip(tmp_path / "a.zip")
    listing = list_zip(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(CONTENTS["cats/4.jpg"], bytes(104)))
    images = listing.make_images(listing.members)

    assert images.read(3) == CONTENTS["cats/3.jpg"]
    with pytest.raises(OSError, match="differs from the directory's size or checksum"):
        images.read(4)


def test_member_that_is_longer_than_declared_is_not_unpacked_whole(tmp_path):
    """Its bytes end one after the declared size, and that is an error."""
    listing = list_zip(write_zip(tmp_path / "a.zip", zipfile.ZIP_DEFLATED))
    images = listing.make_images(listing.members)
    forged = replace(images, members=tuple(replace(member, size=50) for member in images.members))

    with pytest.raises(OSError, match="differs from the directory's size or checksum"):
        forged.read(0)
