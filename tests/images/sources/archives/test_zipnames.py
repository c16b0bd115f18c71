"""Names in zips, in the encodings of the systems that wrote them."""

import struct
import zipfile
import zlib

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.sources.archives.zipnames import decode_names


class _Raw(zipfile.ZipInfo):
    """A member whose name is written in bytes of its own, without the flag of UTF-8."""

    raw = b""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 the name that zipfile calls
        return self.raw, 0


def names_of(folder, raws, extra=b""):
    """The names and warnings of a zip whose members have these names."""
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, raw in enumerate(raws):
            info = _Raw(str(number))
            info.raw, info.extra = raw, extra
            archive.writestr(info, b"")
    with zipfile.ZipFile(path) as archive:
        return decode_names(path, archive.infolist())


@pytest.mark.parametrize(
    ("encoding", "names", "said"),
    [
        ("gbk", ["猫/1.jpg", "狗/1.jpg"], "GBK"),
        ("cp932", ["ねこ/1.jpg", "犬/1.jpg"], "Shift JIS"),
        ("cp932", ["表/1.jpg", "ソ/2.jpg"], "Shift JIS"),  # the second byte of each is a backslash
        ("euc_kr", ["고양이/1.jpg", "강아지/1.jpg"], "EUC-KR"),
        ("cp437", ["Café/1.jpg", "Größe/1.jpg"], "code page 437"),
        ("cp1252", ["Café/1.jpg", "Thé/1.jpg"], "Windows-1252"),
        ("big5", ["貓/1.jpg", "兔子/1.jpg"], "Big5"),
        ("cp1251", ["кошка/1.jpg", "собака/1.jpg"], "Windows-1251"),
        ("cp1251", ["собака/1.jpg"], "Windows-1251"),
        ("cp866", ["кошка/1.jpg", "собака/1.jpg"], "code page 866"),
    ],
)
def test_encoding_is_guessed_and_said(encoding, names, said, tmp_path):
    """The names are those that were written, and the warning names the guess and the first name."""
    found, warnings = names_of(tmp_path, [name.encode(encoding) for name in names])

    assert found == names
    assert len(warnings) == 1
    assert f"read as {said} (the first: {names[0]!r})" in warnings[0]


def test_utf8_without_the_flag_is_certain(tmp_path):
    """A Mac writes such names; other encodings do not look like UTF-8 by chance."""
    assert names_of(tmp_path, ["猫/1.jpg".encode(), "Café/1.jpg".encode()]) == (["猫/1.jpg", "Café/1.jpg"], ())


def test_plain_names_need_no_guess(tmp_path):
    """Backslashes of Windows become slashes."""
    assert names_of(tmp_path, [b"cats\\1.jpg"]) == (["cats/1.jpg"], ())


def test_name_in_the_extra_field_is_used(tmp_path):
    """Info-ZIP keeps the UTF-8 name beside that of the system, with a checksum of the latter."""
    raw, name = b"\xff\xfe/1.jpg", "猫/1.jpg".encode()
    field = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(raw)) + name

    assert names_of(tmp_path, [raw], field) == (["猫/1.jpg"], ())


def test_unknown_encoding_is_an_error_with_the_cure(tmp_path):
    """Nonsense is never taken for a name."""
    with pytest.raises(DataLayoutError, match=r"not UTF-8, and the archive does not say their encoding.*unzip -O gbk"):
        names_of(tmp_path, [bytes([0xF8, 0x98, 0xFF]) + b"/1.jpg"])
