"""What is known of model files, so that a head on existing rows needs no TensorFlow to know its base."""

from pathlib import Path
from typing import TypedDict, cast

from pipeline.bases.digests import read_memory, sha256_of
from pipeline.files import write_json


class FileFacts(TypedDict):
    """Fields of a base that are read from a model file; see `pipeline.bases.table.BaseSpec`."""

    mode: str
    scale: list[float]
    """Of a preset's own preprocessing; empty if it has none."""

    offset: list[float]
    native_px: int
    smallest_px: int
    last_layer: str
    channels: int
    parameters: int


class KnownFiles:
    """Facts of model files by their SHA-256."""

    def __init__(self, home: Path) -> None:
        self._path = home / "weights" / "model_files.json"

    def recall(self, file: Path) -> FileFacts | None:
        """The facts; None if this file was never loaded."""
        return _facts(read_memory(self._path).get(sha256_of(file)))

    def remember(self, file: Path, facts: FileFacts) -> None:
        """Keep facts. If several processes do so at once, the last one wins and the others load their files again."""
        write_json(self._path, dict(sorted((read_memory(self._path) | {sha256_of(file): facts}).items())))


_TYPES = {
    **dict.fromkeys(("mode", "last_layer"), str),
    **dict.fromkeys(("native_px", "smallest_px", "channels", "parameters"), int),
    **dict.fromkeys(("scale", "offset"), list),
}


def _facts(entry: object) -> FileFacts | None:
    """An entry, if it is one of this version."""
    is_whole = isinstance(entry, dict) and {name: type(value) for name, value in entry.items()} == _TYPES
    return cast("FileFacts", entry) if is_whole else None
