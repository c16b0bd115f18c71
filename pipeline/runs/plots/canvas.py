"""Axes, lines and points on a sheet, drawn with Pillow: the import of matplotlib takes longer than a linear head on a warm store.

Lengths are in pixels of the finished plot. It is drawn at twice that size and then reduced, which makes lines smooth.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.files import replacing
from pipeline.runs.plots.texts import FONT_PX, Colour, check_letters, draw_text, put, wrapped

_FINE = 2
_MARGIN = 14
_GREY: Colour = (110, 110, 110)
_LIGHT: Colour = (222, 222, 222)
_LEFT, _BOTTOM, _TOP = 96, 66, 34
"""Room of a panel for the texts at its sides."""

# Okabe & Ito's palette for all kinds of colour vision, without yellow, which is pale on white.
PALETTE: tuple[Colour, ...] = tuple(
    (red, green, blue)
    for red, green, blue in (
        bytes.fromhex(name) for name in ("0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9", "000000", "777777")
    )
)
BLUE, RED, GREEN = PALETTE[:3]


@dataclass(frozen=True)
class Axis:
    """From its low end to its high end."""

    low: float
    high: float
    label: str

    @property
    def ticks(self) -> list[float]:
        """Round numbers between the ends, about five of them."""
        rough = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
        return [number * step for number in range(first, last + 1)]

    @classmethod
    def around(cls, values: NDArray[Any], label: str) -> "Axis":
        """An axis with room for these values, at least one of which is finite."""
        known = values[np.isfinite(values)]
        low, high = float(known.min()), float(known.max())
        room = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
        return cls(low - room, high + room, label)


SHARE = 0.0, 1.0
"""The ends of an axis of shares."""


class Sheet:
    """A white image with a title.

    Args:
        width: Of the plot.
        height: Of the plot, without its title.
        title: Its lines; long ones are broken.
        texts: All other texts, for a warning on characters that no font has.
    """

    def __init__(self, width: int, height: int, title: str, texts: Sequence[str] = ()) -> None:
        check_letters(title, *texts)
        size = _FINE * (FONT_PX + 2)
        lines = [draw_text(line, size) for line in wrapped(title, _FINE * (width - 2 * _MARGIN), size)]
        self.top = _MARGIN + sum(line.height for line in lines) // _FINE
        """Where the room below the title begins."""

        self.image = Image.new("RGB", (_FINE * width, _FINE * (self.top + height)), "white")
        y = _FINE * _MARGIN // 2
        for line in lines:
            put(self.image, line, ((self.image.width - line.width) // 2, y))
            y += line.height

    def write(self, text: str, x: float, y: float, *, side: str = "left", size_px: int = FONT_PX - 2) -> None:
        """A text whose `left`, `middle` or `right` is at x; its middle is at y."""
        mask = draw_text(text, _FINE * size_px)
        shift = {"left": 0, "middle": mask.width // 2, "right": mask.width}[side]
        put(self.image, mask, (round(_FINE * x) - shift, round(_FINE * y) - mask.height // 2))

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """A filled rectangle."""
        left, top, right, bottom = (round(_FINE * each) for each in box)
        ImageDraw.Draw(self.image).rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), colour)

    def stroke(
        self, points: Sequence[tuple[float, float]], colour: Colour, width: float, *, dashed: bool = False
    ) -> None:
        """A line through these points."""
        fine = [(_FINE * x, _FINE * y) for x, y in points]
        draw, thick = ImageDraw.Draw(self.image), round(_FINE * width)
        if not dashed:
            draw.line(fine, colour, thick, joint="curve")
            return
        for start, end in _dashes(fine, _FINE * 8.0):
            draw.line((*start, *end), colour, thick)

    def save(self, path: Path) -> None:
        """Write the plot as PNG; a file at this path is replaced."""
        with replacing(path) as beside:
            self.image.reduce(_FINE).save(beside, "PNG")


class Panel:
    """Axes in a rectangle of a sheet.

    Args:
        sheet: What is drawn on.
        box: Left, top, right and bottom, texts included.
        x: The horizontal axis.
        y: The vertical axis.
        title: Above it.
    """

    def __init__(self, sheet: Sheet, box: tuple[int, int, int, int], x: Axis, y: Axis, title: str = "") -> None:
        left, top, right, bottom = box
        self.sheet, self.x, self.y = sheet, x, y
        self.box = left + _LEFT, top + _TOP, right - _MARGIN, bottom - _BOTTOM
        self._draw_axes(title)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is on the sheet; points outside are moved to the border."""
        left, top, right, bottom = self.box
        across = min(1.0, max(0.0, (x - self.x.low) / (self.x.high - self.x.low)))
        up = min(1.0, max(0.0, (y - self.y.low) / (self.y.high - self.y.low)))
        return left + across * (right - left), bottom - up * (bottom - top)

    def line(
        self, x: NDArray[Any], y: NDArray[Any], colour: Colour, *, width: float = 2.5, dashed: bool = False
    ) -> None:
        """A line through points (n,)."""
        points = [self.at(*pair) for pair in zip(x.tolist(), y.tolist(), strict=True)]
        self.sheet.stroke(points, colour, width, dashed=dashed)

    def band(self, corners: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A pale filled area; to be drawn before lines and points."""
        fine = [(_FINE * x, _FINE * y) for x, y in (self.at(*corner) for corner in corners)]
        ImageDraw.Draw(self.sheet.image, "RGBA").polygon(fine, (*colour, 40))
        self._draw_frame()

    def points(self, x: NDArray[Any], y: NDArray[Any], colour: Colour) -> None:
        """Translucent discs at points (n,)."""
        draw, far = ImageDraw.Draw(self.sheet.image, "RGBA"), _FINE * 4
        for pair in zip(x.tolist(), y.tolist(), strict=True):
            px, py = (_FINE * each for each in self.at(*pair))
            draw.ellipse((px - far, py - far, px + far, py + far), (*colour, 130))

    def ring(self, x: float, y: float, colour: Colour) -> None:
        """A white disc with a thick border: a point that matters."""
        (px, py), far = (_FINE * each for each in self.at(x, y)), _FINE * 7
        box = (px - far, py - far, px + far, py + far)
        ImageDraw.Draw(self.sheet.image).ellipse(box, "white", colour, _FINE * 3)

    def _draw_axes(self, title: str) -> None:
        left, top, right, bottom = self.box
        sheet, small = self.sheet, FONT_PX - 3
        for tick, text in zip(self.x.ticks, _tick_texts(self.x.ticks), strict=True):
            px, _ = self.at(tick, self.y.low)
            sheet.stroke([(px, top), (px, bottom)], _LIGHT, 1)
            sheet.write(text, px, bottom + 16, side="middle", size_px=small)
        for tick, text in zip(self.y.ticks, _tick_texts(self.y.ticks), strict=True):
            _, py = self.at(self.x.low, tick)
            sheet.stroke([(left, py), (right, py)], _LIGHT, 1)
            sheet.write(text, left - 8, py, side="right", size_px=small)
        self._draw_frame()
        sheet.write(self.x.label, (left + right) / 2, bottom + 44, side="middle", size_px=FONT_PX - 1)
        mask = draw_text(self.y.label, _FINE * (FONT_PX - 1)).rotate(90, expand=True)
        put(sheet.image, mask, (_FINE * (left - _LEFT + 4), round(_FINE * (top + bottom) / 2 - mask.height / 2)))
        if title:
            sheet.write(title, (left + right) / 2, top - 18, side="middle", size_px=FONT_PX - 1)

    def _draw_frame(self) -> None:
        fine = tuple(_FINE * each for each in self.box)
        ImageDraw.Draw(self.sheet.image).rectangle(fine, outline=_GREY, width=_FINE)


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    """Ticks with as many decimals as their distance needs."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 4 or max(map(abs, ticks)) >= 1e6:
        return [f"{tick:.3g}" for tick in ticks]
    return [
        f"{tick + 0.0:,.{decimals}f}".replace("-0.0", "0.0") if tick == 0 else f"{tick:,.{decimals}f}" for tick in ticks
    ]


def _dashes(
    points: Sequence[tuple[float, float]], length: float
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Every second piece of this length of a line through these points."""
    found, at = [], 0.0
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        far = math.hypot(bx - ax, by - ay)
        done = 0.0
        while done < far:
            step = min(length - at % length, far - done)
            if int(at / length + 1e-9) % 2 == 0:
                a, b = done / far, (done + step) / far
                found.append(((ax + a * (bx - ax), ay + a * (by - ay)), (ax + b * (bx - ax), ay + b * (by - ay))))
            at, done = at + step, done + step
    return found
