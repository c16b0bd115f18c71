"""From DATA, as the user writes it, to a manifest."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Union

from pipeline.errors import DataLayoutError, DataNotFoundError
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import Manifest
from pipeline.images.sources import archives, arrays, folders, frames, huggingface, tables, tfds
from pipeline.images.splits import Fractions

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

Data = Union[str, Path, "IntoDataFrame"]
"""The types of data that a user may give."""

_EXPECTED = (
    "a folder of images, a .zip or .tar of one, a folder of Hugging Face (save_to_disk, or Parquet files), a .csv, .jsonl "
    "or .parquet table, an .npz file, keras:mnist (or fashion_mnist, cifar10, cifar100), sklearn:digits, or tfds:NAME"
)


class _Given(TypedDict):
    """Arguments that all readers of files share."""

    fractions: Fractions
    split_seed: int
    hashes: FileHashes
    progress: bool


def scan(
    data: Data,
    *,
    label: str = "label",
    root: Path | None = None,
    split: str = "80/10/10",
    split_seed: int = 0,
    hashes: FileHashes | None = None,
    home: Path | None = None,
    progress: bool = False,
) -> Manifest:
    """List, hash, label and split the images of a data set.

    Args:
        data: A folder of images, a `.zip` or `.tar` of one, a folder that `save_to_disk` of Hugging Face made or that
            contains Parquet files, a `.csv`, `.jsonl` or `.parquet` table, an `.npz` file, `keras:NAME`,
            `sklearn:digits`, `tfds:NAME`; or a data frame (pandas, polars).
        label: The label column (tables, frames, `.npz`, tfds), or `fine`/`coarse` (keras:cifar100).
        root: Folder that a table's paths are relative to; default: the table's folder.
        split: Percentages train/validation/test, for the splits that the data does not set.
        split_seed: Seed of that split.
        hashes: Remembered digests; default: none are remembered.
        home: Folder of downloaded data sets and of temporary files; default: `~/.cache/bottleneck`.
        progress: Show a bar while hashing.

    Raises:
        DataNotFoundError: The path does not exist.
        DataLayoutError: The data has no images, or not in the expected layout.
        MissingExtraError: A library that the format needs is not installed.
    """
    fractions = Fractions.parse(split)
    kept = home or Path.home() / ".cache" / "bottleneck"
    given: _Given = {
        "fractions": fractions,
        "split_seed": split_seed,
        "hashes": hashes or FileHashes(),
        "progress": progress,
    }
    if not isinstance(data, str | Path):
        return frames.scan_frame(data, root=root, label=label, **given)
    prefix, _, name = str(data).partition(":")
    if prefix == "sklearn" and name:
        manifest = arrays.scan_sklearn(name, fractions=fractions, split_seed=split_seed)
        return replace(manifest, source=str(data))
    if prefix == "keras" and name:
        manifest = arrays.scan_keras(name, label=label, home=kept, fractions=fractions, split_seed=split_seed)
        return replace(manifest, source=str(data))
    path = tfds.fetch(name, home=kept) if prefix == "tfds" and name else Path(data)
    if not path.exists():
        raise DataNotFoundError(f"No such data: {str(data)!r}. Expected {_EXPECTED}.")
    if path.suffix.lower() == ".npz" and path.is_file():
        manifest = arrays.scan_npz(path, label=label, fractions=fractions, split_seed=split_seed)
    else:
        manifest = _scan_path(path, given, label=label, root=root, home=kept)
    return replace(manifest, source=str(path.resolve()))


def _scan_path(path: Path, given: _Given, *, label: str, root: Path | None, home: Path) -> Manifest:
    """The manifest of a file or a folder."""
    found = huggingface.find_data_files(path) if path.is_dir() else []
    if path.is_dir() and not found:
        return folders.scan_folder(path, **given)
    if archives.is_archive(path):
        return archives.scan_archive(path, home=home, **given)
    if path.suffix.lower() == ".parquet" and huggingface.has_images(path):
        found = [huggingface.DataFile(path)]
    if found:
        return huggingface.scan_data_files(
            found, title=path.resolve().name if path.is_dir() else path.stem, label=label, home=home, **given
        )
    if path.suffix.lower() in tables.EXTENSIONS:
        return tables.scan_table(path, root=root, label=label, **given)
    raise DataLayoutError(f"The format of {path} is unknown. Expected {_EXPECTED}.")
