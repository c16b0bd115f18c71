"""DATA, as the user writes it, to a manifest."""

from pathlib import Path

from pipeline.errors import DataLayoutError, DataNotFoundError
from pipeline.images import arrays, folders, tables
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import Manifest
from pipeline.images.splits import Fractions


def scan(
    data: str | Path,
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
        data: A folder, a `.csv` or `.parquet` table, an `.npz` file, `keras:NAME` or `sklearn:digits`.
        label: The label column (tables, `.npz`), or `fine`/`coarse` (keras:cifar100).
        root: Folder that a table's paths are relative to; default: the table's own.
        split: Percentages train/validation/test, for what the data leaves open.
        split_seed: Seed of that split.
        hashes: Remembered digests; default: none are.
        home: Where data sets of Keras are kept; default: `~/.cache/bottleneck`.
        progress: Show a bar while hashing.

    Raises:
        DataNotFoundError: The path does not exist.
        DataLayoutError: It holds no images, or not as expected.
    """
    fractions = Fractions.parse(split)
    prefix, _, name = str(data).partition(":")
    if prefix == "sklearn" and name:
        return arrays.scan_sklearn(name, fractions=fractions, split_seed=split_seed)
    if prefix == "keras" and name:
        kept = home or Path.home() / ".cache" / "bottleneck"
        return arrays.scan_keras(name, label=label, home=kept, fractions=fractions, split_seed=split_seed)
    path = Path(data)
    remembered = hashes or FileHashes()
    if path.is_dir():
        return folders.scan_folder(
            path, fractions=fractions, split_seed=split_seed, hashes=remembered, progress=progress
        )
    if not path.exists():
        raise DataNotFoundError(
            f"No such data: {str(data)!r}. Expected a folder of images, a .csv or .parquet table, an .npz file, "
            "keras:mnist (or fashion_mnist, cifar10, cifar100), or sklearn:digits."
        )
    if path.suffix.lower() in tables.EXTENSIONS:
        return tables.scan_table(
            path,
            root=root,
            label=label,
            fractions=fractions,
            split_seed=split_seed,
            hashes=remembered,
            progress=progress,
        )
    if path.suffix.lower() == ".npz":
        return arrays.scan_npz(path, label=label, fractions=fractions, split_seed=split_seed)
    raise DataLayoutError(f"{path} is a file of unknown kind. Expected a folder, .csv, .parquet or .npz.")
