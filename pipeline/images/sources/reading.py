"""How a data set is read: the options of a user, and what the readers of all formats share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from pipeline.errors import check_choice
from pipeline.images.files.hashing import FileHashes
from pipeline.images.remote.arrivals import WhileFetching
from pipeline.images.splits import Fractions
from pipeline.surroundings import home_folder
from pipeline.tasks.task import KINDS

if TYPE_CHECKING:
    from pipeline.images.manifest import Manifest

CLASS_FOLDERS = ("top", "leaf")

SPOOL_GB = 10.0
"""Disk space for what is fetched from buckets and web servers."""


class ReadKeywords(TypedDict, total=False):
    """The options of a user about a data set; they are fields of `Reading`."""

    label: str | Sequence[str]
    task: str | None
    root: str | Path | None
    path_column: str | None
    split_column: str | None
    group_column: str | None
    ignore_column: tuple[str, ...]
    classes_from: str | None
    follow_links: bool
    split: str
    split_seed: int


READ_KEYWORDS = tuple(ReadKeywords.__annotations__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a data set is read. Each format uses the fields that it has a use for."""

    label: str = "label"
    """Label column of a table or frame, or several separated by commas; label array of an `.npz` file, or `fine` or `coarse` of
    keras:cifar100."""

    task: str | None = None
    """Kind of the task: `classification`, `multilabel` or `regression`; None: it is found where it is plain."""

    answer_names: tuple[str, ...] = ()
    """Labels or columns of numbers that a run answers: columns of these names are the labels, if the user names none."""

    root: str | Path | None = None
    """Folder that the paths of a table are relative to; None: the table's own folder."""

    path_column: str | None = None
    """Column of the paths; None: found by its name."""

    split_column: str | None = None
    """Column of the splits; None: found by its name."""

    group_column: str | None = None
    """Column of the groups, such as a patient: all images of a group are in one split. None: found by its name."""

    ignore_column: tuple[str, ...] = ()
    """Columns, arrays or first folders that are not used, although their names look as if they should be."""

    classes_from: str | None = None
    """Which folder names the class of nested class folders: the first one (`top`) or the one that the image is in (`leaf`). None: the
    first one, unless that is a question."""

    follow_links: bool = False
    """Follow symbolic links to folders."""

    split: str = "80/10/10"
    """Percentages of train, validation and test, where the data does not set the splits."""

    split_seed: int = 0
    """Seed of that split."""

    url: str | None = None
    """Where the data was fetched from; None if it is on this machine."""

    spool_gb: float = SPOOL_GB
    """Disk space for fetched images while a command runs, and as much for fetched archives and tables, in GB."""

    hashes: FileHashes = field(default_factory=FileHashes)
    """Remembered digests; by default none are remembered."""

    home: Path = field(default_factory=home_folder)
    """Folder of downloaded data sets and of temporary files."""

    before_fetching: Callable[["Manifest"], object] | None = None
    """Is given the data set before its images are fetched, and raises what would make that useless; None: nothing would. The digests are
    not the images' yet."""

    while_fetching: WhileFetching | None = None
    """Is given the images of a bucket or a web server as they arrive; None: nothing is done with them before all are here."""

    progress: bool = False
    """Show a bar while hashing."""

    def __post_init__(self) -> None:
        if self.classes_from is not None:
            check_choice("source of the classes", self.classes_from, CLASS_FOLDERS)
        if self.task is not None:
            check_choice("task", self.task, KINDS)
        _ = self.fractions

    @property
    def spool_bytes(self) -> int:
        """Disk space for what is fetched, in bytes."""
        return int(self.spool_gb * 1e9)

    @property
    def fractions(self) -> Fractions:
        """The percentages as fractions."""
        return Fractions.parse(self.split)
