"""Archives of somebody else's: no member leaves the archive, none takes the machine's memory, the good ones are served."""

import gzip
import io
import lzma
import os
import resource
import stat
import struct
import tarfile
import time
import zipfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from tests.calls import read as scan_data

MIB = 2**20
GOOD = {"cats/1.jpg": b"a cat", "dogs/1.jpg": b"a dog"}


def scan(path: Path) -> Manifest:
    """The manifest of an archive."""
    return scan_data(path, home=path.parent / "home")


def tar_of(path: Path, *entries: tarfile.TarInfo, mode: str = "w", form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of the good images and then these entries, of as many zeros as they have bytes."""
    with tarfile.open(path, mode, format=form) as archive:
        for name, content in GOOD.items():
            archive.addfile(tar_entry(name, size=len(content)), io.BytesIO(content))
        for entry in entries:
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    return path


def tar_entry(name: str, **values: object) -> tarfile.TarInfo:
    """A member's header."""
    entry = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(entry, key, value)
    return entry


def zip_of(path: Path, *entries: zipfile.ZipInfo | str, content: bytes = b"secret") -> Path:
    """A zip of the good images and then these members, all with the same content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
        for entry in entries:
            archive.writestr(entry, content)
    return path


def assert_good_ones_are_served(manifest: Manifest) -> None:
    """The two good images and no other, with their bytes."""
    assert {name: manifest.read(row) for row, name in enumerate(manifest.names)} == GOOD


ESCAPES = {
    "../secret.jpg": "path leaves the archive",
    "cats/../../secret.jpg": "path leaves the archive",
    "/etc/secret.jpg": "absolute path",
    "//host/secret.jpg": "absolute path",
    "C:/secret.jpg": "absolute path",
    "/".join(["deep"] * 40) + "/secret.jpg": "more than 32 folders deep",
    "cats/" + "x" * 5000 + ".jpg": "not a path",
}


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ESCAPES)
def test_name_that_is_no_path_below_the_archive_is_skipped(name, kind, tmp_path):
    """It is listed with a reason, and nothing is written anywhere."""
    before = set(tmp_path.parent.rglob("*"))
    path = tmp_path / f"a.{kind}"
    manifest = scan(zip_of(path, name) if kind == "zip" else tar_of(path, tar_entry(name, size=6)))

    assert_good_ones_are_served(manifest)
    assert [(entry.path, entry.reason.partition(";")[0]) for entry in manifest.skipped] == [
        (name[:4096], ESCAPES[name])
    ]
    assert set(tmp_path.parent.rglob("*")) - before == {path}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "not a regular file"),
        (tarfile.BLKTYPE, "not a regular file"),
        (tarfile.FIFOTYPE, "not a regular file"),
    ],
)
@pytest.mark.parametrize("name", ["cats/2.jpg", "birds"])
def test_member_of_a_tar_that_is_no_file_is_skipped(name, kind, reason, tmp_path):
    """No link is followed, inside the archive or out of it, and no device is opened."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    for target in ("1.jpg", str(secret)):
        manifest = scan(tar_of(tmp_path / "a.tar", tar_entry(name, type=kind, linkname=target)))

        assert_good_ones_are_served(manifest)
        assert [(entry.path, entry.reason) for entry in manifest.skipped] == [(name, reason)]


@pytest.mark.parametrize(
    ("mode", "reason"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFCHR, "not a regular file"), (stat.S_IFREG, None)]
)
def test_member_of_a_zip_that_is_no_file_is_skipped(mode, reason, tmp_path):
    """A link is told by the rights that it is stored with."""
    entry = zipfile.ZipInfo("cats/2.jpg")
    entry.external_attr = (mode | 0o644) << 16
    manifest = scan(zip_of(tmp_path / "a.zip", entry, content=b"/etc/passwd"))

    assert [skipped.reason for skipped in manifest.skipped] == ([reason] if reason else [])
    assert ("cats/2.jpg" in manifest.names) is (reason is None)


def test_encrypted_member_is_skipped(tmp_path):
    """There is no way to give a password, so it is said and not tried."""
    path = zip_of(tmp_path / "a.zip", "cats/2.jpg")
    data = bytearray(path.read_bytes())
    data[data.index(b"cats/2.jpg") - 30 + 6] |= 1  # the flags of the local header, and of the directory
    data[data.rindex(b"cats/2.jpg") - 46 + 8] |= 1
    path.write_bytes(data)
    manifest = scan(path)

    assert_good_ones_are_served(manifest)
    assert [entry.reason for entry in manifest.skipped] == [
        "encrypted; make the archive without a password, or unpack it"
    ]


def test_member_of_another_method_is_skipped(tmp_path):
    """What few programs write is said and not tried."""
    path = tmp_path / "a.zip"
    zip_of(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("cats/2.jpg", "a cat")
    manifest = scan(path)

    assert_good_ones_are_served(manifest)
    assert manifest.skipped[0].reason.startswith("compressed by LZMA, which is not read; make the archive again")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # zipfile's, at the writing of this one
def test_name_that_stands_twice_is_one_image(kind, tmp_path):
    """The last one counts, as it would on unpacking; names that only look different are the same."""
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        zip_of(path, "cats/1.jpg", "./cats//1.jpg", content=b"last")
    else:
        with tarfile.open(tar_of(path, tar_entry("./cats/1.jpg", size=9)), "a") as archive:
            archive.addfile(tar_entry("cats//1.jpg", size=4), io.BytesIO(b"last"))
    manifest = scan(path)

    assert manifest.names == ("cats/1.jpg", "dogs/1.jpg")
    assert manifest.read(0) == b"last"
    assert [entry.reason for entry in manifest.skipped] == ["occurs again later in the archive"] * 2


NAMES = ["Käse/1.jpg", "猫/1.jpg", "🐈/1.jpg", "a\u202eb/1.jpg", "a\nb/1.jpg", "a b/'\"<1>.jpg"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_odd_names_are_labels_like_any_other(kind, tmp_path):
    """Nothing but `/` has a meaning in a name."""
    path = tmp_path / f"a.{kind}"
    manifest = scan(
        zip_of(path, *NAMES) if kind == "zip" else tar_of(path, *(tar_entry(name, size=3) for name in NAMES))
    )

    assert set(manifest.names) == {*GOOD, *NAMES}
    assert {name.split("/")[0] for name in NAMES} < set(manifest.labels)


def test_name_that_is_not_unicode_is_skipped(tmp_path):
    """As in a folder."""
    manifest = scan(tar_of(tmp_path / "a.tar", tar_entry("cats/\udcff.jpg", size=3), form=tarfile.GNU_FORMAT))

    assert_good_ones_are_served(manifest)
    assert [entry.reason for entry in manifest.skipped] == ["file name is not valid Unicode"]


def measured(path: Path) -> tuple[str, float, int]:
    """The message of the scan of an archive that is refused, its seconds and the bytes of memory it took."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(DataLayoutError) as error:
        scan(path)
    return (
        str(error.value),
        time.perf_counter() - start,
        (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024,
    )


def test_bomb_in_a_zip_is_skipped(tmp_path):
    """100 MB of zeros in a hundred kilobytes are not unpacked."""
    path = zip_of(tmp_path / "a.zip", "cats/bomb.bmp", content=bytes(100 * MIB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    manifest = scan(path)

    assert_good_ones_are_served(manifest)
    assert manifest.skipped[0].reason.startswith("refused as a decompression bomb: 104,857,600 bytes in ")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 32 * MIB


def test_member_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path):
    """A member that is larger than the directory says gives an error, and takes little memory."""
    path = zip_of(tmp_path / "a.zip", "cats/bomb.bmp", content=bytes(32 * MIB))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 32 * MIB), struct.pack("<I", 5)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    manifest = scan(path)

    assert_good_ones_are_served(manifest)
    assert manifest.skipped[0].reason.endswith(
        "damaged in the archive: its content differs from the directory's size or checksum"
    )
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 16 * MIB


def test_members_on_top_of_each_other_are_refused(tmp_path):
    """A directory of a thousand members that are all one would be hashed a thousand times."""
    path = zip_of(tmp_path / "a.zip", "cats/2.jpg", content=os.urandom(4000))
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    start = data.rindex(b"PK\1\2")
    entries = b"".join(data[start:end].replace(b"cats/2", f"c{number:04d}x"[:6].encode()) for number in range(1000))
    first = data.index(b"PK\1\2")
    tail = data[end : end + 8] + struct.pack("<HHII", 1002, 1002, start - first + len(entries), first) + b"\0\0"
    path.write_bytes(data[:start] + entries + tail)

    assert "its members overlap" in measured(path)[0]


def test_directory_that_points_out_of_the_archive_is_refused(tmp_path):
    """The offset of a member is looked at before it is gone to."""
    path = zip_of(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\1\2") + 42
    data[place : place + 4] = b"\xfe\xff\xff\xff"
    path.write_bytes(data)

    assert "its directory has an offset beyond its end" in measured(path)[0]


@pytest.mark.parametrize("opener", [gzip.open, partial(lzma.open, preset=0)])
def test_bomb_in_a_compressed_tar_is_refused(opener, tmp_path):
    """A large member is not even unpacked to find the one behind it."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tar_entry("cats/1.jpg", size=100 * MIB), io.BytesIO(bytes(100 * MIB)))
    path = tmp_path / "b.tar.gz"
    with opener(path, "wb") as file:
        file.write((tmp_path / "a.tar").read_bytes())
    message, seconds, size = measured(path)

    assert "more than 67,108,864 bytes unpacked, as a decompression bomb has" in message
    assert seconds < 2
    assert size < 32 * MIB


def _header(**values: object) -> bytes:
    return tar_entry("x", **values).tobuf(tarfile.GNU_FORMAT)


HEADERS = {
    "a name of a gigabyte": (_header(type=tarfile.GNUTYPE_LONGNAME, size=2**30), "a header of 1,073,741,824 bytes"),
    "records of a gigabyte": (_header(type=tarfile.XHDTYPE, size=2**30), "a header of 1,073,741,824 bytes"),
    "a member of negative size": (_header(size=-(2**20)), "a member of negative size"),
    "headers of headers": (b"".join([_header(type=tarfile.XHDTYPE)] * 5000), "endlessly nested headers"),
    "a member of an exabyte": (_header(size=2**60), "bytes unpacked"),
    "damaged": (b"\xff" * 512, "a damaged header"),
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("compressed", [False, True])
def test_forged_header_of_a_tar_neither_hangs_nor_takes_memory(kind, compressed, tmp_path):
    """The archive is refused with what is wrong with it, wherever the header stands."""
    header, reason = HEADERS[kind]
    good = tar_of(tmp_path / "good.tar").read_bytes()
    behind = good.rstrip(b"\0")
    behind += b"\0" * (-len(behind) % 512)
    for place, before in enumerate((b"", behind)):
        data = before + header + bytes(64 * 512)
        path = tmp_path / f"a{place}.tar"
        path.write_bytes(gzip.compress(data) if compressed else data)
        message, seconds, size = measured(path)

        # tarfile itself tells what is no tar from its first header.
        assert reason in message or (kind == "damaged" and not before)
        assert seconds < 2
        assert size < 32 * MIB


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_archive_that_is_cut_short_is_refused_or_whole(ending, tmp_path):
    """A part of the images is never taken for all of them."""
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        zip_of(path)
    else:
        tar_of(path, mode=f"w:{ending[4:]}")
    data = path.read_bytes()
    refused = 0
    for length in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        try:
            assert_good_ones_are_served(scan(path))
        except DataLayoutError:
            refused += 1

    assert refused > 10


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ending=st.sampled_from(["zip", "tar", "tar.gz"]), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)))
)
def test_damaged_archive_gives_its_images_or_the_error(tmp_path, ending, flips):
    """Whatever bytes are wrong, the command line has a message, and every image that is served can be read."""
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        zip_of(path)
    else:
        tar_of(path, mode=f"w:{ending[4:]}")
    data = bytearray(path.read_bytes())
    for place, mask in flips:
        data[int(place * (len(data) - 1))] ^= mask
    path.write_bytes(data)
    try:
        manifest = scan(path)
    except DataLayoutError:
        return
    for row in range(len(manifest)):
        manifest.read(row)
