"""The names in a .zip, whose encoding is often not said.

A flag says that a name is UTF-8. Without it the standard says code page 437, and programs write whatever their system uses:
UTF-8 on a Mac, GBK on a Chinese Windows. A guess is never silent.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from unicodedata import category, name

from pipeline.errors import DataLayoutError

_IS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_WORD = re.compile(r"[^\W\d_]+")


def decode_names(path: Path, entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], tuple[str, ...]]:
    """The name of each member with `/` between folders, and a sentence if their encoding had to be guessed.

    Raises:
        DataLayoutError: No encoding fits.
    """
    raws = [_raw_name(entry) for entry in entries]
    unknown = [raw for raw in raws if isinstance(raw, bytes)]
    encoding = _guess(unknown)
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
        f"The names in {path.name} are not UTF-8; they are read as {_ENCODINGS[encoding][0]} (the first: {first!r}). "
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


def _guess(raws: Sequence[bytes]) -> str | None:
    """The first encoding in which all names are plausible; None if there is none."""
    if all(_decode(raw, "utf-8") is not None for raw in raws):
        return "utf-8"
    for encoding, (_, is_plausible) in _ENCODINGS.items():
        texts = [_decode(raw, encoding) for raw in raws]
        if all(text is not None and is_plausible(text) for text in texts):
            return "euc_kr" if encoding == "gb2312" and _is_korean(raws) else encoding
    return None


def _is_korean(raws: Sequence[bytes]) -> bool:
    """Whether names that are Chinese in GBK and Korean in EUC-KR are Korean: of 6 Chinese characters, one has no such twin."""
    texts = [_decode(raw, "euc_kr") for raw in raws]
    is_hangul = all(text is not None and _is_of("HANGUL")(text) for text in texts)
    return is_hangul and len({char for text in texts for char in text or "" if not char.isascii()}) >= 6


def _decode(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_western(text: str) -> bool:
    """Whether letters with accents stand alone or in pairs among plain ones, as in `Café` and `Größe`."""
    marked = [char for char in text if not char.isascii()]
    is_latin = all(category(char)[0] == "L" and name(char, "").startswith("LATIN") for char in marked)
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return is_latin and _has_usual_case(words) and all(re.search("[a-zA-Z]", word) for word in words)


def _has_usual_case(words: Sequence[str]) -> bool:
    """Whether there is no capital in the middle of small letters, and no more than two accents in a row."""
    jumps = any(before.islower() and after.isupper() for word in words for before, after in zip(word, word[1:]))  # noqa: B905, RUF007
    return not jumps and not any(re.search(r"[^\x00-\x7f]{3}", word) for word in words)


def _is_of(*alphabets: str) -> Callable[[str], bool]:
    """Whether all letters that are not plain ones are of these alphabets, and the rest is no box or symbol."""

    def check(text: str) -> bool:
        others = [char for char in text if not char.isascii()]
        letters = [char for char in others if category(char)[0] == "L"]
        return all(name(char, "").startswith(alphabets) for char in letters) and all(
            category(char)[0] in "LNPZ" for char in others
        )

    return check


def _is_chinese(encoding: str, common: range) -> Callable[[str], bool]:
    """Whether a text is Chinese, most of it in the characters that are common: the encodings have them in a block of first bytes."""

    def check(text: str) -> bool:
        leads = [char.encode(encoding)[0] for char in text if not char.isascii()]
        return _is_of("CJK UNIFIED", "FULLWIDTH")(text) and 2 * sum(lead in common for lead in leads) >= len(leads)

    return check


def _is_russian(text: str) -> bool:
    return all(char.isascii() or char.casefold() in "абвгдеёжзийклмнопрстуфхцчшщъыьэюя№" for char in text)


_KANA = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "FULLWIDTH")
_ENCODINGS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "cp437": ("code page 437", _is_western),
    "cp850": ("code page 850", _is_western),
    "cp1252": ("Windows-1252", _is_western),
    "gb2312": ("GBK", _is_chinese("gb2312", range(0xB0, 0xD8))),
    "cp932": ("Shift JIS", _is_of(*_KANA)),
    "euc_kr": ("EUC-KR", _is_of("HANGUL")),
    "big5": ("Big5", _is_chinese("big5", range(0xA4, 0xC7))),
    "gbk": ("GBK", _is_chinese("gbk", range(0xB0, 0xD8))),
    "cp1251": ("Windows-1251", _is_russian),
    "cp866": ("code page 866", _is_russian),
}
"""Encodings in the order in which they are tried, with their names and what their texts look like."""
