"""The names in a .zip, whose encoding is often not said.

A flag says that a name is UTF-8. Without it the standard says code page 437, and programs write whatever their system uses:
UTF-8 on a Mac, GBK on a Chinese Windows. A guess is never silent.
"""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataLayoutError
from pipeline.images.sources.encodings import TITLES, guess_encoding

_IS_UTF8 = 0x800
_UNICODE_PATH = 0x7075


def decode_names(path: Path, entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], tuple[str, ...]]:
    """The name of each member with `/` between folders, and a sentence if their encoding had to be guessed.

    Raises:
        DataLayoutError: No encoding fits.
    """
    raws = [_raw_name(entry) for entry in entries]
    unknown = [raw for raw in raws if isinstance(raw, bytes)]
    encoding = guess_encoding(unknown)
    if encoding is None:
        raise DataLayoutError(
            f"The names in {path} are not UTF-8, and the archive does not say their encoding (the first: {unknown[0]!r}). "
            "Make the archive again with UTF-8 names, or unpack it with the right encoding, for example "
            "`unzip -O gbk`, and give the folder."
        )
    # Some programs on Windows write backslashes.
    names = [(raw if isinstance(raw, str) else raw.decode(encoding)).replace("\\", "/") for raw in raws]
    if not unknown or encoding == "utf-8":
        return names, ()
    first = next(name for name, raw in zip(names, raws, strict=True) if isinstance(raw, bytes))
    warning = (
        f"The names in {path.name} are not UTF-8; they are read as {TITLES[encoding]} (the first: {first!r}). "
        "If this is wrong, make the archive again with UTF-8 names."
    )
    return names, (warning,)


def _raw_name(entry: zipfile.ZipInfo) -> str | bytes:
    """The name if it is certain, otherwise its bytes. `zipfile` decodes names without the flag as code page 437."""
    if entry.flag_bits & _IS_UTF8 or entry.filename.isascii():
        return entry.filename
    raw = entry.orig_filename.encode("cp437")
    return _unicode_path(entry.extra, raw) or raw


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The UTF-8 name that Info-ZIP keeps in the extra field 0x7075 beside another one, if it belongs to that."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and data[:1] == b"\1" and data[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
            return data[5:].decode("utf-8", "replace")
    return None
