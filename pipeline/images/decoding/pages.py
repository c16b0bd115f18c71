"""Image files that have more than one image."""

from PIL import Image, ImageFile

from pipeline.images.decoding.formats import DAMAGE, open_image

_SUBFILE_TYPE, _REDUCED = 254, 1
"""TIFF's tag of a page, and its bit for a smaller copy of another page (TIFF 6.0, section 8)."""

_SMALLEST_SHARE = 1 / 16
"""Pages with a smaller part of the first one's pixels are previews that do not say so."""


def has_more_pages(image: Image.Image, content: bytes) -> bool:
    """Whether the file of an image has further pages (TIFF) or frames (GIF, WebP, PNG, AVIF); previews do not count.

    Args:
        image: As it was loaded.
        content: The file.
    """
    if image.format in ("PNG", "WEBP", "AVIF"):
        return getattr(image, "n_frames", 1) > 1
    if image.format not in ("GIF", "TIFF"):
        return False
    try:
        return _has_second(open_image(content))
    except DAMAGE:
        return False


def _has_second(file: ImageFile.ImageFile) -> bool:
    """Whether a GIF or TIFF file has a second image that is no preview of the first."""
    if file.format == "GIF":
        return bool(getattr(file, "is_animated", False))
    first, page = file.width * file.height, 0
    while True:
        page += 1
        try:
            file.seek(page)
        except EOFError:
            return False
        is_reduced = int(getattr(file, "tag_v2", {}).get(_SUBFILE_TYPE, 0)) & _REDUCED
        if not is_reduced and file.width * file.height >= first * _SMALLEST_SHARE:
            return True
