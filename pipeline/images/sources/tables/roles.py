"""Which columns of a table are its paths, labels, splits and groups.

Known names are read in any spelling (`words.normalize`). A column whose name or content is nearly that of a split or a group would
change the result if it were not used, so it is a question: an error that names it and the options.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.errors import DataLayoutError
from pipeline.images.labels import label_text, listed
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.delimited import Texts
from pipeline.images.sources.words import SPLIT_WORDS, normalize, split_of, split_of_cell
from pipeline.images.splits import torn_groups

PATHS = (
    *(
        f"{thing}{kind}"
        for thing in ("", "image", "img", "relative")
        for kind in ("path", "file", "filename", "filepath")
    ),
    *("paths", "files", "filenames", "filepaths", "imagepaths", "imagefiles"),
    *("fname", "pathname", "imagename", "imgname", "image", "images", "img", "photo", "picture"),
)
URLS = ("url", "urls", "imageurl", "imageurls", "imgurl", "photourl", "pictureurl", "uri", "imageuri")
"""Names of a column of URLs, which are used where no column has paths."""

IDS = ("id", "imageid", "imgid", "photoid", "idcode", "name")
"""Names of a column of paths where no column has one of the first names."""

LABELS = (
    *("label", "labels"),
    *("class", "classes", "classname", "classlabel", "category", "categories", "target", "targets"),
)
SPLITS = ("split", "splits", "subset", "set", "partition", "datasplit", "datasetsplit", "splitname")
GROUPS = ("group", "groups", "groupid", "groupname")
_FOLDS = re.compile(r"(cv|k|test|val)?folds?(id|no|nr|num|number|index)?|cv(id|no|number|index|split)?")
_NEARLY_SPLITS = re.compile(r"(data)?(set|part|phase|usage|use|purpose|stage|role|portion)(name|type)?")
_MOST_SPLITS = 6
_MOST_FLAGS = 8
_NEARLY_GROUPS = re.compile(
    "(group|patient|subject|person|participant|individual|case|donor|lesion|specimen|scene|video|sequence|series|study|slide)s?"
    "(id|ids|no|nr|num|number|name|code|uid|key|index)?"
)
_TRUE, _FALSE = frozenset(["true", "t", "yes", "y", "1", "1.0"]), frozenset(["false", "f", "no", "n", "0", "0.0"])


@dataclass(frozen=True)
class Roles:
    """What the columns are."""

    path: str | None = None
    labels: tuple[str, ...] = ()
    """One column, or several that the user named; empty if the table has none."""

    splits: Sequence[str | None] | None = None
    """The split of each row; None if the table has no split column."""

    group: str | None = None
    choices: tuple[str, ...] = ()
    """Columns that could be the labels, if there is no label column."""

    warnings: tuple[str, ...] = ()

    used: tuple[str, ...] = ()
    """Columns that the splits were read from."""


def is_path_name(name: str) -> bool:
    """Whether a column of this name has paths, or URLs, or the names of images."""
    return _key(name) in (*PATHS, *URLS, *IDS)


def is_group_name(name: str) -> bool:
    """Whether a column of this name has groups."""
    return _key(name) in GROUPS


def without_ignored(texts: Texts, reading: Reading, source: str) -> Texts:
    """The columns that are not ignored, and have a name.

    Raises:
        DataLayoutError: There is no such column.
    """
    ignored = {_named(texts, name, "--ignore-column", source) for name in reading.ignore_column}
    return {name: column for name, column in texts.items() if name not in ignored and name.strip()}


def find_path(texts: Texts, reading: Reading, source: str) -> str | None:
    """The column of paths.

    Raises:
        DataLayoutError: Two columns could be it, or there is no column of the name that the user gave.
    """
    if reading.path_column is not None:
        return _named(texts, reading.path_column, "--path-column", source)
    found = _known(texts, PATHS) or _known(texts, URLS) or _known(texts, IDS)
    while len(found) > 1 and _same_file(texts, *found[:2]):
        # `img/1.jpg` beside `1.jpg`: the longer one says more.
        found.remove(min(found[:2], key=lambda name: sum(len(value or "") for value in texts[name])))
    if len(found) > 1:
        raise DataLayoutError(
            f"{source} has several columns that could be the paths: {found}. Choose one with --path-column, or leave the others out with "
            "--ignore-column."
        )
    return found[0] if found else None


def find_labels(texts: Texts, reading: Reading, source: str) -> tuple[str, ...]:
    """The columns of labels: one, or several that the user named; none if there is none of the usual names.

    Raises:
        DataLayoutError: Two columns could be it, or there is no column of the name that the user gave.
    """
    if reading.label == "label" and reading.answer_names and all(name in texts for name in reading.answer_names):
        return reading.answer_names
    if reading.label != "label":
        if reading.label in texts:
            return (reading.label,)
        given = [name.strip() for name in reading.label.split(",")] if "," in reading.label else [reading.label]
        other = (*PATHS, *URLS, *SPLITS, *GROUPS)
        return tuple(dict.fromkeys(_named(texts, name, "--label", source, without=other) for name in given))
    found = _known(texts, LABELS[:1] if "label" in texts else LABELS[:2]) or _known(texts, LABELS)
    different = [name for name in found[1:] if list(texts[name]) != list(texts[found[0]])]
    if different:
        # `--label label` is the default, so it chooses nothing.
        keep = (
            "To keep 'label', leave the others out with --ignore-column; otherwise choose"
            if "label" in found
            else "Choose"
        )
        raise DataLayoutError(
            f"{source} has several columns that could be the labels: {found}. {keep} one with --label."
        )
    return (found[0],) if found else ()


def find_roles(
    texts: Texts,
    reading: Reading,
    source: str,
    *,
    path: str | None = None,
    splits: Sequence[str | None] | None = None,
) -> Roles:
    """Labels, splits and groups of a table.

    Args:
        texts: Its columns, without ignored ones.
        reading: Columns that the user named.
        source: The table, for messages.
        path: The column of paths.
        splits: The split of each row, if it is known already; no column is looked at then.

    Raises:
        DataLayoutError: A column has unknown splits, or it is a question what it is.
    """
    labels = find_labels(texts, reading, source)
    named = _named_column(texts, reading.split_column, "--split-column", source)
    group = _named_column(texts, reading.group_column, "--group-column", source)
    rest = {name: column for name, column in texts.items() if name not in (path, *labels, group) or name == named}
    splits, used = (splits, []) if splits is not None else _find_splits(rest, named, source)
    rest = {name: column for name, column in rest.items() if name not in used}
    group = group or _find_group(rest, source)
    warnings = [] if group else _check_nearly_groups(rest, splits, source)
    choices = () if labels else tuple(name for name in rest if name != group)
    warnings += _note_flags({name: rest[name] for name in choices})
    if len(used) == 1 and (word := _flag_word(used[0])) and all(map(_is_flag, texts[used[0]])):
        train = f"Images for which {used[0]} is false are test images; validation images are taken from the others."
        warnings.append(
            train if word == "train" else f"Images for which {used[0]} is true are {word} images, the others are not."
        )
    return Roles(path, labels, splits, group, choices, tuple(warnings), tuple(used))


def _note_flags(choices: Texts) -> list[str]:
    """A sentence about columns of 1 and 0, if there are several and no column of labels: each of them is a label."""
    texts = {name: set(column) for name, column in choices.items()}
    flags = [name for name, values in texts.items() if len(values) > 1 and all(map(_is_flag, values))]
    if len(flags) < 2:
        return []
    shown = ",".join(flags[:_MOST_FLAGS]) + ",..." * (len(flags) > _MOST_FLAGS)
    return [
        f"The columns {listed(list(map(repr, flags)), 4)} have 1 and 0 (or yes and no). As labels of one task: --label {_quoted(shown)}."
    ]


def _find_splits(texts: Texts, given: str | None, source: str) -> tuple[list[str | None] | None, list[str]]:
    """The split of each row, and the columns that it was read from."""
    if given is not None:
        return _read_splits(texts[given], given, source), [given]
    named = _known(texts, SPLITS)
    # A constant or empty column of this name may mean anything else; one that is called split may not.
    found = {name: _read_splits(texts[name], name, source) for name in named}
    flags = _find_flags({name: column for name, column in texts.items() if name not in named})
    if flags:
        found[" and ".join(flags)] = _read_flags({split: texts[name] for name, split in flags.items()}, source)
    if len({tuple(column) for column in found.values()}) > 1:
        raise DataLayoutError(
            f"{source} has several columns of splits that differ: {list(found)}. Choose one with --split-column, or leave the others out "
            "with --ignore-column."
        )
    used = [*named, *flags]
    if any(any(column) for column in found.values()):
        return next(iter(found.values())), used
    for name, column in texts.items():
        if name not in used:
            _check_nearly_split(name, column, source)
    return None, used


def _read_splits(column: Iterable[str | None], name: str, source: str) -> list[str | None]:
    values = [label_text(value) or "" for value in column]
    known: dict[str, str | None] = {value: split_of_cell(value) for value in dict.fromkeys(values)}
    known[""] = None
    unknown = [value for value, split in known.items() if value and split is None]
    flag = _flag_word(name)
    if unknown and flag and all(_is_flag(value) for value in known):
        return _read_flags({flag: values}, source)
    if unknown:
        raise DataLayoutError(
            f"A split in {source} is train, validation or test, or empty. Received: {unknown[0]!r} in the column {name!r}. "
            f"If it is not the split, use --ignore-column {_quoted(name)}."
        )
    return [known[value] for value in values]


def _flag_word(name: str) -> str | None:
    """The split of which a column says yes or no by its name: `is_train`, `isValid`, `test`, `train_mask`."""
    return split_of(re.sub(r"^(is|in|for)\s*|\s(mask|flag|indicator)$", "", normalize(name)))


def _find_flags(texts: Texts) -> dict[str, str]:
    """Columns of truth values that are surely meant so, with their splits: `is_train`; or `train` and `test` that are never both true."""
    found = {
        name: split for name, column in texts.items() if (split := _flag_word(name)) and all(map(_is_flag, set(column)))
    }
    sure = {name: split for name, split in found.items() if re.match(r"(is|in)\b|is", normalize(name))}
    bare = {name: split for name, split in found.items() if name not in sure}
    rows = zip(*(texts[name] for name in bare), strict=True)
    if len(set(bare.values())) > 1 and all(sum(_flag_text(value) in _TRUE for value in row) == 1 for row in rows):
        return sure | bare
    return sure


def _is_flag(value: str | None) -> bool:
    text = _flag_text(value)
    return not text or text in _TRUE or text in _FALSE


def _flag_text(value: str | None) -> str:
    return (label_text(value) or "").casefold()


def _read_flags(flags: dict[str, Sequence[str | None]], source: str) -> list[str | None]:
    """Splits from truth values. Where none is true: `is_train` alone means test, other columns mean train."""
    others = [name for name in ("test", "validation") if name not in flags]
    rest = "train" if "train" not in flags else others[0] if others else None
    splits: list[str | None] = []
    for row, values in enumerate(zip(*flags.values(), strict=True)):
        true = [name for name, value in zip(flags, values, strict=True) if _flag_text(value) in _TRUE]
        if len(true) > 1:
            raise DataLayoutError(
                f"Row {row + 1} of {source} is in several splits: {true}. Use --split-column or --ignore-column."
            )
        is_empty = not any(map(_flag_text, values))
        splits.append(true[0] if true else None if is_empty else rest)
    return splits


def _check_nearly_split(name: str, column: Sequence[str | None], source: str) -> None:
    """Ask about a column that seems to bring the splits under another name."""
    key = _key(name)
    if _FOLDS.fullmatch(key):
        raise DataLayoutError(
            f"{source} has a column {name!r}. Folds are not read as splits. Make a column of train, validation and test from it and name "
            f"that one with --split-column, or use --ignore-column {_quoted(name)} to split by percentages."
        )
    tokens = set(normalize(name).split())
    by_name = tokens & {"split", "subset", "partition", "fold"} or (
        get_close_matches(key, ("split", "subset", "partition", "istrain", "isvalid", "istest", "holdout"), 1, 0.8)
    )
    of_several = len({SPLIT_WORDS[token] for token in tokens & SPLIT_WORDS.keys()}) > 1  # `train_test`
    has_few = len(set(column)) <= _MOST_SPLITS
    if (
        by_name
        or (of_several and has_few)
        or _flag_word(name)
        or _has_split_words(column)
        or _is_nearly_split(key, column)
    ):
        values = sorted({label_text(value) or "" for value in column})
        is_known = all(not value or split_of_cell(value) for value in values) or (
            _flag_word(name) and all(map(_is_flag, values))
        )
        cure = "Use it with" if is_known else "Write train, validation or test in it and use it with"
        raise DataLayoutError(
            f"{source} has a column {name!r} that seems to set the splits (its values: {listed(list(map(repr, values)), 4)}). "
            f"{cure} --split-column {_quoted(name)}, or split by percentages with --ignore-column {_quoted(name)}."
        )


def _is_nearly_split(key: str, column: Sequence[str | None]) -> bool:
    """Whether a column that may be one of splits by its name has a word of one among a few values, such as `train` and `holdout`."""
    values = set(column) if _NEARLY_SPLITS.fullmatch(key) else set()
    return len(values) <= _MOST_SPLITS and any(value and split_of_cell(value) for value in values)


def _has_split_words(column: Sequence[str | None]) -> bool:
    """Whether each value has a word of a split in it, such as `train` or `PublicTest`, and there are at least two."""
    first = next((value for value in column if value), None)
    if first is None or not _has_split_word(first):
        return False
    values = {value.strip() for value in column if value and value.strip()}
    return len(values) > 1 and all(map(_has_split_word, values))


def _has_split_word(value: str) -> bool:
    return len(value) < 40 and bool(split_of_cell(value) or set(normalize(value).split()) & SPLIT_WORDS.keys())


def _find_group(texts: Texts, source: str) -> str | None:
    found = _known(texts, GROUPS)
    if len(found) > 1:
        raise DataLayoutError(f"{source} has several columns of groups: {found}. Choose one with --group-column.")
    return found[0] if found else None


def _check_nearly_groups(texts: Texts, splits: Sequence[str | None] | None, source: str) -> list[str]:
    """Ask about a column such as `patient_id`, if images of one value would be divided; warn if the given splits divide them."""
    warnings = []
    for name, column in texts.items():
        values = [value for value in column if value and value.strip()]
        is_near = _NEARLY_GROUPS.fullmatch(_key(name)) or get_close_matches(_key(name), ("group",), 1, 0.8)
        if not is_near or not 1 < len(set(values)) < len(values):
            continue
        if splits is None or "validation" not in splits:
            raise DataLayoutError(
                f"{source} has a column {name!r} with several images per value. Keep the images of each value in one split with "
                f"--group-column {_quoted(name)}, or split them independently with --ignore-column {_quoted(name)}."
            )
        if num := len(torn_groups(column, splits)):
            warnings.append(
                f"{num:,} values of the column {name!r} have images in several splits. If they are persons or scenes, the scores are too "
                f"good. Check with --group-column {_quoted(name)}."
            )
    return warnings


def _key(name: str) -> str:
    return normalize(name).replace(" ", "")


def _known(texts: Texts, keys: Sequence[str]) -> list[str]:
    """Columns with one of these names."""
    return [name for name in texts if _key(name) in keys]


def _same_file(texts: Texts, first: str, second: str) -> bool:
    pairs = zip(texts[first], texts[second], strict=True)
    return all((a or "").endswith(b or "") or (b or "").endswith(a or "") for a, b in pairs)


def _named(texts: Texts, name: str, option: str, source: str, *, without: Sequence[str] = ()) -> str:
    """The column of this name, or the only one that is spelled differently.

    Args:
        texts: All columns.
        name: What the user gave.
        option: Where the user gave it.
        source: The table, for messages.
        without: Names of columns that the message does not list.
    """
    if name in texts:
        return name
    found = [other for other in texts if _key(other) == _key(name)]
    if len(found) != 1:
        choices = [other for other in texts if _key(other) not in without]
        kind = "Label columns" if without else "Its columns"
        raise DataLayoutError(f"{source} has no column {name!r}. {kind} are {choices}; choose one with {option}.")
    return found[0]


def _named_column(texts: Texts, name: str | None, option: str, source: str) -> str | None:
    return None if name is None else _named(texts, name, option, source)


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name
