"""Percentage splits in which adding images moves no other image, except where a split would lack images that a training needs.

The split of an image depends on its content (or its group) and the seed: u = (first 64 bits of SHA-256(seed, key)) / 2^64
is uniform on [0, 1) and is compared with the cumulative fractions. The fractions are met on average, in every class.
TensorFlow's retrain.py used a hash of the file name for the same reason; a hash of the content also keeps the split when a
file is renamed.

In small data this leaves some classes without a training image, or a split without any. So images are promoted, as few as
possible; with some hundred images per class there are none:

1. A class or label without a training image: its image with the smallest u goes to training.
2. No validation image: the image whose u is nearest to the validation interval goes there. Then the same for test. An image with the
   smallest u of its class stays in training.

When images are added, a promoted image may return to its own split, or another one is promoted; no other image moves.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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
        """Read `80/10/10`, or `80/20` for data without a test split.

        Raises:
            SettingError: The text is not two or three numbers that sum to 100, with train above 0.
        """
        try:
            shares = [float(part) for part in text.split("/")]
        except ValueError:
            shares = []
        if len(shares) == 2:
            shares.append(0.0)
        if len(shares) != 3 or min(shares) < 0 or shares[0] <= 0 or not abs(sum(shares) - 100) <= 1e-6:
            raise SettingError(
                "A split is percentages train/validation/test or train/validation that sum to 100, such as 80/10/10 or 80/20. "
                f"Received: {text!r}."
            )
        return cls(*(share / 100 for share in shares))

    def without_test(self) -> "Fractions":
        """The shares of train and validation, scaled to sum to 1, for data with its own test split."""
        total = self.train + self.validation
        return Fractions(self.train / total, self.validation / total, 0.0)


def assign_splits(
    keys: Iterable[bytes], fractions: Fractions, *, labels: Sequence[Collection[str]] | None = None, seed: int = 0
) -> list[str]:
    """The split of each image.

    Args:
        keys: The digest of each image, or the name of its group as bytes; equal keys get the same split.
        fractions: Shares of the three splits.
        labels: Class or labels of each image; those without any are never promoted. None: all images are of one class.
        seed: Another seed gives other splits.
    """
    keys = list(keys)
    numbers = {key: _uniform(key, seed) for key in dict.fromkeys(keys)}
    first, second = fractions.train, fractions.train + fractions.validation
    ends = {SPLITS[0]: (0.0, first), SPLITS[1]: (first, second), SPLITS[2]: (second, 1.0)}
    found = {
        key: SPLITS[0] if u < first else SPLITS[1] if u < second or fractions.test == 0 else SPLITS[2]
        for key, u in numbers.items()
    }
    pairs = {(key, name) for key, names in zip(keys, labels or [("",)] * len(keys), strict=True) for name in names}
    _promote(found, numbers, pairs, {name: ends[name] for name in SPLITS if getattr(fractions, name) > 0})
    return [found[key] for key in keys]


def _promote(
    found: dict[bytes, str],
    numbers: Mapping[bytes, float],
    pairs: AbstractSet[tuple[bytes, str]],
    ends: Mapping[str, tuple[float, float]],
) -> None:
    """Change the split of the few keys that a training needs elsewhere.

    Args:
        found: Split of each key; changed in place.
        numbers: u of each key.
        pairs: Keys with their labels.
        ends: The interval of each split whose share is above 0.
    """
    lowest: dict[str, bytes] = {}
    for key, label in pairs:
        lowest[label] = min(key, lowest.get(label, key), key=lambda one: (numbers[one], one))
    for key in lowest.values():
        found[key] = "train"  # it is there already, unless its class has no training image
    movable = {key for key, _ in pairs}.difference(lowest.values())
    for name in ("validation", "test"):
        members = Counter(found[key] for key in {key for key, _ in pairs})
        if members[name] or name not in ends:
            continue
        low, high = ends[name]
        # The last image of a split stays, unless validation needs it.
        choices = [key for key in movable if found[key] == "train" or members[found[key]] > 1]
        if choices := choices or [key for key in movable if name == "validation"]:
            found[min(choices, key=lambda key: (max(low - numbers[key], numbers[key] - high), key))] = name


def complete_splits(
    given: Sequence[str | None],
    keys: Sequence[bytes],
    fractions: Fractions,
    seed: int,
    labels: Sequence[Collection[str]] | None = None,
) -> tuple[str, ...]:
    """Complete the splits that the data does not set.

    If the data sets none, all images are split. Otherwise images without a split are training images, and if there is no
    validation split, it is made from training images.
    """
    labels = [()] * len(keys) if labels is None else labels
    if not any(given):
        return tuple(assign_splits(keys, fractions, labels=labels, seed=seed))
    splits = [split or "train" for split in given]
    if "validation" in splits:
        return tuple(splits)
    # Data without a test split gets one too. In both cases only training images change their split.
    shares = fractions.without_test() if "test" in splits else fractions
    rows = [row for row, split in enumerate(splits) if split == "train"]
    assigned = assign_splits([keys[row] for row in rows], shares, labels=[labels[row] for row in rows], seed=seed)
    for row, split in zip(rows, assigned, strict=True):
        splits[row] = split
    return tuple(splits)


def torn_groups(groups: Sequence[str | None], splits: Sequence[str | None]) -> dict[str, list[str]]:
    """Groups with images in several splits, and their splits."""
    found: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        if group:
            found.setdefault(group, set()).add(split or "train")
    return {group: sorted(names) for group, names in found.items() if len(names) > 1}


def rule_of(given: Sequence[str | None], fractions: Fractions, seed: int) -> str | None:
    """How `complete_splits` draws splits for this data: `80/10/10, seed 0`; None if it draws none."""
    if "validation" in given:
        return None
    shares = (fractions.train, fractions.validation, *([fractions.test] if fractions.test else []))
    return f"{'/'.join(f'{100 * share:g}' for share in shares)}, seed {seed}"


def _uniform(key: bytes, seed: int) -> float:
    digest = hashlib.sha256(f"split {seed} ".encode() + key).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
