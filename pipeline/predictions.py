"""Predictions: one per image that was given, whether it could be read or not."""

import base64
import contextlib
import hashlib
import html
import logging
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError, UnreadableImageError
from pipeline.images.decoding.decoder import Decoder, make_thumbnail
from pipeline.images.given import Given
from pipeline.images.manifest import Manifest
from pipeline.images.summary import Ignored, ImageUse, Skipped
from pipeline.tasks.task import Answer, Task

logger = logging.getLogger(__name__)

MAX_SHOWN = 50
"""Predictions that a notebook shows."""

UNKNOWN = "unknown"
"""The label of an image that the run does not answer for."""

UNFAMILIAR = 0.05
"""The p-value up to which an image is shown as unlike the training images."""

_MAX_LABELS = 3
_THUMBNAIL_PX = 64
_LEFT = 'style="text-align: left"'
_NO_ANSWER = ("label", "probability", "runner-up")


@dataclass(frozen=True)
class Prediction:
    """The label of one image."""

    path: str
    """The image's path as given; for an image without a path its position among those given, such as `#3`."""

    label: str | None
    """The most likely class, the labels (`cat|indoor`) or the number; None if the image cannot be read, `unknown` if it is refused (`abstain`)."""

    probability: float | None
    top: tuple[tuple[str, float], ...]
    """The most likely classes or labels with their probabilities."""

    reason: str | None = None
    """Why the image cannot be read."""

    values: Mapping[str, tuple[float, float | None, float | None]] | None = None
    """Of a regression: number and ends of its interval by column, in the units of the data."""

    evidence: str | None = None
    """The file of the overlay that shows where the head looked; None: none was asked for."""
    p_value: float | None = None
    """How usual the image is among validation images, in (0, 1]: up to 0.05 it is unlike the training images; None if that is not known."""

    @property
    def others(self) -> tuple[tuple[str, float], ...]:
        """The classes of `top` that are not the label: of a refused image all of them."""
        return self.top if self.label == UNKNOWN else self.top[1:]

    def __getitem__(self, key: str) -> Any:
        """A field by its name, as in the JSON of `predict`."""
        return self.as_dict()[key]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(self) | {"top": [list(pair) for pair in self.top]}
        values = plain.pop("values")
        if self.evidence is None:
            del plain["evidence"]
        if values is None:
            return plain
        named = {name: dict(zip(("value", "low", "high"), each, strict=True)) for name, each in values.items()}
        return plain | {"values": named}


class Predictions(tuple[Prediction, ...]):  # noqa: SLOT001 a tuple with slots can have no attribute
    """One prediction per image, in the order given."""

    _images: Manifest | None
    ignored: tuple[Ignored, ...]
    """Files in the given folders that are no images, by kind."""

    labelled_folders: tuple[str, ...]
    """Given folders whose class folders have the names of the run's classes: `evaluate` can score them."""

    finer: str | None = None
    """With overlays: which stored rows would give finer ones."""

    def __new__(
        cls,
        predictions: Iterable[Prediction],
        images: Manifest | None = None,
        labelled_folders: tuple[str, ...] = (),
        ignored: tuple[Ignored, ...] = (),
    ) -> Self:
        """Predictions, with the images that a notebook may show.

        Args:
            predictions: N predictions.
            images: Readable images; their `positions` are indices of the N predictions.
            labelled_folders: See the attribute.
            ignored: See the attribute.
        """
        made = super().__new__(cls, predictions)
        made._images, made.labelled_folders, made.ignored = images, labelled_folders, ignored
        return made

    def with_overlays(self, files: Mapping[int, str], finer: str | None = None) -> "Predictions":
        """The same, with the file of the overlay of each image, by its position."""
        entries = (replace(entry, evidence=files.get(number)) for number, entry in enumerate(self))
        made = Predictions(entries, self._images, self.labelled_folders, self.ignored)
        made.finer = finer
        return made

    def __repr__(self) -> str:
        counts = Counter(entry.label for entry in self if entry.label is not None)
        parts = [f"{count} {reprlib.repr(label)}" for label, count in counts.most_common(_MAX_LABELS)]
        num_others = len(counts) - _MAX_LABELS
        if num_others > 0:
            parts.append(f"{num_others} other label{'s' * (num_others > 1)}")
        if len(self) > counts.total():
            parts.append(f"{len(self) - counts.total()} unreadable")
        return f"<Predictions for {len(self)} image{'s' * (len(self) != 1)}{': ' * bool(parts)}{', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """A table for notebooks, with thumbnails of the images that can be read."""
        thumbnails = self._thumbnails()
        shows_p = shows_p_values([entry.p_value for entry in self])
        texts = [_texts(entry) | _p_text(entry, is_shown=shows_p) for entry in self[:MAX_SHOWN]]
        answered = next((row for row, entry in zip(texts, self, strict=False) if entry.label is not None), None)
        names = ["name", *(answered or _NO_ANSWER), *["reason"] * any(entry.reason for entry in self[:MAX_SHOWN])]
        head = "".join(f"<th {_LEFT}>{html.escape(heading)}</th>" for heading in ("image", *names))
        rows = "".join(
            _html_row({"name": entry.path, **row, "reason": entry.reason or ""}, names, thumbnails.get(number))
            for number, (entry, row) in enumerate(zip(self, texts, strict=False))
        )
        rest = f"<p>and {len(self) - MAX_SHOWN:,} more</p>" if len(self) > MAX_SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Images that cannot be read, with the reasons; each has its prediction too, without a label."""
        return tuple(Skipped(entry.path, entry.reason) for entry in self if entry.reason is not None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `predictions`, `skipped` and `ignored`."""
        use = ImageUse({}, self.skipped, self.ignored).as_dict()
        predictions = [entry.as_dict() for entry in self]
        return {"predictions": predictions, "skipped": use["skipped"], "ignored": use["ignored"]}

    def _thumbnails(self) -> dict[int, bytes]:
        """JPEGs by index; an image that has changed or disappeared since the prediction has none."""
        images, found = self._images, dict[int, bytes]()
        if images is None:
            return found
        for row, position in enumerate(images.positions):
            with contextlib.suppress(UnreadableImageError, OSError):
                data = images.read(row)
                if hashlib.sha256(data).digest() == images.digests[row]:
                    found[position] = make_thumbnail(data, _THUMBNAIL_PX)
        return found


def shows_p_values(p_values: Sequence[float | None]) -> bool:
    """Whether a table for people has a column of p-values: if an image is unlike the training images."""
    return any(p is not None and p <= UNFAMILIAR for p in p_values)


def count_unfamiliar(p_values: Sequence[float | None]) -> int:
    """The number of images that are unlike the training images; 0 if chance alone explains as many.

    Of N images that are like the training images 0.05 N are expected, and rarely more than two standard deviations above that.
    """
    known = [p for p in p_values if p is not None]
    count, expected = sum(p <= UNFAMILIAR for p in known), UNFAMILIAR * len(known)
    return count if count > expected + 2 * expected**0.5 else 0


def _p_text(entry: Prediction, *, is_shown: bool) -> dict[str, str]:
    if not is_shown:
        return {}
    return {"p-value": "" if entry.p_value is None else f"{entry.p_value:.2g}"}


def _html_row(texts: Mapping[str, str], names: Sequence[str], thumbnail: bytes | None) -> str:
    image = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}">' if thumbnail else ""
    cells = "".join(f"<td {_LEFT}>{html.escape(texts.get(name, ''))}</td>" for name in names)
    return f"<tr><td>{image}</td>{cells}</tr>"


def _texts(entry: Prediction) -> dict[str, str]:
    """What a notebook shows of an answer: a class, several labels, or numbers with their intervals."""
    if entry.values:
        texts = {key: text for name, each in entry.values.items() for key, text in _number_texts(name, *each).items()}
        return {key: UNKNOWN if key in entry.values else "" for key in texts} if entry.label == UNKNOWN else texts
    if entry.probability is None and entry.top:
        likely = ", ".join(f"{label} ({100 * p:.1f} %)" for label, p in entry.top)
        return {"labels": entry.label or "", "most likely": likely}
    second = ", ".join(f"{label} ({100 * p:.1f} %)" for label, p in entry.others[:1])
    shown = None if entry.label == UNKNOWN else entry.probability
    probability = "" if shown is None else f"{100 * shown:.1f} %"
    return {"label": entry.label or "", "probability": probability, "runner-up": second}


def _number_texts(name: str, value: float, low: float | None, high: float | None) -> dict[str, str]:
    interval = {} if low is None else {f"{name}, 90 % interval": f"{low:.4g} to {high:.4g}"}
    return {name: f"{value:.6g}", **interval}


def check_top(top: int) -> None:
    """Check the number of classes to list per image.

    Raises:
        SettingError: Fewer than one.
    """
    if top < 1:
        raise SettingError(f"`top` is the number of classes listed per image, 1 or more. Received: top {top}.")


def decode_rows(
    manifest: Manifest, rows: Sequence[int], decoder: Decoder
) -> tuple[list[NDArray[np.uint8]], dict[int, str]]:
    """Pixels, uint8 (H, W, 3), of the rows that can be read, in order, and the reasons of the other rows by row number."""
    pixels, unread = [], {}
    for row in rows:
        try:
            pixels.append(decoder.decode(manifest.read(row)))
        except UnreadableImageError as error:
            unread[row] = str(error)
        except OSError as error:
            unread[row] = f"cannot be read: {error.strerror or error}"
    return pixels, unread


def label_given(
    given: Given,
    read: Manifest,
    outputs: NDArray[np.float32],
    task: Task,
    *,
    top: int,
    strict: bool,
    p_values: NDArray[np.float64] | None = None,
    abstain: float | None = None,
) -> Predictions:
    """One prediction per image, in the order given; warnings count the images that cannot be read, and the files that are none.

    Args:
        given: N images.
        read: The M images that could be read.
        outputs: Those of the head for them, float32 (M, K).
        task: What they answer.
        top: Number of classes or labels to list per image.
        strict: An image that cannot be read is an error.
        p_values: Of the M images, (M,); None: not known.
        abstain: Images with a p-value up to this get the label `unknown`; None: none do.

    Returns:
        N predictions. An image that cannot be read has a reason, no label and no probability.

    Raises:
        DataNotFoundError, UnreadableImageError: As `Given.check` raises them.
    """
    problem = given.check(read, need_all=strict)
    for sentence in given.manifest.warnings:
        logger.warning("%s", sentence)
    if problem:
        logger.warning("%s", problem)
    for line in ImageUse({}, (), given.manifest.ignored).as_lines():
        logger.warning("%s", line.strip())
    unread = given.unread(read)
    rows = {position: row for row, position in enumerate(read.positions)}
    predictions = (
        Prediction(name, None, None, (), unread[index])
        if index in unread
        else _answered(name, task.answer(outputs[rows[index]], top), _p_value(p_values, rows[index]), abstain)
        for index, name in enumerate(given.names)
    )
    return Predictions(
        predictions, given.first(MAX_SHOWN), _labelled_folders(given, task.names), given.manifest.ignored
    )


def _labelled_folders(given: Given, classes: Sequence[str]) -> tuple[str, ...]:
    """The given folders in which all images are in folders below that have the names of classes."""
    return tuple(
        folder
        for folder in given.folders
        if (
            below := [Path(name).relative_to(folder).parts for name in given.names if Path(name).is_relative_to(folder)]
        )
        and all(set(parts[:-1]) & set(classes) for parts in below)
    )


def _p_value(p_values: NDArray[np.float64] | None, row: int) -> float | None:
    return None if p_values is None else float(p_values[row])


def _answered(name: str, answer: Answer, p: float | None, abstain: float | None) -> Prediction:
    is_refused = p is not None and abstain is not None and p <= abstain
    label = UNKNOWN if is_refused else answer.label
    return Prediction(name, label, answer.probability, answer.top, values=answer.values, p_value=p)
