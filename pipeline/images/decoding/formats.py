"""From the bytes of an image file to loaded pixels in the file's own mode, whatever else is in the file."""

import io
import struct
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

# Imported before threads start: otherwise Pillow imports its readers at the first image, which many threads open at once.
from PIL import (
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding import heif
from pipeline.images.decoding.jpeg import JpegFile, form_of_jpeg, load_without_end
from pipeline.images.decoding.metadata import turn_of, without_metadata
from pipeline.images.decoding.silence import silence_libtiff
from pipeline.images.decoding.tiff import form_of, misread_reason
from pipeline.images.files.kinds import HEAD_BYTES, other_kind, unread_reason

# An explicit list: other readers of Pillow (FITS, PSD, EPS) had security bugs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM", *heif.FORMATS)
MAX_PIXELS = 89_478_485  # Pillow's own limit: a 24-bit image of 256 MiB
_HEAD_BYTES = 16
_IOS_CHUNK, _IOS_AT = b"CgBI", 12
# Errors of Pillow's readers on damaged files, from its fuzzing harness; numpy raises TokenError for a header.
DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    AttributeError,
    TypeError,
    OverflowError,
    NotImplementedError,
    tokenize.TokenError,
)

Size = tuple[int, int]
"""Width and height in px."""

Extent = tuple[float, float]
"""Width and height of what an image shows, in its own px. Of a JPEG that was decoded at a smaller size the last pixels show less."""


@dataclass(frozen=True)
class Loaded:
    """An image file that was loaded."""

    image: Image.Image
    """Its first frame, in the mode of the file."""

    extent: Extent
    content: bytes
    """The bytes that could be read: all, or those without metadata."""


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF file of which only pixels and orientation are wanted."""

    def load_end(self) -> None:
        """Turn the image upright, as Pillow always does for TIFF, but without parsing or writing the other tags."""
        turn = turn_of(self)
        if turn is not None:
            self.im = self.im.transpose(turn)
            self._size = self.im.size


_Reader = Callable[[IO[bytes], str | bytes], ImageFile.ImageFile]
_OWN_READERS: dict[str, _Reader] = {"JPEG": JpegFile, "TIFF": _TiffFile}


def open_image(data: bytes) -> ImageFile.ImageFile:
    """Read the header of an image file; unlike `PIL.Image.open` without Pillow's limit on pixels, which is one for the process.

    Raises:
        UnreadableImageError: They are an image of another known format, and the message has the cure; or a damaged one.
        UnidentifiedImageError: The bytes have none of the formats.
    """
    head = data[:_HEAD_BYTES]
    for name in FORMATS:
        factory, accepts = Image.OPEN[name]
        reader = _OWN_READERS.get(name, factory)
        if accepts is None or accepts(head) is True:
            try:
                image = reader(io.BytesIO(data), "")
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue
            if name == "TIFF":
                _check_tiff(image)
            if data.startswith(_IOS_CHUNK, _IOS_AT):
                raise UnreadableImageError(unread_reason(data[:HEAD_BYTES]))
            return image
    reason = unread_reason(data[:HEAD_BYTES])
    if not reason and other_kind("", data[:HEAD_BYTES]) is None:
        reason = form_of(data) or form_of_jpeg(data) or "damaged: its header cannot be read"
    raise UnreadableImageError(reason) if reason else UnidentifiedImageError


def _check_tiff(image: ImageFile.ImageFile) -> None:
    """Raise UnreadableImageError if Pillow would read other pixels than the file shows."""
    silence_libtiff()
    tags = getattr(image, "tag_v2", {})
    if reason := misread_reason(tags):
        raise UnreadableImageError(reason)


def load_image(data: bytes, *, max_pixels: int, draft: Callable[[Size], Size] | None = None) -> Loaded:
    """Load the first frame.

    Where that fails, it is tried again without the metadata, and for a JPEG with the end marker that it may lack.

    Args:
        data: The file.
        max_pixels: More pixels are refused before anything is decoded.
        draft: From the size of a JPEG to the least size that is needed. It is then decoded at a half, a quarter or an eighth
            of its size where that is large enough, which is much faster.

    Raises:
        UnreadableImageError: The image has too many pixels.
        UnidentifiedImageError: The bytes have none of the formats.
        Exception: Any of `DAMAGE`.
    """

    def load(content: bytes) -> Loaded:
        image = open_image(content)
        check_pixels(image.size, max_pixels)
        extent: Extent = image.size
        drafted = image.draft(None, draft(image.size)) if draft is not None and image.format == "JPEG" else None
        if drafted is not None:
            extent = drafted[1][2:]
        key_scale = _key_scale(image)
        image.load()
        if key_scale > 1 and "transparency" in image.info:
            image.info["transparency"] *= key_scale
        return Loaded(image, extent, content)

    try:
        return load(data)
    except DAMAGE:
        other = _load_otherwise(data, load)
        if other is None:
            raise
        return other


def _key_scale(image: ImageFile.ImageFile) -> int:
    """Factor for the transparent gray of a PNG with 2 or 4 bits: Pillow scales the pixels to 8 bits, but not this value."""
    depth = {"L;2": 2, "L;4": 4}.get(str(image.tile[0].args)) if image.format == "PNG" and image.tile else None
    return 255 // (2**depth - 1) if depth else 1


def check_pixels(size: Size, max_pixels: int) -> None:
    """Check the size that a file declares.

    Raises:
        UnreadableImageError: It has more than `max_pixels`.
    """
    width, height = size
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"{width} x {height} = {width * height:,} pixels; the limit is {max_pixels:,}, raise it with --max-pixels"
        )


def _load_otherwise(data: bytes, load: Callable[[bytes], Loaded]) -> Loaded | None:
    """The second ways of `load_image`; None if they fail too."""
    bare = without_metadata(data)
    if bare is not None:
        try:
            return load(bare)
        except DAMAGE:
            pass
    content = data if bare is None else bare
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    try:
        return load_without_end(content, load)
    except DAMAGE:
        return None
