"""The file that stands for the weights of joined bases. Needs no TensorFlow."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.bases.digests import sha256_of
from pipeline.bases.table import BaseSpec
from pipeline.errors import WeightsMismatchError
from pipeline.files import read_json, write_json

_MAX_BYTES = 2**16


def note_parts(files: Sequence[Path], path: Path) -> Path:
    """Write the file that stands for the weights of all parts: names and SHA-256 of theirs, which are beside it."""
    parts = {file.name: sha256_of(file) for file in files}
    if not path.exists() or read_json(path, _MAX_BYTES) != parts:
        write_json(path, parts)
    return path


def files_of_parts(spec: BaseSpec, path: Path) -> list[Path]:
    """The weights files of the parts.

    Raises:
        WeightsMismatchError: One is missing, or is another one than when the bases were joined.
    """
    files = []
    for name, digest in dict(read_json(path, _MAX_BYTES)).items():
        file = path.with_name(name)
        if not file.is_file() or sha256_of(file) != digest:
            raise WeightsMismatchError(
                f"{file}, weights of a part of {spec.name}, has changed since the bases were joined. Delete {path}; then the next command "
                "joins them again."
            )
        files.append(file)
    return files
