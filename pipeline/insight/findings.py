"""What an audit finds: typed rows, each with what can be done."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shown:
    """An image of the data."""

    path: str
    split: str
    label: str
    row: int = field(repr=False)
    """Its row in the manifest."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"path": self.path, "split": self.split, "label": self.label}


@dataclass(frozen=True)
class Neighbour:
    """An image near another one."""

    image: Shown
    cosine: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"path": self.image.path, "label": self.image.label, "cosine": round(self.cosine, 4)}


@dataclass(frozen=True)
class Suspect:
    """An image whose label may be wrong: heads that have not seen it say something else."""

    image: Shown
    likely: str
    """The most likely class."""

    probability: float
    """Of the label that is given."""

    likely_probability: float
    neighbours: tuple[Neighbour, ...]
    """The nearest images with another label, among its nearest ones."""

    disagree: float
    """Share of its nearest images that have another label."""

    is_checked: bool = False
    """Whether a user has taken its label for right."""

    @property
    def advice(self) -> str:
        """What can be done."""
        if self.is_checked:
            return "Checked: a user took its label for right. To ask again, press Ask again in bottleneck tune."
        return f"Look at it. If it is {self.likely}, correct the label in the data, or with bottleneck tune."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.image.as_dict(),
            "likely": self.likely,
            "probability": self.probability,
            "likely_probability": self.likely_probability,
            "disagree": self.disagree,
            "neighbours": [neighbour.as_dict() for neighbour in self.neighbours],
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Copies:
    """Images that are the same, or nearly the same."""

    images: tuple[Shown, ...]
    cosine: float | None = None
    """Of two images with nearly the same features; None: the bytes are the same."""

    @property
    def splits(self) -> list[str]:
        """The splits that they are in."""
        return list(dict.fromkeys(image.split for image in self.images))

    @property
    def has_conflict(self) -> bool:
        """Whether they have different labels."""
        return len({image.label for image in self.images}) > 1

    @property
    def advice(self) -> str:
        """What can be done."""
        one = (
            "Keep one."
            if self.cosine is None
            else "If they show the same, keep one, or give both one group (--group-column)."
        )
        if self.has_conflict and self.cosine is None:
            return "Decide on one label, and remove the other copies."
        if len(self.splits) > 1:
            return f"In {' and '.join(self.splits)}: scores are too good. {one}"
        return one

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": [image.as_dict() for image in self.images],
            "kind": "exact" if self.cosine is None else "near",
            "cosine": self.cosine,
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Stranger:
    """An image far from all others."""

    image: Shown
    distance: float
    """1 - cosine to the k-th nearest image of another group."""

    advice = "Look at it. If it does not belong to the data, remove it."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.image.as_dict(), "distance": self.distance, "advice": self.advice}


@dataclass(frozen=True)
class Facts:
    """What was looked at, and how."""

    data: str
    head: str
    chosen: str
    """The regularisation, or the number of folds."""

    images: int
    accuracy: float
    """Of the labels as they are given, each image judged without itself."""

    near: float
    """Minimum cosine of near duplicates."""

    num_near: int
    """How many pairs of these there are; the most similar are listed."""

    seconds: float
    notes: tuple[str, ...] = ()
    class_weight: str | None = None
    """How much images count by their class; None: all the same."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"notes": list(self.notes)}


@dataclass(frozen=True)
class Findings:
    """What was found, the most suspect first."""

    facts: Facts
    labels: tuple[Suspect, ...]
    """Images whose label is not the most likely one, and was not checked."""

    checked: tuple[Suspect, ...]
    """Images that would be among `labels`, but a user took their label for right."""

    duplicates: tuple[Copies, ...]
    """Images with the same bytes, then pairs with nearly the same features; those in two splits first."""

    conflicts: tuple[Copies, ...]
    """Images with the same bytes under several labels."""

    strange: tuple[Stranger, ...]
    """Images far from all others."""

    alike: Mapping[int, tuple[Neighbour, ...]] = field(repr=False)
    """The nearest images of those that the page shows, by their row in the manifest; copies too."""
