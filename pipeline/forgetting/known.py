"""What runs know of images: the rows of their predictions.csv."""

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.errors import DamagedStoreError
from pipeline.runs.folder import RunFolder
from pipeline.runs.listing import FAULTS, list_runs

logger = logging.getLogger(__name__)

Row = Mapping[str, str]


@dataclass(frozen=True)
class KnownRun:
    """A run, and the images that it was trained and scored on."""

    folder: RunFolder
    error: str | None = None
    """Why its images are not known."""

    @cached_property
    def rows(self) -> Sequence[Row]:
        """Rows of predictions.csv; none if they cannot be read."""
        if self.error is not None:
            return []
        try:
            return self.folder.predictions()
        except FileNotFoundError:
            return []

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Absolute path and SHA-256 of each image that was a file."""
        root = self.folder.info.root if self.error is None else None
        if root is not None:
            for row in self.rows:
                if row.get("sha256"):
                    yield os.path.join(root, row["path"]), bytes.fromhex(row["sha256"])  # noqa: PTH118 of many strings

    def split(self, digests: Collection[bytes]) -> tuple[list[Row], list[Row]]:
        """Rows of these images, and the others, in their order."""
        wanted = {digest.hex() for digest in digests}
        gone = [row for row in self.rows if row.get("sha256") in wanted]
        return gone, [row for row in self.rows if row.get("sha256") not in wanted]


def known_runs(runs: Path) -> list[KnownRun]:
    """All finished runs of a folder; of one whose files cannot be read, the reason."""
    return [_known(folder) for folder in list_runs(runs)]


def _known(folder: RunFolder) -> KnownRun:
    run = KnownRun(folder)
    try:
        _ = folder.info, folder.task
        if not run.rows:
            return KnownRun(folder, "It has no predictions.csv, so the images that it was trained on are not known.")
        if not all(row.get("sha256") for row in run.rows):
            raise DamagedStoreError("A version before 0.2 made it, which did not record the SHA-256 of its images.")
    except FAULTS as error:
        return KnownRun(folder, str(error))
    return run
