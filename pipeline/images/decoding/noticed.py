"""What a decoder notices in an image file that the pixels which it makes do not show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Noticed:
    """What was noticed in one image."""

    bits: int | None = None
    """Significant bits (8, 10, 12 or 14), if they were judged to be fewer than the file's 16."""

    has_more: bool = False
    """Whether the file has further pages or frames; the first is read."""

    is_dim: bool = False
    """Whether it is gray with alpha, of 16 bits of which fewer are in use: its upper 8 are read, so it is nearly black."""
