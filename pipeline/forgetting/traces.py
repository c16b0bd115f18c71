"""The last look: whether any file below a folder still holds rows or digests of the images."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.cache.forget import is_of
from pipeline.cache.shard import read_rows
from pipeline.cache.store import Store
from pipeline.errors import PipelineError

_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True)
class Traces:
    """What was looked through, and the files that still hold something of the images."""

    files: int
    bytes: int
    found: tuple[str, ...]


def find_traces(folders: Collection[Path], digests: Collection[bytes]) -> Traces:
    """Look through all files below these folders: shards by the keys of their rows, all others for the digests, raw and in hexadecimal."""
    count, size, found = 0, 0, list[str]()
    texts = {digest.hex().encode() for digest in digests}
    for path in sorted({path for folder in folders for path in _files(folder)}):
        try:
            holds = _shard_holds(path, digests) if _is_shard(path) else _holds(path, digests, texts)
            size += path.stat().st_size
        except FileNotFoundError:
            continue  # another process removed it
        except (OSError, PipelineError):
            holds = True  # nobody can say that it does not
        count += 1
        if holds:
            found.append(str(path))
    return Traces(count, size, tuple(found))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _is_shard(path: Path) -> bool:
    return path.suffix == ".h5" and path.parent.name == "shards" and not path.name.startswith(".")


def _shard_holds(path: Path, digests: Collection[bytes]) -> bool:
    return bool(is_of(digests, read_rows(path, Store.open(path.parents[1]).recipe)).any())


def _holds(path: Path, digests: Collection[bytes], texts: Collection[bytes]) -> bool:
    data = path.read_bytes()
    return any(digest in data for digest in digests) or not set(_HEX.findall(data)).isdisjoint(texts)
