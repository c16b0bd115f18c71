"""From an image of any mode to RGB with 8 bits a channel, at the size that a network takes."""

from typing import Any

import numpy as np
from PIL import Image, ImageColor

from pipeline.errors import SettingError, UnreadableImageError
from pipeline.images.decoding.formats import Extent, Size
from pipeline.images.decoding.sixteen import judge, to_eight_bits

DROP = "drop"
"""A background: no colour, the colours below transparent pixels show."""

FITS = ("stretch", "crop", "pad")

RESIZE = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


def parse_background(text: str) -> str:
    """A background as recipes have it: `#rrggbb` in lower case, or `drop`.

    Raises:
        SettingError: The text is no colour.
    """
    if text == DROP:
        return text
    channels: tuple[int, ...]
    try:
        channels = ImageColor.getrgb(text)
    except (ValueError, AttributeError, TypeError):
        channels = ()
    if len(channels) != 3:
        raise SettingError(
            "The background is the name of a colour (white, black, gray), #rrggbb, or drop (transparency is ignored). "
            f"Received: {text!r}."
        )
    return "#{:02x}{:02x}{:02x}".format(*channels)


def to_rgb(image: Image.Image, background: str, *, judges: bool) -> tuple[Image.Image, int | None]:
    """Three channels of 8 bits.

    Args:
        image: Loaded, of any mode except 32-bit float.
        background: Colour behind transparent pixels, or `drop`.
        judges: Gray of 16 bits and more is judged by its largest value; otherwise 16 bits are taken to be in use.

    Returns:
        The RGB image, and the significant bits of gray with 16 bits and more; None for other images.

    Raises:
        UnreadableImageError: The range of the pixels is not known.
    """
    if image.mode == "F":
        raise UnreadableImageError("32-bit float pixels have no known range; convert the image to 8 or 16 bits")
    if image.mode.startswith("I"):  # convert("RGB") would clip it to white
        return _from_wide_gray(image, background, judges=judges)
    if background != DROP and image.has_transparency_data:
        return compose(_with_alpha(image), background), None
    if image.mode == "P":
        return image.convert("RGBA").convert("RGB"), None  # palettes with transparency warn otherwise
    return (image if image.mode == "RGB" else image.convert("RGB")), None


def compose(image: Image.Image, background: str) -> Image.Image:
    """An RGBA image on a background."""
    if background == DROP:
        return image.convert("RGB")
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return canvas


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _from_wide_gray(image: Image.Image, background: str, *, judges: bool) -> tuple[Image.Image, int | None]:
    values = np.asarray(image).astype(np.int64)
    gray, bits = judge(values) if judges else (to_eight_bits(values, 16), None)
    rgb = Image.fromarray(gray).convert("RGB")
    key: Any = image.info.get("transparency")
    if background != DROP and isinstance(key, int):
        rgb.putalpha(Image.fromarray((values != key).astype(np.uint8) * 255))
        rgb = compose(rgb, background)
    return rgb, bits


def fitted_size(size: Extent, size_px: int, fit: str) -> Size:
    """Width and height of the whole image after resizing, before what overhangs is cut off or what lacks is filled."""
    if fit == "stretch":
        return size_px, size_px
    side = min(size) if fit == "crop" else max(size)
    width, height = (max(1, round(length * size_px / side)) for length in size)
    return width, height


def fit_to(image: Image.Image, extent: Extent, size_px: int, fit: str, resize: str, fill: str) -> Image.Image:
    """An RGB image at (size_px, size_px).

    Args:
        image: RGB.
        extent: Width and height of what it shows, in its px.
        size_px: Width and height.
        fit: `stretch` changes the aspect ratio; `crop` takes the largest square in the middle; `pad` keeps all of the image in
            the middle, and fills what is left.
        resize: The filter.
        fill: Colour for `pad`, `#rrggbb`.
    """
    width, height = extent
    if fit == "crop":
        side = min(extent)
        left, top = (width - side) / 2, (height - side) / 2
        # A pixel at the edge is also made of pixels beyond it, as everywhere else in the image.
        return image.resize((size_px, size_px), RESIZE[resize], box=(left, top, left + side, top + side))
    size = fitted_size(extent, size_px, fit)
    resized = image if image.size == size == extent else image.resize(size, RESIZE[resize], box=(0, 0, width, height))
    if size == (size_px, size_px):
        return resized
    canvas = Image.new("RGB", (size_px, size_px), fill)
    canvas.paste(resized, ((size_px - size[0]) // 2, (size_px - size[1]) // 2))
    return canvas
