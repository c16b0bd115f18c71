"""Mean and standard deviation of each color channel, for `--preprocess standardize`."""

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, UnreadableImageError
from pipeline.files import read_regular, write_json
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import require_pixels
from pipeline.progress import progress_bar

_MAX_BYTES = 4096


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of R, G and B in [0, 255]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        for values in (self.mean, self.std):
            if len(values) != 3 or not all(isinstance(value, float) and 0 <= value <= 255 for value in values):
                raise ValueError(f"Statistics must be three numbers from 0 to 255. Received: {values!r}.")

    @property
    def scale(self) -> tuple[float, float, float]:
        """Factor of each channel: pixels * scale + offset have mean 0 and deviation 1."""
        r, g, b = (1 / max(value, 1e-6) for value in self.std)
        return r, g, b

    @property
    def offset(self) -> tuple[float, float, float]:
        """See `scale`."""
        r, g, b = (-mean * scale for mean, scale in zip(self.mean, self.scale, strict=True))
        return r, g, b


def channel_statistics(manifest: Manifest, decoder: Decoder, *, progress: bool = False) -> ChannelStatistics:
    """Statistics over all pixels of the TRAINING images only, at the input size of the base.

    Sums of integers are exact, so the order of the images does not matter. Images that cannot be decoded are skipped.

    Raises:
        DataLayoutError: No training image can be read.
    """
    train = manifest.split("train")
    count, total, squares = 0, np.zeros(3, np.int64), np.zeros(3, np.int64)
    for row in progress_bar(range(len(train)), desc="statistics", unit="image", progress=progress):
        try:
            pixels = decoder.decode(train.read(row)).reshape(-1, 3).astype(np.int64)
        except UnreadableImageError:
            continue
        count += len(pixels)
        total += pixels.sum(axis=0)
        squares += (pixels**2).sum(axis=0)
    if not count:
        raise DataLayoutError(
            f"None of the {len(train)} training images can be read, so there is nothing to standardize by."
        )
    mean = total / count
    return ChannelStatistics(_triple(mean), _triple(np.sqrt(np.maximum(squares / count - mean**2, 0))))


def kept_statistics(manifest: Manifest, decoder: Decoder, folder: Path, *, progress: bool = False) -> ChannelStatistics:
    """`channel_statistics`, computed once: they take seconds for thousands of images.

    Args:
        manifest: The images.
        decoder: To the input size of the base.
        folder: Where statistics are kept, under a digest of the training images and the decoder.
        progress: Show a progress bar.
    """
    train = sorted(digest for digest, split in zip(manifest.digests, manifest.splits, strict=True) if split == "train")
    content = hashlib.sha256(repr(decoder).encode() + b"".join(train)).hexdigest()
    kept = folder / f"{content[:32]}.json"
    try:
        return ChannelStatistics(**json.loads(read_regular(kept, _MAX_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        require_pixels(manifest, "--preprocess standardize")
        statistics = channel_statistics(manifest, decoder, progress=progress)
        with contextlib.suppress(OSError):  # in a read-only cache they are computed each time
            write_json(kept, asdict(statistics))
        return statistics


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 6) for value in values)
    return red, green, blue
