"""What the scripts of this folder share: an opaque panel that is readable on light and dark pages, and small PNG files."""

from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageFont

PAPER, INK, GREY = "#ffffff", "#1b1f27", "#5b6472"
"""Background, text, secondary text. Opaque, because a page's own background may be dark."""

MOST_BYTES = 200_000


def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along: it is the same on every machine."""
    weight = "bold" if bold else "normal"
    return ImageFont.truetype(font_manager.findfont(f"DejaVu Sans:weight={weight}"), size_px)


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG with as many colours of a palette as fit into `MOST_BYTES`.

    Raises:
        ValueError: It does not fit with 16 colours: the picture is too large.
    """
    for colours in (256, 192, 128, 96, 64, 48, 32, 16):
        image.convert("RGB").quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
        if path.stat().st_size < MOST_BYTES:
            return
    raise ValueError(f"{path} has {path.stat().st_size:,} bytes with 16 colours. Expected fewer than {MOST_BYTES:,}.")
