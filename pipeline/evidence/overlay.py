"""A map over its image: blue speaks against the answer, orange for it, and grey is nothing.

The image itself is shown in grey, so that all colour is evidence. The colour of a place says the sign and its opacity the size, on a scale that is
symmetrical around 0. Blue and orange differ for all kinds of colour vision, and they are equally light (OKLab L 0.65 and 0.67), so that
neither looks stronger; along the scale the distance in OKLab grows evenly.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.runs.plots.texts import BLACK, Colour, draw_text, put, shortened

AGAINST: Colour = (46, 143, 218)
FOR: Colour = (226, 116, 26)
OPACITY = 0.8
"""Of the largest value."""

_LEAST_PX = 384
"""Sides of the image in an overlay: smaller ones are enlarged by a whole number."""

_MARGIN, _TEXT_PX, _BAR_PX = 10, 15, 14
_MIDDLE = 128
_THOUSAND = 1000


def draw_overlay(
    pixels: NDArray[np.uint8], cells: NDArray[np.floating], title: str, ends: tuple[str, str]
) -> Image.Image:
    """An image with its map over it, and a legend below.

    Args:
        pixels: The image as the network saw it, (H, W, 3).
        cells: The map, (h, w).
        title: What it shows.
        ends: What negative and positive values speak for.
    """
    factor = -(-_LEAST_PX // max(pixels.shape[:2]))
    height, width = (factor * side for side in pixels.shape[:2])
    largest = largest_of(cells)
    grey = Image.fromarray(pixels).convert("L").resize((width, height), Image.Resampling.LANCZOS)
    shown = tint(np.asarray(grey, np.float32), smooth(cells, (width, height)) / largest)
    legend = _draw_legend(width, largest, title, ends)
    sheet = Image.new("RGB", (width, height + legend.height), "white")
    sheet.paste(Image.fromarray(shown))
    sheet.paste(legend, (0, height))
    return sheet


def largest_of(cells: NDArray[np.floating]) -> float:
    """The end of the scale: the largest value of a map without its sign, or 1 if all are 0."""
    return float(np.abs(cells).max()) or 1.0


def smooth(cells: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map at the size (width, height) of its image, bicubic between the centres of the cells."""
    return np.asarray(Image.fromarray(cells.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))


def tint(grey: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey values (H, W) with colours of shares in [-1, 1] of the scale over them, (H, W, 3)."""
    share = np.clip(share, -1, 1)[..., None]
    colour = np.where(share < 0, np.asarray(AGAINST, np.float32), np.asarray(FOR, np.float32))
    opacity = OPACITY * np.abs(share)
    mixed = (1 - opacity) * grey[..., None] + opacity * colour
    return mixed.round().astype(np.uint8)


def as_number(value: float) -> str:
    """A value with its sign, to three digits."""
    size = abs(value)
    text = f"{size:,.0f}" if size >= _THOUSAND else f"{size:.3g}"
    sign = "\u2212" if value < 0 else "+"
    return f"{sign}{text}"


def _draw_legend(width: int, largest: float, title: str, ends: tuple[str, str]) -> Image.Image:
    """The title, the scale with its ends and 0, and what they speak for."""
    line = _TEXT_PX + 6
    sheet = Image.new("RGB", (width, 2 * _MARGIN + 3 * line + _BAR_PX), "white")
    letters = int(width / (0.6 * _TEXT_PX))
    put(sheet, draw_text(shortened(title, letters), _TEXT_PX), (_MARGIN, _MARGIN))
    inner = width - 2 * _MARGIN
    scale = np.tile(np.linspace(-1, 1, inner, dtype=np.float32), (_BAR_PX, 1))
    top = _MARGIN + line
    sheet.paste(Image.fromarray(tint(np.full_like(scale, _MIDDLE), scale)), (_MARGIN, top))
    ImageDraw.Draw(sheet).line([(width // 2, top), (width // 2, top + _BAR_PX)], BLACK)
    numbers = (as_number(-largest), "0", as_number(largest))
    _write_row(sheet, top + _BAR_PX + 2, numbers)
    _write_row(
        sheet, top + _BAR_PX + 2 + line, (shortened(ends[0], letters // 2), "", shortened(ends[1], letters // 2))
    )
    return sheet


def _write_row(sheet: Image.Image, top: int, texts: tuple[str, str, str]) -> None:
    """Texts on the left, in the middle and on the right."""
    for place, text in zip((0.0, 0.5, 1.0), texts, strict=True):
        if text:
            mask = draw_text(text, _TEXT_PX)
            left = _MARGIN + round(place * (sheet.width - 2 * _MARGIN - mask.width))
            put(sheet, mask, (left, top))
