"""Which images are to be forgotten: by files, folders, tables, digests, or paths that are remembered only."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataNotFoundError
from pipeline.forgetting.known import KnownRun
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import read_given

_DIGEST = re.compile("[0-9a-fA-F]{64}")
_Found = tuple[str, bytes]


@dataclass(frozen=True)
class Wanted:
    """The images by their content: copies with the same bytes are one image."""

    names: Mapping[bytes, tuple[str, ...]]
    """Names that led to each SHA-256."""

    notes: tuple[str, ...] = ()
    """What was named and may not be what is forgotten: a sentence each."""

    @property
    def digests(self) -> frozenset[bytes]:
        """SHA-256 of each image."""
        return frozenset(self.names)


def find_wanted(given: Sequence[str | Path], hashes: FileHashes, runs: Sequence[KnownRun]) -> Wanted:
    """The images that are named.

    Args:
        given: Files, folders, tables, archives, SHA-256 of 64 hexadecimal digits, or paths that existed once.
        hashes: Remembered digests of files.
        runs: Runs, which know the paths of their images.

    Raises:
        DataNotFoundError: A path does not exist, and nothing remembers it.
        DataLayoutError: A data set cannot be read.
    """
    names, notes = dict[bytes, list[str]](), list[str]()
    for each in given:
        for name, digest in _find(str(each), hashes, runs, notes):
            names.setdefault(digest, []).append(name)
    return Wanted({digest: tuple(dict.fromkeys(found)) for digest, found in names.items()}, tuple(notes))


def _find(text: str, hashes: FileHashes, runs: Sequence[KnownRun], notes: list[str]) -> Iterator[_Found]:
    if Path(text).exists():
        yield from _read(text, hashes, notes)
    elif _DIGEST.fullmatch(text):
        yield text.lower(), bytes.fromhex(text)
    else:
        yield from _recall(text, hashes, runs)


def _read(text: str, hashes: FileHashes, notes: list[str]) -> Iterator[_Found]:
    """The images of a path that exists. Nothing of them is remembered."""
    given = read_given(text, FileHashes()).manifest
    before = hashes.remembered(text)
    for name, digest in zip(given.names, given.digests, strict=True):
        old = before.get(os.path.abspath(name))  # noqa: PTH100 as the table has it, links and all
        if old is not None and old != digest:
            notes.append(
                f"{name} had other bytes before, of SHA-256 {old.hex()}. Name this digest to forget that image, too."
            )
        yield name, digest
    if given.skipped:
        first = given.skipped[0]
        notes.append(
            f"{len(given.skipped):,} of the images cannot be read, so what is stored of them is not known by their bytes; the first: "
            f"{first.path} ({first.reason}). Name their SHA-256."
        )


def _recall(text: str, hashes: FileHashes, runs: Sequence[KnownRun]) -> list[_Found]:
    """The images that were at a path, or below it, when they were last read."""
    path = os.path.abspath(text)  # noqa: PTH100 a link that is gone cannot be resolved
    found = list(hashes.remembered(path).items())
    found += [(name, digest) for run in runs for name, digest in run.files() if _is_at(name, path)]
    if not found:
        raise DataNotFoundError(
            f"{text} does not exist, and neither the file hashes of the cache nor a run knows it. Name a file, a folder, a table of paths, or "
            "the SHA-256 of an image: 64 hexadecimal digits, as in the column sha256 of a run's predictions.csv."
        )
    return found


def _is_at(name: str, path: str) -> bool:
    return name == path or name.startswith(path + os.sep)
