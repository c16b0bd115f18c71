"""Synthetic images for cost estimates without data."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.errors import SettingError
from pipeline.images.manifest import Manifest

_DIFFERENT = 16
_COARSE_PX = 24
_GRAIN, _QUALITY = 3, 75
"""With these values a JPEG takes about one bit per pixel, like many photographs."""


@dataclass(frozen=True)
class SyntheticImages:
    """JPEGs of soft shapes and grain. A number after the end, which decoders ignore, makes the content of each image unique."""

    encoded: tuple[bytes, ...]

    def read(self, position: int) -> bytes:
        return self.encoded[position % len(self.encoded)] + position.to_bytes(8, "little")


def synthetic_images(count: int, width: int, height: int) -> Manifest:
    """Synthetic JPEGs in two classes; of ten images eight are for training, one for validation and one for test.

    Args:
        count: Number of images.
        width: In px, up to 20,000.
        height: In px, up to 20,000.

    Raises:
        SettingError: The size is out of range.
    """
    if not (1 <= width <= 20_000 and 1 <= height <= 20_000):
        raise SettingError(
            f"The size of an image must be WIDTHxHEIGHT in px, such as 500x375. Received: {width}x{height}."
        )
    rng = np.random.default_rng(0)
    images = SyntheticImages(tuple(_draw(rng, width, height) for _ in range(_DIFFERENT)))
    return Manifest(
        images=images,
        positions=tuple(range(count)),
        names=tuple(f"synthetic #{position}" for position in range(count)),
        digests=tuple(hashlib.sha256(images.read(position)).digest() for position in range(count)),
        labels=tuple("ab"[position // 10 % 2] for position in range(count)),
        splits=tuple(
            ("validation", "test")[position % 10 - 8] if position % 10 > 7 else "train" for position in range(count)
        ),
        title=f"synthetic images, {width} x {height} px",
    )


def _draw(rng: np.random.Generator, width: int, height: int) -> bytes:
    coarse = rng.integers(0, 256, (max(1, height // _COARSE_PX), max(1, width // _COARSE_PX), 3), np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    grain = rng.normal(0, _GRAIN, (height, width, 1))
    file = io.BytesIO()
    Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
