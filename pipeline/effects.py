"""Options that have an effect only together with others: one table for the command line and for Python.

An option without an effect is an error, because whoever gave it expects one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.bases.names import JOIN
from pipeline.errors import SettingError
from pipeline.images.manifest import Manifest
from pipeline.images.remote.addresses import is_url, name_in
from pipeline.images.sources.archives.archives import is_archive
from pipeline.images.sources.reading import READ_KEYWORDS
from pipeline.images.sources.tables.tables import EXTENSIONS as TABLES
from pipeline.stage_two.spec import LINEAR_GRIDS

Values = Mapping[str, Any]
"""Values of the options by keyword, those with their defaults too."""

FINETUNING_REGIMES = ("cached-finetune", "finetune")
_NAMED = ("keras", "sklearn", "tfds")
_HUGGING_FACE = (".parquet", ".arrow")
_SPELLINGS = {"from_layer": "--from", "on_run": "--on"}


@dataclass(frozen=True)
class Effect:
    """A condition under which options have an effect."""

    options: tuple[str, ...]
    """Keywords."""

    condition: str
    """The condition in words, after "has an effect only"."""

    holds: Callable[[Values], bool]
    """Whether the options have an effect. It is true, too, where a command lacks the options that decide."""

    shown: str
    """The keyword whose value is shown in the message."""


def check_effects(given: Collection[str], values: Values) -> None:
    """Check that each option that was given has an effect.

    Args:
        given: Keywords of the options that the user gave.
        values: The values of all options.

    Raises:
        SettingError: One has none; the message says what it needs.
    """
    wanted = [name for name in given if not _is_empty(values.get(name))]
    for effect in EFFECTS:
        names = [name for name in effect.options if name in wanted]
        if names and not effect.holds(values):
            listed = ", ".join(map(spell, names))
            verb, pronoun = ("has", "it") if len(names) == 1 else ("have", "them")
            raise SettingError(
                f"{listed} {verb} an effect only {effect.condition}. "
                f"Received: {spell(effect.shown)} {_shown(values.get(effect.shown))}. Leave {pronoun} out, or change that."
            )


def spell(name: str) -> str:
    """A keyword as an option: `batch_size` is `--batch-size`. DATA is an argument."""
    return "DATA" if name == "data" else _SPELLINGS.get(name, f"--{name.replace('_', '-')}")


def _is_empty(value: Any) -> bool:
    """Whether a value says no more than that the option is not used: None, False, nothing in a list."""
    return value is None or value is False or (isinstance(value, tuple | list) and not value)


def _shown(value: Any) -> str:
    if isinstance(value, Manifest):
        return "the result of scan(), which is read already"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value).lower()


def _names(value: str | Sequence[str]) -> list[str]:
    """Names in a list, or in a text with commas."""
    return [name.strip() for name in (value.split(",") if isinstance(value, str) else value)]


def _has_dense_head(values: Values) -> bool:
    if set(_names(values.get("regimes", "dense"))) == {"linear"}:
        return False
    heads = values.get("head") or ()
    texts: Iterable[str] = (heads,) if isinstance(heads, str) else heads
    kinds = [kind.strip() for text in texts for kind in text.partition(":")[0].split("|")]
    return not kinds or any(kind not in LINEAR_GRIDS for kind in kinds)


def _has_views(values: Values) -> bool:
    return "views" not in values or bool(values["views"])


def _finetunes(values: Values) -> bool:
    return "regimes" not in values or bool(set(FINETUNING_REGIMES) & set(_names(values["regimes"])))


def _trains_head_first(values: Values) -> bool:
    return not values.get("on_run")


def _has_first_phase(values: Values) -> bool:
    return "head_epochs" not in values or (not values.get("on_run") and values["head_epochs"] != 0)


def _is_no_race(values: Values) -> bool:
    return not any(values.get(name) for name in ("bases", "sizes", "cuts"))


def _can_send(values: Values) -> bool:
    return values.get("backend") != "threading"


def _recomputes(values: Values) -> bool:
    return "recompute" not in values or bool(values["recompute"])


def _has_no_data(values: Values) -> bool:
    return "data" not in values or values["data"] is None


def _is_read(values: Values) -> bool:
    """Whether there is data that is read now."""
    return "data" not in values or not (values["data"] is None or isinstance(values["data"], Manifest))


def _is_table(values: Values) -> bool:
    """Whether the data may have columns: paths that do not exist yet are reported by their reader."""
    path = _path(values)
    if path is None:
        return not _is_named(values)
    if path.is_dir():
        return any(entry.suffix.lower() in (*TABLES, *_HUGGING_FACE) for entry in path.iterdir())
    return not is_archive(path) and path.suffix.lower() not in (".npz", ".npy")


def _has_columns(values: Values) -> bool:
    """Whether the data may have columns or named arrays."""
    path = _path(values)
    return _is_table(values) or (path is None or path.suffix.lower() == ".npz")


def _has_folders(values: Values) -> bool:
    path = _path(values)
    return not _is_named(values) if path is None else path.is_dir() or is_archive(path) or not path.exists()


def _is_folder(values: Values) -> bool:
    path = _path(values)
    return not _is_named(values) if path is None else path.is_dir() or not path.exists()


def _may_be_far(values: Values) -> bool:
    """Whether the data is a URL, or may name some."""
    path = _path(values)
    if is_url(values.get("data")) or path is None:
        return not _is_named(values)
    return not path.is_dir() and not is_archive(path) and path.suffix.lower() not in (".npz", ".npy")


def _path(values: Values) -> Path | None:
    """The data as a path; None if it is not one, or is a named data set such as `keras:mnist`."""
    data = values.get("data")
    if is_url(data):
        return Path("/", name_in(str(data)))  # what decides is its ending
    return Path(data) if isinstance(data, str | Path) and not _is_named(values) else None


def _is_named(values: Values) -> bool:
    return str(values.get("data", "")).partition(":")[0] in _NAMED


EFFECTS = (
    Effect(("share",), "with --shared URL", lambda values: bool(values.get("shared")), "shared"),
    Effect(("repeats",), "with --folds", lambda values: bool(values.get("folds")), "folds"),
    Effect(("folds",), "without stored views: --views 0", lambda values: not values.get("views"), "views"),
    Effect(("cut",), "without --pool cls, which is a cut itself", lambda values: values.get("pool") != "cls", "pool"),
    Effect(("sample",), "without a race of --bases, --sizes or --cuts", _is_no_race, "bases"),
    Effect(("base",), "without --bases, which takes its place", lambda values: not values.get("bases"), "bases"),
    Effect(("size",), "without --sizes, which takes its place", lambda values: not values.get("sizes"), "sizes"),
    Effect(("cut",), "without --cuts, which takes its place", lambda values: not values.get("cuts"), "cuts"),
    Effect(
        ("epochs", "lr", "head_batch_size", "optimizer", "schedule", "patience", "keep", "view_mode"),
        "with a dense head, such as --head dense:256,relu",
        _has_dense_head,
        "head",
    ),
    Effect(("view_mode", "view_seed", "tta"), "with stored views: --views K --augment A", _has_views, "views"),
    Effect(
        ("base_lr", "head_lr", "from_layer"),
        f"where the base is trained: --regimes with {' or '.join(FINETUNING_REGIMES)}",
        _finetunes,
        "regimes",
    ),
    Effect(("head_epochs",), "where a head is trained first: without --on", _trains_head_first, "on_run"),
    Effect(
        ("lr",),
        "where a head is trained first: with --head-epochs above 0 and without --on",
        _has_first_phase,
        "head_epochs",
    ),
    Effect(("gather", "ship_images"), "with worker processes: --backend loky or dask", _can_send, "backend"),
    Effect(("data",), "with --recompute N, the number of rows to compute again", _recomputes, "recompute"),
    Effect(("photo",), "without DATA, whose own images are measured", _has_no_data, "data"),
    Effect(
        ("pool",),
        "with a base that has a grid: rows of joined bases are averages, so max has nothing to take the maximum of",
        lambda values: values.get("pool") != "max" or JOIN not in str(values.get("base") or ""),
        "base",
    ),
    Effect(READ_KEYWORDS, "where DATA is read", _is_read, "data"),
    Effect(("root", "path_column"), "with a table (.csv, .jsonl, .parquet) or a data frame", _is_table, "data"),
    Effect(("spool_gb",), "with a URL, or a table that may name some", _may_be_far, "data"),
    Effect(
        ("label", "split_column", "group_column"),
        "with a table, a data frame or named arrays",
        _has_columns,
        "data",
    ),
    Effect(
        ("ignore_column",),
        "with a table, a data frame, named arrays or class folders",
        lambda values: _has_columns(values) or _has_folders(values),
        "data",
    ),
    Effect(("classes_from",), "with class folders: a folder of images, or an archive of one", _has_folders, "data"),
    Effect(("follow_links",), "with a folder", _is_folder, "data"),
)
"""Checked in this order."""
