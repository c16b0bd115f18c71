"""Guesses of the encoding of texts that do not say it, for names in archives and for tables."""

import re
from collections.abc import Callable, Sequence
from unicodedata import category, name

_WORD = re.compile(r"[^\W\d_]+")


def guess_of_table(fields: Sequence[bytes]) -> str:
    """The encoding of a table: Windows-1252 if most fields are plausible in it, or no other encoding fits; otherwise what fits.

    Args:
        fields: Those with other bytes than ASCII, none of them UTF-8.
    """
    western = sum(_looks_western(text) for text in (_decode(field, "cp1252") for field in fields) if text is not None)
    if 5 * western >= 4 * len(fields):
        return "cp1252"
    return guess_encoding(fields, without=(*_OF_DOS, "cp1252")) or "cp1252"


def _looks_western(text: str) -> bool:
    """As `_is_western`, also for sentences: accented letters may be words (`à`), and quotes may stand around words."""
    marked = [
        char for char in text if not char.isascii() and (char not in _TYPOGRAPHY or not re.search("[a-zA-Z]{3}", text))
    ]
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    is_latin = all(category(char)[0] == "L" and name(char, "").startswith("LATIN") for char in marked)
    return is_latin and _has_usual_case(words) and all(len(word) == 1 or re.search("[a-zA-Z]", word) for word in words)


def guess_encoding(raws: Sequence[bytes], *, without: Sequence[str] = ()) -> str | None:
    """The first encoding in which all texts are plausible; None if there is none.

    Args:
        raws: Encoded texts, such as the names in an archive or the fields of a table.
        without: Encodings that are not tried.
    """
    if all(_decode(raw, "utf-8") is not None for raw in raws):
        return "utf-8"
    for encoding, (_, is_plausible) in _ENCODINGS.items():
        if encoding in without:
            continue
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


_TYPOGRAPHY = "\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u20ac\xa0\xab\xbb\xb0\xb2\xb3\xb5\xbd\xba\xaa\xbf\xa1\xd7"
_OF_DOS = ("cp437", "cp850", "cp866")
"""Encodings in which archives are written still, and tables no more."""

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

TITLES = {encoding: title for encoding, (title, _) in _ENCODINGS.items()}
"""What people call these encodings."""
