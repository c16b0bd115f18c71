"""From DATA, as the user writes it, to a manifest: which reader takes it."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, cast

from pipeline.errors import DataLayoutError, DataNotFoundError, did_you_mean
from pipeline.files import check_regular
from pipeline.images.checks import with_warnings
from pipeline.images.files.kinds import has_image_extension
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import is_manifest_file, read_manifest_file
from pipeline.images.remote.addresses import is_url, name_in, shown
from pipeline.images.remote.kept import naming_url
from pipeline.images.remote.patterns import is_magic, may_be_pattern, split
from pipeline.images.sources import far, folders
from pipeline.images.sources.archives import archives
from pipeline.images.sources.arrays import arrays, in_memory, tfds
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables import frames, huggingface, tables
from pipeline.surroundings import user_path

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

Data = Union[str, Path, "IntoDataFrame", tuple[Any, ...], Mapping[str, Any]]
"""What a user may give: a path or name, a data frame, or arrays."""

_EXPECTED = (
    "a folder of images, a .zip or .tar of one, a folder of Hugging Face (save_to_disk, or Parquet files), a .csv, .tsv, "
    ".txt, .json, .jsonl or .parquet table, an .npz or .npy file, keras:mnist (or fashion_mnist, cifar10, cifar100), sklearn:digits, or tfds:NAME; "
    "or a URL (s3://, gs://, az://, https://) of such a folder or file"
)


_AS_ARRAYS = " Save images and labels as arrays: np.savez('data.npz', x=images, y=labels)."
_CURES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), " Save the sheet as CSV."),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth", ".safetensors"), _AS_ARRAYS),
    **dict.fromkeys((".7z", ".rar", ".gz", ".bz2", ".xz", ".zst"), " Unpack it, and give the folder."),
    **dict.fromkeys(
        (".tfrecord", ".tfrecords", ".lmdb", ".mdb", ".arrow", ".feather"),
        " Export its images to a folder or a Parquet file.",
    ),
    **dict.fromkeys(
        (".xml", ".html", ".yaml", ".yml", ".lst"),
        " Write a table with the columns path and label, such as a .csv file.",
    ),
}
"""What to do with files that people have and that are not read."""


def scan(data: Data, reading: Reading | None = None) -> Manifest:
    """List, hash, label and split the images of a data set.

    Args:
        data: A folder of images, a `.zip` or `.tar` of one, a folder that `save_to_disk` of Hugging Face made or that
            contains Parquet files, a `.csv`, `.jsonl` or `.parquet` table, an `.npz` or `.npy` file, `keras:NAME`,
            `sklearn:digits`, `tfds:NAME`; a data frame (pandas, polars); or arrays: (images, labels), pairs of these for train and test, or
            arrays by name as in an `.npz` file.
        reading: How it is read; None: by the defaults.

    Raises:
        DataNotFoundError: The path does not exist.
        DataLayoutError: The data has no images, or not in the expected layout.
        MissingExtraError: A library that the format needs is not installed.
    """
    return with_warnings(_scan(data, reading or Reading()))


def _scan(data: Data, reading: Reading) -> Manifest:
    """The manifest, without warnings about its labels and splits."""
    if isinstance(data, str) and is_url(data):
        return replace(_scan_url(data, reading), source=shown(data))
    if in_memory.is_arrays(data):
        return in_memory.scan_arrays(data, reading)
    if not isinstance(data, str | Path):
        return frames.scan_frame(cast("IntoDataFrame", data), reading)
    prefix, _, name = str(data).partition(":")
    if prefix == "sklearn" and name:
        return replace(arrays.scan_sklearn(name, reading), source=str(data))
    if prefix == "keras" and name:
        return replace(arrays.scan_keras(name, reading), source=str(data))
    path = tfds.fetch(name, home=reading.home) if prefix == "tfds" and name else user_path(data)
    if not path.exists():
        if cure := _pattern_cure(str(data)):
            raise DataNotFoundError(f"No such data: {str(data)!r}. {cure}")
        near = _suggestion(path)
        raise DataNotFoundError(f"No such data: {str(data)!r}.{near} Expected {_EXPECTED}.")
    return replace(_scan_path(path, reading), source=str(path.resolve()))


def _scan_url(url: str, reading: Reading) -> Manifest:
    """The manifest of data that is fetched."""
    if far.is_file(url):
        path = far.keep(url, reading)
        with naming_url(path, url):
            return _scan_path(path, replace(reading, url=url))
    if has_image_extension(name_in(url)):
        raise DataLayoutError(
            _pattern_cure(url)
            or f"{shown(url)} is one image: give the URL of the folder that it is in, or use predict."
        )
    try:
        below = far.list_folder(url)
    except DataNotFoundError as error:
        raise DataNotFoundError(" ".join(filter(None, (str(error), _pattern_cure(url))))) from error
    if folder := far.keep_data_files(url, below, reading):
        with naming_url(folder, url):
            return _scan_path(folder, reading)
    return far.scan_objects(url, below, reading)


def _pattern_cure(data: str) -> str:
    """What to give instead of a pattern; empty for what is none. `predict` reads patterns."""
    if is_url(data):
        folder = shown(split(data)[0]) if may_be_pattern(data) else None
    else:
        folder = (
            str(Path(*itertools.takewhile(lambda part: not is_magic(part), Path(data).parts)))
            if is_magic(data)
            else None
        )
    return (
        ""
        if folder is None
        else (
            f"Patterns are not read as DATA, whose folders give labels and splits: give the folder {folder}, or a table of paths."
        )
    )


def _suggestion(path: Path) -> str:
    """A name in the same folder that is nearly that of a path which does not exist."""
    folder = path.absolute().parent
    try:
        return did_you_mean(path.name, [entry.name for entry in folder.iterdir()])
    except OSError:
        return ""


def _check_file(path: Path) -> None:
    """Refuse a pipe, a device or a socket, which a reader would wait for, or read without end."""
    try:
        check_regular(path, follow_links=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataLayoutError(f"{path} is not a regular file. Expected {_EXPECTED}.") from error


def _scan_path(path: Path, reading: Reading) -> Manifest:
    """The manifest of a file or a folder."""
    found = huggingface.find_data_files(path) if path.is_dir() else []
    if path.is_dir() and not found:
        return folders.scan_folder(path, reading)
    if not path.is_dir():
        _check_file(path)
        if is_manifest_file(path):
            return read_manifest_file(path, reading)
    if path.suffix.lower() in (".npz", ".npy"):
        return arrays.scan_npz(path, reading)
    if archives.is_archive(path):
        return archives.scan_archive(path, reading)
    if path.suffix.lower() == ".parquet" and huggingface.has_images(path):
        found = [huggingface.DataFile(path)]
    if found:
        return huggingface.scan_data_files(found, path.resolve().name if path.is_dir() else path.stem, reading)
    if path.suffix.lower() in tables.EXTENSIONS:
        return tables.scan_table(path, reading)
    one = " It is one image: give the folder that it is in, or use predict." if has_image_extension(path.name) else ""
    cure = one or _CURES.get(path.suffix.lower(), "")
    raise DataLayoutError(f"The format of {path} is unknown.{cure} Expected {_EXPECTED}.")
