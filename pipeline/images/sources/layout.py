"""What the folders in paths mean: splits, classes, or wrappers around them. Folders and archives share it.

The paths are relative to the data, with `/`: `train/cats/1.jpg`. docs/data.md has the rules in a table.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pipeline.errors import DataLayoutError
from pipeline.images.labels import clean_text
from pipeline.images.manifest import SPLITS
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.words import is_filler, nearly_split_of, split_of

_SHOWN = 5

Folders = tuple[str, ...]
"""The folders above an image, outermost first."""


@dataclass(frozen=True)
class Layout:
    """What the folders say about N images."""

    labels: Sequence[str | None]
    splits: Sequence[str | None]
    """None where the folders name no split."""

    warnings: list[str] = field(default_factory=list)
    """Sentences about what was assumed."""


def lay_out(names: Sequence[str], reading: Reading) -> Layout:
    """Labels and splits of images from the folders in their paths.

    Args:
        names: N paths.
        reading: Its `classes_from` says which of nested folders is the class.

    Raises:
        DataLayoutError: Some of the first folders look like splits and others do not.
    """
    folders = [tuple(name.split("/")[:-1]) for name in names]
    folders, wrappers = _unwrap(folders)
    warnings = (
        [f"The folder {'/'.join(wrappers)!r} is a wrapper around the others; it is no class."] if wrappers else []
    )
    if _has_splits_below_classes(folders):
        warnings.append("Each class folder has its own split folders (CLASS/train/1.jpg); they are read as splits.")
        folders = [(*path[1:2], *path[:1], *path[2:]) for path in folders]
    splits_of = _split_folders(folders, warnings)
    splits = [splits_of.get(path[0]) if path else None for path in folders]
    if splits_of:
        folders = _below_splits(folders, splits_of)
    return Layout(_labels(folders, reading, warnings), splits, warnings)


def keep_folders(names: Sequence[str], ignored: Sequence[str]) -> list[int]:
    """Positions of the images that are not in one of these first folders.

    Raises:
        DataLayoutError: There is no such folder.
    """
    tops = [path[0] if path else None for path in _unwrap([tuple(name.split("/")[:-1]) for name in names])[0]]
    missing = [folder for folder in ignored if folder not in tops]
    if missing:
        raise DataLayoutError(
            f"No first folder is called {_listed(missing)}, as --ignore-column says. The first folders are "
            f"{_listed(sorted({top for top in tops if top is not None}))}."
        )
    return [position for position, top in enumerate(tops) if top not in ignored]


def folders_above(names: Iterable[str]) -> set[str]:
    """The paths of all folders that images are in, at any depth; "" is the data itself."""
    full = {""}
    for parent in {name.rpartition("/")[0] for name in names}:
        parts = parent.split("/")
        full.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return full


def warn_of_empty(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """A sentence about the folders with no image in them, at any depth, if there are any.

    Args:
        folders: Paths of all folders that were looked at.
        names: Paths of the images.
    """
    full = folders_above(names)
    empty = sorted(folder for folder in folders if folder not in full and folder.rpartition("/")[0] in full)
    return [f"There is no image in the {'folders' if len(empty) > 1 else 'folder'} {_listed(empty)}."] if empty else []


def shared_folders(names: Sequence[str]) -> int:
    """The number of first folders that all paths share and that are neither classes nor splits."""
    folders = [tuple(name.split("/")[:-1]) for name in names]
    return len(_unwrap(folders)[1]) if all(folders) else 0


def _unwrap(folders: list[Folders]) -> tuple[list[Folders], list[str]]:
    """Paths without the wrapper folders at their start (`photos` of `photos/cats` and `photos/dogs`), and those wrappers.

    Images beside a wrapper stay where they are: they have no class.
    """
    wrappers: list[str] = []
    while True:
        tops = {path[0] for path in folders if path}
        if len(tops) != 1 or not any(len(path) > 1 for path in folders) or split_of(next(iter(tops))):
            return folders, wrappers
        wrappers += tops
        folders = [path[1:] for path in folders]


def _has_splits_below_classes(folders: Sequence[Folders]) -> bool:
    """Whether the folders are classes and all folders in them splits: `cats/train`, `cats/test`, `dogs/train`.

    Raises:
        DataLayoutError: This is so for some of the classes only.
    """
    inner = _inner_folders(folders)
    if any(split_of(top) for top in inner):
        return False
    divided = [top for top, below in inner.items() if len({split_of(name) for name in below if split_of(name)}) > 1]
    if not divided:
        return False
    if all(below and all(map(split_of, below)) for below in inner.values()) and all(len(path) != 1 for path in folders):
        return True
    raise DataLayoutError(
        f"The folders in {_listed(divided)} look like splits ({_listed(inner[divided[0]])}), and others beside them do not. "
        "Put the split folders at the top (DATA/train/cats/1.jpg), in each class folder and with no images beside them "
        "(DATA/cats/train/1.jpg), or give a table with the columns path, label and split."
    )


def _inner_folders(folders: Iterable[Folders]) -> dict[str, list[str]]:
    """The names of the folders in each of the first folders, sorted."""
    inner: dict[str, set[str]] = defaultdict(set)
    for path in folders:
        if path:
            inner[path[0]].update(path[1:2])
    return {top: sorted(below) for top, below in sorted(inner.items())}


def _split_folders(folders: Sequence[Folders], warnings: list[str]) -> dict[str, str]:
    """The split of each first folder; empty if these folders are classes."""
    inner = _inner_folders(folders)
    known = {top: split for top in inner if (split := split_of(top))}
    nearly = {top: split for top in inner if top not in known and (split := nearly_split_of(top))}
    others = [top for top in inner if top not in known]
    if not others:
        return _without_synonyms(known, warnings)
    if len(known) + len(nearly) == len(inner) and len({*known.values(), *nearly.values()}) > 1:
        raise DataLayoutError(
            f"The names of the folders {_listed(nearly)} are nearly those of splits. To use them as splits, rename them to "
            "train, validation and test. To use them as classes, choose names without these words, or give a table "
            "with the columns path and label."
        )
    if len(set(known.values())) > 1 or any(inner[top] for top in known):
        raise DataLayoutError(
            f"The {_folders(known)} {'look like splits' if len(known) > 1 else 'looks like a split'}, and {_listed(others)} beside "
            f"{'them' if len(known) > 1 else 'it'} {'do' if len(others) > 1 else 'does'} not. To use the splits, leave out the others with "
            f"{' '.join(f'--ignore-column {top!r}' for top in others[:_SHOWN])}, or move them away. To use all of these "
            "folders as classes, rename those that look like splits, or give a table with the columns path and label."
        )
    if known:
        warnings.append(
            f"The folder {_listed(known)} is read as a class, because {_listed(others)} beside it "
            f"{'are' if len(others) > 1 else 'is'} no split."
        )
    elif len(set(nearly.values())) > 1:
        warnings.append(
            f"The folders {_listed(nearly)} are read as classes. If they are splits, rename them to train and test."
        )
    return {}


def _without_synonyms(known: dict[str, str], warnings: list[str]) -> dict[str, str]:
    """Folders whose names mean the same split are joined, except `eval` beside `test`, which is validation if nothing else is."""
    known = dict(known)
    tests = [top for top, split in known.items() if split == "test"]
    evaluations = [top for top in tests if "eval" in top.casefold()]
    if "validation" not in known.values() and 0 < len(evaluations) < len(tests):
        known |= dict.fromkeys(evaluations, "validation")
        warnings.append(
            f"The folder {_listed(evaluations)} is the validation split, because there is a test folder too."
        )
    for split in SPLITS:
        same = [top for top in known if known[top] == split]
        if len(same) > 1:
            warnings.append(f"The folders {_listed(same)} are joined to one {split} split.")
    return known


def _below_splits(folders: Sequence[Folders], splits_of: dict[str, str]) -> list[Folders]:
    """The folders below those of splits, without wrappers: `seg_train/seg_train/cats` and `train/images/1.jpg` have one."""
    below = {top: [path[1:] for path in folders if path[:1] == (top,)] for top in splits_of}
    # What stands beside others in one split is a class in all of them: `photos` and `drawings`, and a test split of photos.
    inner = [{path[0] for path in paths if path} for paths in below.values()]
    classes = {name for names in inner if len(names) > 1 for name in names}
    depths = {top: _wrapper_depth(paths, splits_of[top], classes) for top, paths in below.items()}
    return [path[1 + depths[path[0]] :] if path else () for path in folders]


def _wrapper_depth(paths: Sequence[Folders], split: str, classes: AbstractSet[str]) -> int:
    depth = 0
    while True:
        tops = {path[depth] for path in paths if len(path) > depth}
        if (
            len(tops) != 1
            or tops <= classes
            or not ((top := next(iter(tops))) and (is_filler(top) or split_of(top) == split))
        ):
            return depth
        depth += 1


def _labels(folders: Sequence[Folders], reading: Reading, warnings: list[str]) -> list[str | None]:
    """The class of each image: the name of a folder, in normal form C and without spaces around it, as labels of tables are.

    Raises:
        DataLayoutError: The folders are nested, and it is a question which of them are the classes.
    """
    position = -1 if reading.classes_from == "leaf" else 0
    spelled = [path[position] if path else None for path in folders]
    spellings: dict[str, set[str]] = defaultdict(set)
    for label in set(spelled):
        if label is not None:
            spellings[clean_text(label)].add(label)
    if twice := sorted(label for label, forms in spellings.items() if len(forms) > 1):
        warnings.append(
            f"The folders of {_listed(twice)} are spelled in several ways that look the same (spaces, or the Unicode forms NFC and NFD); "
            "they are one class."
        )
    nested = sorted({path[0] for path in folders if len(path) > 1})
    if nested and reading.classes_from is None:
        _check_same_inside(folders)
        warnings.append(
            f"Images in deeper folders belong to the class of the first folder (such as {_listed(nested)}); with "
            "`--classes-from leaf` the folder that an image is in is its class."
        )
    known = {form: label for label, forms in spellings.items() for form in forms}
    return [None if label is None else known[label] for label in spelled]


def _check_same_inside(folders: Sequence[Folders]) -> None:
    """Raise DataLayoutError if all first folders have two folders or more in common: then the inner ones are probably the classes."""
    inner = {top: set(below) for top, below in _inner_folders(folders).items()}
    shared = sorted(set.intersection(*inner.values()))
    if len(inner) < 2 or len(shared) < 2:
        return
    raise DataLayoutError(
        f"The folders {_listed(inner)} contain the same folders ({_listed(shared)}). If these are the classes, use --classes-from "
        f"leaf; and if {_listed(inner)} are splits, rename them to train, validation and test. If {_listed(inner)} are the classes, use "
        "--classes-from top."
    )


def _folders(names: Collection[str]) -> str:
    return f"folder{'s' * (len(names) > 1)} {_listed(names)}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
