"""The images that an exported file and its run are compared on: the run's own, and synthetic ones where these are gone."""

import contextlib
import hashlib
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UnreadableImageError
from pipeline.files import read_regular
from pipeline.images.decoding.decoder import MAX_BYTES, Decoder
from pipeline.runs.run import Run

NUM_IMAGES = 200
"""Images of a comparison."""

_MAX_MISSES = 1_000


@dataclass(frozen=True)
class SampleImages:
    """N images, encoded and decoded."""

    encoded: tuple[bytes, ...]
    """Image files, (N,)."""

    pixels: NDArray[np.uint8]
    """RGB in [0, 255], (N, H, W, 3)."""

    num_own: int
    """Number of the run's own images, which come first; the others are synthetic."""


def sample_images(run: Run, decoder: Decoder) -> SampleImages:
    """`NUM_IMAGES` images: the run's own that can still be read, validation before test before train, then synthetic ones."""
    encoded, pixels = [], []
    for data in _own_images(run):
        try:
            pixels.append(decoder.decode(data))
        except UnreadableImageError:
            continue
        encoded.append(data)
        if len(encoded) == NUM_IMAGES:
            break
    num_own = len(encoded)
    synthetic = synthetic_images(NUM_IMAGES - num_own, decoder.size_px)
    pixels += [decoder.decode(data) for data in synthetic]
    return SampleImages((*encoded, *synthetic), np.stack(pixels), num_own)


def _own_images(run: Run) -> Iterator[bytes]:
    """The image files of the run that are still there, in random order within each split.

    A run from elsewhere may name any files: only those whose SHA-256 it knows are used, and after `_MAX_MISSES` others it is over.
    """
    root = run.info.root
    if not isinstance(root, str) or not (run.folder.path / "predictions.csv").is_file():
        return
    rows, num_misses = run.folder.predictions(), 0
    random.Random(0).shuffle(rows)
    for row in [row for split in ("validation", "test", "train") for row in rows if row["split"] == split]:
        data = _read_known(Path(root, row["path"]), row.get("sha256"))
        if data is not None:
            yield data
            continue
        num_misses += 1
        if num_misses == _MAX_MISSES:
            return


def _read_known(path: Path, digest: str | None) -> bytes | None:
    """The bytes of an image file; None if it is gone, or has another SHA-256 than the run has recorded."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: a NUL in the name
        data = read_regular(path, MAX_BYTES, follow_links=True)
        if not digest or hashlib.sha256(data).hexdigest() == digest:
            return data
    return None


def synthetic_images(count: int, size_px: int) -> list[bytes]:
    """JPEG files of smooth colours, coarse to fine, with low to high contrast; the same ones at every call.

    They are larger than the network's input, one side more than the other, so that the resize is tested too.
    """
    rng = np.random.default_rng(0)
    return [_synthetic(rng, (size_px + size_px // 3 + 1, size_px + size_px // 7 + 1)) for _ in range(count)]


def _synthetic(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    cells, contrast, brightness = int(rng.integers(2, 16)), rng.uniform(0.1, 1), rng.uniform(64, 192)
    values = brightness + contrast * rng.uniform(-128, 128, (cells, cells, 3))
    coarse = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    stream = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()
