"""What lies beside images and is not read, although it may have their labels or splits: sentences that name it.

Many data sets come with lists of their splits (`meta/train.txt`, `train_test_split.txt`, `lists/test_list.mat`). Scores on other splits
do not compare with those that others have published.
"""

from collections.abc import Collection, Sequence

from pipeline.images.sources.words import SPLIT_WORDS, normalize, split_of

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")
_LISTS = (*TABLES, ".mat", ".lst", ".xlsx", ".pkl", ".pickle")
_MOST_TABLES = 10
"""With more tables than this, and than a quarter of the images, each may be a note on one image."""

_SPLITS = frozenset(["split", "splits", "trainval", "setid", "traintest"])
_DEEPEST = 2


def is_list_of_splits(name: str, kind: str) -> bool:
    """Whether a file is probably a list of images by split: `meta/train.txt`, `labels/test1.txt`, `train_test_split.txt`.

    Args:
        name: Its path below the data.
        kind: Its ending.
    """
    stem = normalize(name.rpartition("/")[2].removesuffix(kind)).split()
    words = [word.strip("0123456789").removesuffix("list") for word in stem]
    is_named = any(word in SPLIT_WORDS or word in _SPLITS or split_of(word) for word in words)
    return kind in _LISTS and name.count("/") <= _DEEPEST and is_named


def note_lists(
    where: str, lists: Collection[str], labels: Sequence[str | None], splits: Collection[str | None]
) -> list[str]:
    """A sentence about lists of splits beside class folders that have none.

    Args:
        where: The folder or archive, as the user wrote it; empty for an archive, whose lists are named as they are in it.
        lists: Their paths in it.
        labels: Of each image.
        splits: Of the images, as far as the folders set them.
    """
    if (
        not lists
        or len(lists) > _MOST_TABLES * 3
        or any(splits)
        or len({label for label in labels if label is not None}) < 2
    ):
        return []
    found = f"The images are split by percentages, although the data has lists that may have its splits: {_first(where, lists)}."
    return [f"{found} To use them, give a table with the columns path, label and split as DATA."]


def note_tables(
    where: str, tables: Sequence[str], labels: Sequence[str | None], *, is_packed: bool = False
) -> list[str]:
    """A sentence about tables beside images that have no labels or a single one.

    Args:
        where: The folder or archive, as the user wrote it.
        tables: Their paths in it.
        labels: Of each image.
        is_packed: They are in an archive.
    """
    if (
        not 0 < len(tables) <= max(_MOST_TABLES, len(labels) // 4)
        or len({label for label in labels if label is not None}) > 1
    ):
        return []
    thing, cure = (
        ("archive", "unpack the archive and give the table as DATA") if is_packed else ("folder", "give it as DATA")
    )
    names = _first("" if is_packed else where, tables)
    return [f"There is a table in the {thing}, which is not read: {names}. If it has the labels, {cure}."]


def _first(where: str, names: Collection[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"{where}/{name}" if where else name for name in sorted(names)[:3]) + more
