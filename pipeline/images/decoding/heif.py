"""HEIC images, which the extra `heif` reads."""

import contextlib

FORMATS: tuple[str, ...] = ()
"""Pillow's names of the formats that the extra adds; empty if it is not installed."""

with contextlib.suppress(ImportError):
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    FORMATS = ("HEIF",)
