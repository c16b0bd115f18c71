"""Types of options: names from the tables that the settings check, and ranges of numbers.

The tables are in modules that load numpy, so they are read when a command runs or shows its help, not when the program starts.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem


class Whole(click.IntRange):
    """A whole number in a range; the help shows N."""

    name = "whole number"  # in the message on other texts

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Shown in the help."""
        return "N"


class Number(click.FloatRange):
    """A number in a range; the help shows X."""

    name = "number"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Shown in the help."""
        return "X"


SIZE = COUNT = Whole(min=1)
COUNT_OR_NONE = Whole(min=0)
VIEWS = Whole(0, 255)
RATE = Number(min=0, min_open=True)
SHARE = Number(0, 1)
GIGABYTES = Number(min=0)
SEED = Whole(0, 2**32 - 1)
PORT = Whole(1, 65535)


class Names(click.Choice[str]):
    """One of a few names, which are read from their table when they are needed."""

    def __init__(self, read: Callable[[], Iterable[str]]) -> None:
        self._read = read
        self.case_sensitive = True  # click's own __init__ does only this, and reads the names

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the table."""
        return tuple(self._read())


class Listed(click.ParamType):  # type: ignore[type-arg]
    """Values with commas between them."""

    name = "values"

    def __init__(self, each: click.ParamType | None = None) -> None:  # type: ignore[type-arg]
        self._each = each or click.STRING

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """The values as a tuple."""
        if not isinstance(value, str):
            return tuple(value)
        return tuple(self._each.convert(part.strip(), param, ctx) for part in value.split(",") if part.strip())


class NameList(click.ParamType):  # type: ignore[type-arg]
    """Several names with commas between them."""

    name = "names"

    def __init__(self, read: Callable[[], Iterable[str]]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names as a tuple."""
        names = tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else tuple(value)
        known = tuple(self._read())
        for name in names:
            if name not in known:
                self.fail(f"{name!r} is not one of {', '.join(known)}.", param, ctx)
        return names

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Shown in the help."""
        return "NAME,..."

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names that can follow those that are typed already."""
        typed, comma, start = incomplete.rpartition(",")
        taken = typed.split(",")
        return [
            CompletionItem(f"{typed}{comma}{name}")
            for name in self._read()
            if name.startswith(start) and name not in taken
        ]


def _backends() -> Sequence[str]:
    from pipeline.execution.workers import BACKENDS

    return BACKENDS


def _calibrations() -> Sequence[str]:
    from pipeline.tasks.calibration import METHODS

    return METHODS


def _class_folders() -> Sequence[str]:
    from pipeline.images.sources.reading import CLASS_FOLDERS

    return CLASS_FOLDERS


def _dtypes() -> Sequence[str]:
    from pipeline.cache.recipe import DTYPES

    return DTYPES


def _engines() -> Sequence[str]:
    from pipeline.settings import ENGINES

    return ENGINES


def _fits() -> Sequence[str]:
    from pipeline.images.decoding.pixels import FITS

    return FITS


def _losses() -> Sequence[str]:
    from pipeline.stage_two.dense.settings import LOSSES

    return LOSSES


def _tasks() -> Sequence[str]:
    from pipeline.tasks.task import KINDS

    return KINDS


def _keeps() -> Sequence[str]:
    from pipeline.stage_two.dense.settings import KEEPS

    return KEEPS


def _poolings() -> Sequence[str]:
    from pipeline.cache.recipe import POOLINGS

    return POOLINGS


def _poolings_and_token() -> Sequence[str]:
    return (*_poolings(), "cls")


def _precisions() -> Sequence[str]:
    from pipeline.bases.table import PRECISIONS

    return PRECISIONS


def _preprocessing() -> Sequence[str]:
    from pipeline.bases.table import PREPROCESSING_NAMES

    return PREPROCESSING_NAMES


def _regimes() -> Iterable[str]:
    from pipeline.comparison.regimes import REGIMES

    return REGIMES


def _resize_methods() -> Iterable[str]:
    from pipeline.images.decoding.decoder import RESIZE_METHODS

    return RESIZE_METHODS


def _schedules() -> Sequence[str]:
    from pipeline.stage_two.dense.settings import SCHEDULES

    return SCHEDULES


def _view_modes() -> Sequence[str]:
    from pipeline.stage_two.dense.settings import VIEW_MODES

    return VIEW_MODES


BACKEND = Names(_backends)
CALIBRATION = Names(_calibrations)
CLASS_FOLDER = Names(_class_folders)
TASK = Names(_tasks)
LOSS = Names(_losses)
DTYPE = Names(_dtypes)
ENGINE = Names(_engines)
FIT = Names(_fits)
KEEP = Names(_keeps)
POOLING = Names(_poolings)
POOLING_OR_TOKEN = Names(_poolings_and_token)
PRECISION = Names(_precisions)
PREPROCESSING = Names(_preprocessing)
REGIMES = NameList(_regimes)
RESIZE_METHOD = Names(_resize_methods)
SCHEDULE = Names(_schedules)
VIEW_MODE = Names(_view_modes)
