"""Percentage splits in which no image changes its split when images are added.

The split of an image depends only on its content (or its group) and the seed: u = (first 64 bits of SHA-256(seed, key)) / 2^64
is uniform on [0, 1) and is compared with the cumulative fractions. A function that also depends on the other images cannot have
this property, so the fractions are met on average, in every class. TensorFlow's retrain.py used a hash of the file
name for the same reason; a hash of the content also keeps the split when a file is renamed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import SettingError
from pipeline.images.manifest import SPLITS


@dataclass(frozen=True)
class Fractions:
    """Shares of train, validation and test; they sum to 1."""

    train: float
    validation: float
    test: float

    @classmethod
    def parse(cls, text: str) -> "Fractions":
        """Read `80/10/10`.

        Raises:
            SettingError: The text is not three numbers that sum to 100, with train above 0.
        """
        try:
            shares = [float(part) for part in text.split("/")]
        except ValueError:
            shares = []
        if len(shares) != 3 or min(shares) < 0 or shares[0] <= 0 or not abs(sum(shares) - 100) <= 1e-6:
            raise SettingError(
                f"A split must be three percentages train/validation/test that sum to 100, such as 80/10/10. Received: {text!r}."
            )
        return cls(*(share / 100 for share in shares))

    def without_test(self) -> "Fractions":
        """The shares of train and validation, scaled to sum to 1, for data with its own test split."""
        total = self.train + self.validation
        return Fractions(self.train / total, self.validation / total, 0.0)


def assign_splits(keys: Iterable[bytes], fractions: Fractions, *, seed: int = 0) -> list[str]:
    """The split of each image.

    Args:
        keys: The digest of each image, or the name of its group as bytes; equal keys get the same split.
        fractions: Shares of the three splits.
        seed: Another seed gives other splits.
    """
    first, second = fractions.train, fractions.train + fractions.validation
    splits = []
    for key in keys:
        u = _uniform(key, seed)
        splits.append(SPLITS[0] if u < first else SPLITS[1] if u < second or fractions.test == 0 else SPLITS[2])
    return splits


def complete_splits(
    given: Sequence[str | None], keys: Sequence[bytes], fractions: Fractions, seed: int
) -> tuple[str, ...]:
    """Complete the splits that the data does not set.

    If the data sets none, all images are split. Otherwise images without a split are training images, and if there is no
    validation split, it is made from training images.
    """
    if not any(given):
        return tuple(assign_splits(keys, fractions, seed=seed))
    splits = [split or "train" for split in given]
    if "validation" in splits:
        return tuple(splits)
    # Data without a test split gets one too. In both cases only training images change their split.
    shares = fractions.without_test() if "test" in splits else fractions
    assigned = assign_splits(keys, shares, seed=seed)
    return tuple(new if old == "train" else old for old, new in zip(splits, assigned, strict=True))


def _uniform(key: bytes, seed: int) -> float:
    digest = hashlib.sha256(f"split {seed} ".encode() + key).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
