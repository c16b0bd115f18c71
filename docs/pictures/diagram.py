"""Draw base, trunk, cut, rows and head in one picture.

python docs/pictures/diagram.py
"""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from panel import GREY, INK, PAPER, save
from PIL import Image

BLUE, PALE_BLUE, ORANGE, PALE_ORANGE, GREEN, PALE_GREEN = (
    "#0072b2",
    "#e3f0f8",
    "#c46a00",
    "#fdf0dc",
    "#00795a",
    "#dff2ec",
)
CUT = "#c0392b"
BLOCKS = [(1.75, 2.3), (2.55, 1.95), (3.35, 1.6), (4.15, 1.25), (4.95, 0.95)]
"""Left end and height of each block of the network."""

MIDDLE, THICK = 5.3, 0.56


def text(
    axes: Axes, x: float, y: float, words: str, *, size: float = 15, colour: str = INK, bold: bool = False
) -> None:
    """Words around a point."""
    axes.text(
        x, y, words, fontsize=size, color=colour, ha="center", va="center", fontweight="bold" if bold else "normal"
    )


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    """An arrow between two points."""
    style = f"arc3,rad={bend}"
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=22, linewidth=2.4, color=INK, connectionstyle=style
        )
    )


def brace(axes: Axes, left: float, right: float, y: float, colour: str, down: float) -> None:
    """A bracket over (down > 0) or under blocks."""
    axes.plot([left, left, right, right], [y - down, y, y, y - down], color=colour, linewidth=2)


def stage(axes: Axes, y: float, height: float, colour: str, edge: str) -> None:
    """A panel as wide as the picture."""
    shape = FancyBboxPatch((0.15, y), 9.7, height, boxstyle="round,pad=0,rounding_size=0.18", facecolor=colour)
    shape.set_edgecolor(edge)
    axes.add_patch(shape)


def draw_images(axes: Axes, x: float, y: float) -> None:
    """Three sheets, the first with hills and a sun."""
    for shift in (0.2, 0.1, 0.0):
        axes.add_patch(Rectangle((x + shift, y + shift), 0.95, 0.95, facecolor="white", edgecolor=INK, linewidth=1.6))
    axes.add_patch(
        Polygon([(x, y), (x + 0.35, y + 0.5), (x + 0.55, y + 0.28), (x + 0.72, y + 0.45), (x + 0.95, y)], color=BLUE)
    )
    axes.scatter([x + 0.7], [y + 0.72], s=130, color="#e69f00")


def draw_base(axes: Axes) -> None:
    """The network's blocks, the cut behind them, and what is on either side of it."""
    for number, (left, height) in enumerate(BLOCKS, start=1):
        box = Rectangle((left, MIDDLE - height / 2), THICK, height, facecolor=BLUE, edgecolor="white", linewidth=1.5)
        axes.add_patch(box)
        text(axes, left + THICK / 2, MIDDLE, str(number), size=17, colour="white", bold=True)
    brace(axes, 1.75, 5.51, 6.72, INK, 0.14)
    text(axes, 3.55, 6.98, "base: pretrained network", size=15, bold=True)
    brace(axes, 1.75, 5.51, 3.92, BLUE, -0.14)
    text(axes, 3.63, 3.63, "trunk: frozen, runs once per image", size=15.5, colour=BLUE, bold=True)
    axes.plot([5.85, 5.85], [4.05, 6.55], color=CUT, linewidth=3.2, linestyle=(0, (3, 1.6)))
    text(axes, 5.85, 6.83, "cut", size=18, colour=CUT, bold=True)


def draw_rows(axes: Axes) -> None:
    """A stack of rows, one per image."""
    for place in range(5):
        y = 4.42 + place * 0.36
        axes.add_patch(Rectangle((7.0, y), 2.3, 0.28, facecolor="white", edgecolor=GREEN, linewidth=1.8))
        for cell in range(9):
            strength = (cell * 7 + place * 5) % 9 / 9
            axes.add_patch(Rectangle((7.04 + cell * 0.25, y + 0.04), 0.2, 0.2, color=GREEN, alpha=strength * 0.8))
    text(axes, 8.15, 6.55, "rows", size=18, colour=GREEN, bold=True)
    text(axes, 8.15, 4.12, "features, on disk", size=14, colour=GREY)


def draw_head(axes: Axes) -> None:
    """What is trained on rows, and what comes out."""
    for place, name in enumerate(("ridge", "logistic regression", "dense layers")):
        y = 1.62 - place * 0.53
        shape = FancyBboxPatch((3.4, y), 3.1, 0.42, boxstyle="round,pad=0,rounding_size=0.1", facecolor="white")
        shape.set_edgecolor(ORANGE)
        shape.set_linewidth(1.8)
        axes.add_patch(shape)
        text(axes, 4.95, y + 0.2, name, size=15)
    text(axes, 4.95, 2.28, "head", size=18, colour=ORANGE, bold=True)
    text(axes, 8.2, 1.3, "cat  97 %\ndog   3 %", size=18, bold=True)
    arrow(axes, (6.62, 1.3), (7.3, 1.3))


def draw() -> Figure:
    """Two stages, one above the other, so that the words stay readable on a phone."""
    figure = Figure(figsize=(8, 6.2), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 10), ylim=(0, 7.75))
    axes.axis("off")
    stage(axes, 3.28, 4.32, PALE_BLUE, BLUE)
    stage(axes, 0.15, 2.85, PALE_ORANGE, ORANGE)
    axes.text(0.4, 7.33, "Stage one: once", fontsize=16, color=BLUE, fontweight="bold", va="center")
    axes.text(0.4, 2.68, "Stage two: seconds", fontsize=16, color=ORANGE, fontweight="bold", va="center")
    words = "as many heads\nas you like\n\nearlier cut: the\nlayers after it\ntrain too"
    axes.text(0.4, 1.33, words, fontsize=13.5, color=GREY, va="center", linespacing=1.15)
    draw_images(axes, 0.35, 4.8)
    text(axes, 0.93, 4.5, "images", size=14, colour=GREY)
    draw_base(axes)
    draw_rows(axes)
    arrow(axes, (5.95, MIDDLE), (6.9, MIDDLE))
    arrow(axes, (8.15, 3.9), (6.2, 2.3), bend=-0.25)
    draw_head(axes)
    return figure


def main() -> None:
    """Write diagram.png beside this script."""
    drawn = io.BytesIO()
    draw().savefig(drawn, dpi=140)
    save(Image.open(drawn), Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
