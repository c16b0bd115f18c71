"""The result of an evaluation: scores, what was left out, and how it is shown."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.html import show_table
from pipeline.images.summary import Ignored, ImageUse, Skipped
from pipeline.runs.predict import Predicted
from pipeline.tasks.scores import Scores

_SHOWN = 5


@dataclass(frozen=True)
class Evaluation:
    """How well a run predicts the labels of a data set."""

    run: str
    data: str
    split: str
    """`train`, `validation`, `test`, or `all` for all images."""

    scores: Scores
    """Of the run's K classes; those without images in the data count for nothing in the balanced accuracy."""

    skipped: tuple[Skipped, ...] = ()
    """Images that cannot be read."""

    ignored: tuple[Ignored, ...] = ()
    """Files beside the images, by kind."""

    num_unlabelled: int = 0
    """Images without a label, which are not used."""

    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    """Labels that are no classes of the run, with the numbers of their images, which are not used."""

    missing_classes: tuple[str, ...] = ()
    """Classes of the run of which the data has no image."""

    num_trained_on: int = 0
    """Images that are training images of the run: scores on them are too good."""

    abstain: float | None = None
    """Images with a p-value up to this were refused, and do not count in the scores; None: all images count."""

    num_refused: int = 0

    folder: Path | None = None
    """Where the results were written."""

    predicted: Predicted | None = field(default=None, repr=False, compare=False)
    """The images that were used, with their labels, and the probabilities."""

    @property
    def accuracy(self) -> float:
        """The main score: of classes the accuracy, the share of the images whose most likely class is their label."""
        return self.scores.main

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        use = ImageUse({}, self.skipped, self.ignored).as_dict()
        return {
            "run": self.run,
            "data": self.data,
            "split": self.split,
            **self.scores.as_evaluation(),
            **{name: use[name] for name in ("skipped", "ignored")},
            "unlabelled": self.num_unlabelled,
            "unknown_labels": dict(self.unknown_labels),
            "missing_classes": list(self.missing_classes),
            "trained_on": self.num_trained_on,
            "abstain": self.abstain,
            "refused": self.num_refused,
            "folder": None if self.folder is None else str(self.folder),
        }

    def notes(self) -> list[str]:
        """What became of the images that were not used, and what makes the scores doubtful: a sentence each."""
        found = ImageUse({}, self.skipped, self.ignored).as_lines()
        if self.num_unlabelled:
            found.append(f"Not used: {_count_images(self.num_unlabelled)} without a label.")
        if self.unknown_labels:
            near = nearest_class(self.unknown_labels, self.missing_classes)
            found.append(
                f"Not used: {unknown_text(self.unknown_labels)}.{f'{near} Rename the labels.' if near else ''}"
            )
        if self.missing_classes:
            found.append(f"No image of these classes of the run: {shorten(self.missing_classes)}.")
        if self.abstain is not None:
            total = self.scores.n + self.num_refused
            found.append(
                f"Refused: {self.num_refused:,} of {total:,} images ({self.num_refused / total:.1%}) with a p-value of at most "
                f"{self.abstain:g}. The scores are those of the others."
            )
        if self.num_trained_on:
            found.append(
                f"{self.num_trained_on:,} of the {self.scores.n:,} images are training images of this run, so the scores are "
                "too good. Use images that the run has not seen."
            )
        return found

    def _repr_html_(self) -> str:
        """The scores, those of each class, and the notes, for notebooks."""
        row = {"run": self.run, "data": f"{self.data} ({self.split})", **self.scores.as_row()}
        notes = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.notes())
        return f"{show_table([row])}{show_table(self.scores.name_rows())}{notes}"


def unknown_text(unknown: Mapping[str, int]) -> str:
    """Labels that a run does not know, with the numbers of their images."""
    names = shorten([f"{label!r} ({count:,})" for label, count in unknown.items()])
    return f"{_count_images(sum(unknown.values()))} with labels that are no classes of the run: {names}"


def nearest_class(unknown: Mapping[str, int], classes: Sequence[str]) -> str:
    """A question about the class that an unknown label is probably meant to be; empty if none is near."""
    folded = {name.casefold(): name for name in classes}
    for label in unknown:
        near = get_close_matches(label.casefold(), folded, n=1, cutoff=0.6)
        if near:
            return f" Is {label!r} {folded[near[0]]!r}?"
    return ""


def shorten(names: Sequence[str]) -> str:
    """The first names, and how many others there are."""
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _count_images(number: int) -> str:
    return f"{number:,} image{'' if number == 1 else 's'}"
