"""Manifest files: digests, labels and splits of a data set without its images, for machines that have only its rows.

A line of JSON about the data, then one for each image; docs/format.md has the fields. What a reader may see of the data set is in them: names, labels,
groups and digests, no pixels and no paths of the machine.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import DataLayoutError, SettingError, UnreadableImageError
from pipeline.files import open_regular, parse_json, replacing
from pipeline.images.files.limits import MAX_LINE, MAX_TEXT_BYTES
from pipeline.images.labels import listed
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.images.sources.reading import Reading
from pipeline.surroundings import user_path
from pipeline.tasks.kinds import CLASSIFICATION
from pipeline.tasks.task import KINDS

FORMAT = "bottleneck-manifest-1"
REWRITE = "Write it again: bottleneck features DATA --manifest FILE"
"""How a manifest file is mended."""

_DEFAULT_LABEL = Reading().label


@dataclass(frozen=True)
class Elsewhere:
    """Images that are not on this machine."""

    source: str
    """The manifest file."""

    def read(self, position: int) -> bytes:
        """No bytes.

        Raises:
            UnreadableImageError: Always.
        """
        raise UnreadableImageError(f"{self.source} lists digests and no pixels")


def has_pixels(manifest: Manifest) -> bool:
    """Whether the images can be read, at least in principle."""
    return not isinstance(manifest.images, Elsewhere)


def require_pixels(manifest: Manifest, what: str) -> None:
    """Check that the images can be read.

    Args:
        manifest: The images.
        what: What needs them, as the beginning of a sentence.

    Raises:
        DataLayoutError: They come from a manifest file.
    """
    if isinstance(manifest.images, Elsewhere):
        raise DataLayoutError(
            f"{what} needs the images themselves, and {manifest.images.source} lists their digests only. Give the images, on a "
            "machine that has them."
        )


def write_manifest_file(
    path: str | Path | None,
    rows: Manifest,
    ask: Callable[[], Mapping[str, Manifest]],
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write a manifest file.

    Args:
        path: The file, which `check_replaceable` has checked; None: none is written.
        rows: The images that have rows; others are left out.
        ask: Returns the images with their labels and splits; where several columns are a question each, a manifest for each of them.
        made: What the rows were made with; see `Manifest.rows`.
    """
    if path is None:
        return
    by_question = ask()
    known, first = set(rows.digests), next(iter(by_question.values()))
    labels = [
        dict(zip(_keys(each), zip(each.labels, each.splits, strict=True), strict=True)) for each in by_question.values()
    ]
    kept = [(row, key) for row, key in enumerate(_keys(first)) if first.digests[row] in known]
    head = {
        "format": FORMAT,
        "title": first.title,
        "images": len(kept),
        "questions": [_question(each) for each in by_question.values()],
        **({} if made is None else {"rows": made}),
    }
    lines = (
        {
            "name": first.names[row],
            "sha256": first.digests[row].hex(),
            **({"group": first.groups[row]} if first.groups else {}),
            "labels": [of[key][0] for of in labels],
            "splits": [of[key][1] for of in labels],
        }
        for row, key in kept
    )
    with replacing(user_path(path)) as beside, beside.open("w", encoding="ascii") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in (head, *lines))


def check_replaceable(path: str | Path | None) -> None:
    """Check that a manifest file may have this name; None: none is wanted.

    Raises:
        SettingError: There is something else of this name.
    """
    if path is not None and user_path(path).exists() and not is_manifest_file(user_path(path)):
        raise SettingError(f"{path} exists and is no manifest file, so it is not replaced. Choose another --manifest.")


def is_manifest_file(path: Path) -> bool:
    """Whether a file begins like a manifest file."""
    with suppress(OSError), path.open("rb") as file:
        return FORMAT.rpartition("-")[0].encode() in file.readline(len(FORMAT) + 32)
    return False


def read_manifest_file(path: Path, reading: Reading) -> Manifest:
    """The manifest that a manifest file lists; splits are those of the file.

    Args:
        path: The file.
        reading: `label` chooses one of several questions; other options have been used when the file was written.

    Raises:
        DataLayoutError: The file is damaged or of a later version, or has no such label column.
    """
    try:
        with open_regular(path, MAX_TEXT_BYTES, follow_links=True) as file:
            head, questions, images = _parse(_lines(file))
    except (ValueError, KeyError, TypeError) as error:
        raise DataLayoutError(
            f"{path} is not a manifest file of this version, or is damaged: {error}. {REWRITE}"
        ) from None
    chosen = _chosen(path, questions, reading.label)
    _check_kind(path, None if chosen is None else questions[chosen]["kind"], reading.task)
    return _manifest(str(path), head, questions, images, chosen)


@dataclass(frozen=True)
class _Image:
    """A line."""

    name: str
    digest: bytes
    group: str | None
    labels: Sequence[str | None]
    splits: Sequence[str]


def _keys(manifest: Manifest) -> list[tuple[str, bytes]]:
    return list(zip(manifest.names, manifest.digests, strict=True))


def _parse(lines: Iterator[bytes]) -> tuple[dict[str, Any], list[dict[str, Any]], list[_Image]]:
    """What is said of the data set, its questions and images.

    Raises:
        ValueError, KeyError, TypeError: The lines are not those of a manifest file.
    """
    head = parse_json(next(lines, b""))
    if head["format"] != FORMAT:
        raise ValueError(f"expected {FORMAT}; received {head['format']}")
    questions = [_question_of(each) for each in head["questions"]]
    images = [_image_of(number, parse_json(line), len(questions)) for number, line in enumerate(lines, 2)]
    if not questions or head["images"] != len(images):
        raise ValueError(f"expected {head['images']} images; received {len(images)}")
    made = head.get("rows")
    if made is not None and not isinstance(made, dict):
        raise ValueError(f"expected what the rows were made with; received {made!r}"[:200])
    return {"title": _text(head["title"]), "rows": made}, questions, images


def _question(manifest: Manifest) -> dict[str, Any]:
    """What the data says about the labels, for the first line."""
    return {
        "label_column": manifest.label_column,
        "kind": manifest.kind,
        "target_names": list(manifest.target_names),
        "split_rule": manifest.split_rule,
    }


def _question_of(line: Mapping[str, Any]) -> dict[str, Any]:
    names = tuple(_text(name) for name in line["target_names"])
    kind = line["kind"]
    if kind is not None and kind not in KINDS:
        raise ValueError(f"a kind is one of {', '.join(KINDS)}; received {kind!r}")
    return {
        "label_column": _text(line["label_column"], may_lack=True),
        "kind": kind,
        "target_names": names,
        "split_rule": _text(line["split_rule"], may_lack=True),
    }


def _image_of(number: int, line: Mapping[str, Any], count: int) -> _Image:
    digest, splits = bytes.fromhex(line["sha256"]), line["splits"]
    labels = [_text(label, may_lack=True) for label in line["labels"]]
    if len(digest) != 32 or len(labels) != count or len(splits) != count or not set(splits) <= set(SPLITS):
        raise ValueError(
            f"line {number} does not have a SHA-256, and a label and a split for each of {count} questions"
        )
    return _Image(_text(line["name"]), digest, _text(line.get("group"), may_lack=True), labels, splits)


def _text(value: Any, *, may_lack: bool = False) -> Any:
    if isinstance(value, str) or (may_lack and value is None):
        return value
    raise ValueError(f"expected a text; received {value!r}"[:200])


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in iter(partial(file.readline, MAX_LINE), b""):
        if len(line) == MAX_LINE:
            raise ValueError(f"a line of {MAX_LINE:,} bytes or more")
        if not line.isspace():
            yield line


def _chosen(path: Path, questions: Sequence[Mapping[str, Any]], label: str) -> int | None:
    """The number of the question that the user names, or of the only one; None: there are several."""
    columns = [question["label_column"] for question in questions]
    if label in columns:
        return columns.index(label)
    if label != _DEFAULT_LABEL and label != ",".join(map(str, columns)):
        raise DataLayoutError(
            f"{path} has no labels of {label!r}. Received: {listed([repr(column or 'the folders') for column in columns])}. Write it again, "
            f"where the images are: bottleneck features DATA --label {label} --manifest FILE"
        )
    return 0 if len(questions) == 1 else None


def _check_kind(path: Path, kind: str | None, wanted: str | None) -> None:
    if wanted is not None and wanted != (kind or CLASSIFICATION):
        raise DataLayoutError(
            f"The labels of {path} were read as {kind or CLASSIFICATION}. Received: --task {wanted}. Write it again, where the images are: "
            f"bottleneck features DATA --task {wanted} --manifest FILE"
        )


def _manifest(
    source: str,
    head: Mapping[str, Any],
    questions: Sequence[dict[str, Any]],
    images: Sequence[_Image],
    chosen: int | None,
) -> Manifest:
    columns = tuple(str(question["label_column"]) for question in questions)
    about = {"questions": columns, "label_column": ",".join(columns)} if chosen is None else questions[chosen]
    return Manifest(
        images=Elsewhere(source),
        positions=tuple(range(len(images))),
        names=tuple(image.name for image in images),
        digests=tuple(image.digest for image in images),
        labels=tuple(None if chosen is None else image.labels[chosen] for image in images),
        splits=tuple(image.splits[chosen or 0] for image in images),
        groups=tuple(image.group for image in images) if any(image.group for image in images) else (),
        **head,
        **about,
    )
