"""The label file: what people decide about photographs, kept beside the data and never in it.

It is a complete table (path, label, split), so every command takes it as DATA.
"""

import csv
from dataclasses import replace
from pathlib import Path

from pipeline.errors import DataLayoutError, SettingError
from pipeline.files import replacing
from pipeline.images.manifest import Manifest
from pipeline.images.splits import SPLIT_NAMES
from pipeline.images.tables import read_csv

_COLUMNS = ("path", "label", "split")


def place_of_labels(data: str | Path, manifest: Manifest, given: Path | None) -> Path | None:
    """Where labels are kept: the file that was named, or `photos.labels.csv` beside the folder `photos`.

    Args:
        data: What the user wrote.
        manifest: Its scan.
        given: The file that was named.

    Returns:
        None where the data is no folder of files and no file was named: nothing can be relabelled then.

    Raises:
        SettingError: The file would lie in the data, or its name does not end in `.csv`.
    """
    source = Path(data).resolve()
    if given is None:
        is_folder = manifest.is_files and source.is_dir()
        return source.with_name(f"{source.name}.labels.csv") if is_folder else None
    if given.suffix.lower() != ".csv":
        raise SettingError(f"A label file is a CSV table, so its name ends in .csv. Received: --labels {given}.")
    if given.resolve().is_relative_to(source):
        raise SettingError(
            f"Labels are kept beside the data, which is only read. Received: --labels {given}, which is in {data}; "
            "name another file."
        )
    return given


class LabelFile:
    """The labels and splits of a data set, in a file that is read at the start and written after every change.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: bytes | None = None

    def read(self, manifest: Manifest) -> Manifest:
        """The manifest with the labels and splits of the file; images that are not in it keep theirs.

        Raises:
            DataLayoutError: The file is no table of these images.
        """
        self._seen = self._content()
        if self._seen is None:
            return manifest
        table = read_csv(self.path)
        if set(_COLUMNS) - set(table):
            raise DataLayoutError(f"{self.path} needs the columns {', '.join(_COLUMNS)}. Received: {list(table)}.")
        kept = dict(zip(table["path"], zip(table["label"], table["split"], strict=True), strict=True))
        if kept.keys().isdisjoint(manifest.names):
            raise DataLayoutError(
                f"{self.path} is not the label file of this data: it has none of its {len(manifest)} images. Move the "
                "file away, or name another one with --labels."
            )
        found = [kept.get(name, (None, None)) for name in manifest.names]
        return replace(
            manifest,
            labels=tuple(new or old for (new, _), old in zip(found, manifest.labels, strict=True)),
            splits=tuple(
                SPLIT_NAMES.get(new.lower(), new) if new else old
                for (_, new), old in zip(found, manifest.splits, strict=True)
            ),
        )

    def write(self, manifest: Manifest) -> None:
        """All images of the manifest, whole or not at all.

        Raises:
            SettingError: Someone else wrote to the file since it was read: their labels are not thrown away.
        """
        if self._content() != self._seen:
            raise SettingError(
                f"{self.path} was changed by someone else since it was read, and nothing was written. End this tuner and "
                "start it again: it goes on from their labels."
            )
        with replacing(self.path, sync=True) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            writer.writerows(zip(manifest.names, manifest.labels, manifest.splits, strict=True))
        self._seen = self._content()

    def _content(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None
