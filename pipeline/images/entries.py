"""Images without labels and splits, one after the other: what a prediction needs to know of a data set."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.images.manifest import ImageBytes, Manifest

_NUMBERED = re.compile(r"#(\d+)")


@dataclass(frozen=True)
class Part:
    """An image of a source: a member of an archive, or a row of an array or a frame."""

    images: ImageBytes
    position: int
    digest: bytes


Content = str | bytes | NDArray[np.uint8] | Part
"""A file's path, encoded bytes, pixels, or an image of a source."""


@dataclass(frozen=True)
class Entry:
    """One image, or what was given as one."""

    name: str
    content: Content | None
    reason: str = ""
    """Why there is no content; empty if there is."""


@dataclass(frozen=True)
class Listed:
    """The images of a data set, in its order."""

    entries: list[Entry]
    warnings: tuple[str, ...] = ()
    """What was assumed: a sentence each."""


def entries_of(
    names: Sequence[str], images: ImageBytes, digests: Sequence[bytes | OSError], *, beside: str = ""
) -> list[Entry]:
    """N images of a source; those without a digest have a reason instead.

    Args:
        names: N names.
        images: The source.
        digests: SHA-256 of each image, or the error with which it could not be read.
        beside: What to put in front of the names.
    """
    return [
        Entry(f"{beside}{name}", Part(images, position, digest))
        if isinstance(digest, bytes)
        else Entry(f"{beside}{name}", None, f"cannot be read: {digest.strerror or digest}")
        for position, (name, digest) in enumerate(zip(names, digests, strict=True))
    ]


def entries_of_manifest(manifest: Manifest, *, beside: str = "") -> list[Entry]:
    """All images of a manifest: those with a number as their name in the order of the numbers, otherwise the skipped ones last."""
    rows = zip(manifest.names, manifest.positions, manifest.digests, strict=True)
    found = [Entry(name, Part(manifest.images, position, digest)) for name, position, digest in rows]
    found += [Entry(entry.path, None, entry.reason) for entry in manifest.skipped]
    numbers = [_NUMBERED.fullmatch(entry.name) for entry in found]
    order = sorted(range(len(found)), key=lambda row: int(match[1]) if (match := numbers[row]) else len(found) + row)
    return [Entry(f"{beside}{found[row].name}", found[row].content, found[row].reason) for row in order]
