"""Data sets that are given for prediction: a text may name a folder, an archive, a table or a pattern in place of one image."""

import glob
import re
from pathlib import Path
from typing import Any

from pipeline.images.entries import Entry, Listed, entries_of_manifest
from pipeline.images.files.kinds import HEAD_BYTES, has_image_extension, other_kind
from pipeline.images.manifest_file import is_manifest_file
from pipeline.images.scan import scan
from pipeline.images.sources.archives import archives
from pipeline.images.sources.arrays import arrays, npz
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables import frames, huggingface, tables

_NAMED = re.compile(r"(keras|sklearn|tfds):\w")
_MAGIC = re.compile(r"[*?\[]")


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern such as `photos/*.jpg`, which the shell did not expand; names of existing files are none."""
    return _MAGIC.search(text) is not None and not Path(text).exists()


def matches_of(pattern: str) -> list[str]:
    """The files that match a pattern, sorted; if only folders do, these. `**` means any number of folders."""
    found = sorted(glob.glob(pattern, recursive=True), key=lambda name: Path(name).parts)  # noqa: PTH207 patterns may be absolute
    return [name for name in found if not Path(name).is_dir()] or found


def kind_of(text: str) -> str | None:
    """What a text names if it is a data set and not an image: `a table`, `an archive` and so on; None for images and folders."""
    path = Path(text)
    if _NAMED.match(text) and not path.exists():
        return "a data set"
    if path.is_dir():
        return "a data set" if huggingface.find_data_files(path) else None
    if not path.is_file() or has_image_extension(path.name) or _is_image(path):
        return None
    if archives.is_archive(path):
        return "an archive"
    if is_manifest_file(path):
        return "a manifest file"
    return _kind_by_ending(path)


def _kind_by_ending(path: Path) -> str | None:
    ending = path.suffix.lower()
    if ending == ".npy":
        return None if npz.is_one_image(path) else "an .npy file of several images, or of another type than uint8"
    return "an .npz file" if ending == ".npz" else "a table" if ending in tables.EXTENSIONS else None


def _is_image(path: Path) -> bool:
    """Whether the first bytes are those of an image, whatever the file is called."""
    try:
        with path.open("rb") as file:
            return other_kind(path.name, file.read(HEAD_BYTES)) is None
    except OSError:
        return False


def is_frame(given: Any) -> bool:
    """Whether this is a data frame with several columns; one column is a list of images."""
    shape: tuple[int, ...] = getattr(given, "shape", ())
    return hasattr(given, "columns") and len(shape) == 2 and shape[1] > 1


def list_data(data: Any, reading: Reading) -> Listed:
    """All images of a data set, without a look at its labels and splits.

    Args:
        data: A text for which `kind_of` has a name, or a frame.
        reading: How it is read.

    Raises:
        DataLayoutError: It cannot be read, or has no images.
    """
    if not isinstance(data, str):
        return frames.list_frame(data, reading)
    path = Path(data)
    is_images = path.suffix.lower() == ".parquet" and path.is_file() and huggingface.has_images(path)
    kind = kind_of(data)
    if kind == "an archive":
        return archives.list_archive(path, reading)
    if kind == "a table" and not is_images:
        return tables.list_table(path, reading)
    is_arrays = path.is_file() and path.suffix.lower() in (".npz", ".npy")
    manifest = arrays.list_npz(path, reading) if is_arrays else scan(data, reading)
    entries: list[Entry] = entries_of_manifest(manifest, beside=f"{data}/")
    return Listed(entries, manifest.warnings if is_arrays else ())
