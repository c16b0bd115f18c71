"""The note of a store, `trunk.json` beside its recipe: the weights that its trunk has.

A recipe has the digest of its trunk, which is taken from the weights with TensorFlow. The note says it to machines that have neither. It is no
part of the recipe: it changes no value, and rows are found without it wherever the weights are.
"""

import contextlib
import re
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.cache.own import check_no_links, is_gone, reading
from pipeline.errors import DamagedStoreError
from pipeline.files import parse_json, write_json

NAME = "trunk.json"
MAX_NOTE_BYTES = 4096
NAMED = ("imagenet", "random")
"""Weights that are the same wherever they have this name."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_COUNT = 2**50


@dataclass(frozen=True)
class TrunkNote:
    """The weights that a trunk is of.

    Raises:
        ValueError: A field has a wrong type or is out of range: the note may come from elsewhere.
    """

    weights: str | None
    """`imagenet` or `random`; None: a file of the user's."""

    weights_sha256: str
    """Of their file, where the rows were made. Fetched weights are converted on each machine, so its file can differ."""

    parameters: int
    """Of the trunk."""

    depth: int | None = None
    """Number of its layers; None: not known."""

    def __post_init__(self) -> None:
        counts = [self.parameters, *([] if self.depth is None else [self.depth])]
        is_digest = isinstance(self.weights_sha256, str) and _DIGEST.fullmatch(self.weights_sha256)
        are_counts = all(type(count) is int and 0 <= count < _MAX_COUNT for count in counts)
        if self.weights not in (None, *NAMED) or not is_digest or not are_counts:
            raise ValueError(f"not what is known of a trunk: {reprlib.repr(asdict(self))}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The note of `as_dict`; fields of later versions are passed over.

        Raises:
            ValueError: It is none.
        """
        known: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        return cls(
            known.get("weights"), known.get("weights_sha256", ""), known.get("parameters", -1), known.get("depth")
        )


def parse_note(data: bytes, where: str) -> TrunkNote:
    """The note in a file.

    Args:
        data: Its bytes.
        where: What the message calls it.

    Raises:
        DamagedStoreError: They hold no note.
    """
    try:
        return TrunkNote.from_dict(parse_json(data))
    except ValueError as error:
        raise DamagedStoreError(f"{where} does not say of which weights the rows are: {error}. Remove it.") from error


def read_note(store: Path) -> TrunkNote | None:
    """The note of a store's folder; None: it has none.

    Raises:
        DamagedStoreError, ForeignEntryError, UnreadableStoreError: It is damaged, a link, or cannot be read.
    """
    path = store / NAME
    check_no_links(path)
    if is_gone(path):
        return None
    with reading(path, MAX_NOTE_BYTES) as file:
        return parse_note(file.readall(), str(path))


def add_note(note: TrunkNote, store: Path) -> None:
    """Write the note of a store that has rows and no note. Where nothing can be written, rows are found all the same."""
    path = store / NAME
    check_no_links(path)
    if is_gone(path) and (store / "shards").is_dir():
        with contextlib.suppress(OSError):
            write_json(path, note.as_dict())
