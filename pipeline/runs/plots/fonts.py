"""Fonts for the texts of a plot: class names may be in any script, and matplotlib's own font has no Chinese, Japanese or Korean."""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

_FIRST = "DejaVu Sans"
"""Comes with matplotlib."""

_PREFERRED = ("notosanscjk", "notosans", "sourcehan", "hiragino", "msyh", "yugoth", "malgun", "wqy")
"""Beginnings of the names of fonts that have many scripts; they are tried first."""


def use_fonts(figure: "Figure") -> None:
    """Give every text of a figure fonts for all its characters. A warning, once, names characters that no installed font has."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    characters = frozenset(letter for text in texts for letter in text.get_text() if _is_drawn(letter))
    families, missing = families_for(characters)
    if len(families) > 1:
        for text in texts:
            text.set_fontfamily(list(families))
    if missing:
        _warn("".join(sorted(missing)[:5]))


@lru_cache(maxsize=64)
def families_for(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names of fonts that together have these characters, matplotlib's own first, and the characters that none has."""
    from matplotlib.font_manager import findfont, fontManager

    families = [_FIRST]
    paths, missing = _files_with(characters - _characters_of(findfont(_FIRST)))
    for path in paths:
        fontManager.addfont(path)  # the list that matplotlib keeps does not have fonts that were installed later
        families.append(fontManager.ttflist[-1].name)
    return tuple(families), missing


@lru_cache(maxsize=64)
def file_with(characters: frozenset[str]) -> str | None:
    """The first installed font that has some of these characters, which matplotlib's own lacks; None if there is none."""
    paths, _ = _files_with(characters)
    return paths[0] if paths else None


def warn_of_boxes(characters: frozenset[str]) -> None:
    """Warn, once, of the characters among these that no installed font has."""
    missing = _files_with(characters)[1] if characters else characters
    if missing:
        _warn("".join(sorted(missing)[:5]))


def _files_with(characters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Installed fonts that together have these characters, and the characters that none has."""
    from matplotlib.font_manager import findSystemFonts

    paths, missing = [], set(characters)
    for path in _in_order(findSystemFonts()) if missing else ():
        found = missing & _characters_of(path)
        if found:
            paths.append(path)
            missing -= found
        if not missing:
            break
    return paths, frozenset(missing)


def _in_order(paths: Iterable[str]) -> Iterator[str]:
    """Fonts without colours, which matplotlib cannot draw; those with many scripts come first."""

    def place(path: str) -> tuple[int, str]:
        name = Path(path).name.lower()
        return next((rank for rank, start in enumerate(_PREFERRED) if name.startswith(start)), len(_PREFERRED)), name

    return (path for path in sorted(paths, key=place) if "color" not in Path(path).name.lower())


def _characters_of(path: str) -> frozenset[str]:
    from matplotlib.font_manager import get_font

    with contextlib.suppress(RuntimeError, OSError, ValueError):  # not a font that FreeType reads
        return frozenset(map(chr, get_font(path).get_charmap()))
    return frozenset()


def _is_drawn(letter: str) -> bool:
    return letter.isprintable() and not letter.isspace()


@lru_cache(maxsize=1)
def _warn(examples: str) -> None:
    logger.warning(
        "Plots show boxes for characters such as %s: no installed font has them. Install one that does, such as Noto Sans CJK for "
        "Chinese, Japanese and Korean, or Noto Sans of the script (Debian and Ubuntu: apt install fonts-noto-cjk fonts-noto-core).",
        examples,
    )
