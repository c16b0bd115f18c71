"""Run folders: a trained head with all that is needed to predict with it, and to make it again.

runs/<name>/  run.json  metrics.json  history.csv  predictions.csv  head.npz | head.keras  novelty.npz  *.png
"""

import contextlib
import itertools
import logging
import math
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, RunNotFoundError, did_you_mean, foreign_file
from pipeline.files import check_regular, name_beside, open_regular, put, read_json, remove, write_json
from pipeline.images.sources.arrays.npz import read_npz
from pipeline.runs.info import RunInfo
from pipeline.runs.naming import check_form, numbered, plain_name
from pipeline.runs.tables import read_columns, read_table, write_table
from pipeline.stage_two.novelty.detector import Detector, Novelty, detector_from_arrays
from pipeline.surroundings import user_path
from pipeline.tasks.kinds import scores_from_dict, task_from_dict
from pipeline.tasks.scores import Scores
from pipeline.tasks.targets import Outputs
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

_DIGEST = re.compile("([0-9a-f]{64})?")
"""A SHA-256; empty if the run has not recorded it."""

_LISTED = 8
"""Runs that a message names."""

NOVELTY = "novelty.npz"
"""The detector of unfamiliar images (`pipeline.stage_two.novelty`)."""

_MAX_NOVELTY_BYTES = 2**26

_MAX_JSON_BYTES = 2**28
"""Of run.json, metrics.json and sweep.json; those of 20,000 classes take some megabytes."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Its files are read when they are first needed, and once."""

    path: Path

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.name

    @cached_property
    def info(self) -> RunInfo:
        """run.json."""
        return RunInfo.from_dict(self._json("run.json"), self.path / "run.json")

    @cached_property
    def task(self) -> Task:
        """What the run answers, in run.json.

        Raises:
            DamagedStoreError: There is no such task.
        """
        try:
            return task_from_dict(self.info.classes, self.info.task)
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            raise DamagedStoreError(f"{self.path / 'run.json'} does not hold a task: {error}") from error

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """metrics.json, by split."""
        try:
            kind, stored = self.task.kind, self._json("metrics.json")
            scores = {split: scores_from_dict(kind, values) for split, values in stored.items()}
            scores["validation"]  # every run has these
            for each in scores.values():
                float(each.main), float(each.loss)  # runs are ranked by them
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            if isinstance(error, DamagedStoreError):
                raise
            raise DamagedStoreError(f"{self.path / 'metrics.json'} does not hold scores by split: {error}") from error
        return scores

    @property
    def head_path(self) -> Path:
        """The head's file: `head.npz` or `head.keras`."""
        for name in ("head.npz", "head.keras"):
            if is_regular(self.path / name):
                return self.path / name
        raise DamagedStoreError(
            f"{self.path} has no head.npz and no head.keras: the run is incomplete. Train it again."
        )

    @cached_property
    def detector(self) -> Detector | None:
        """novelty.npz; None for a run of a version that wrote none.

        Raises:
            DamagedStoreError: It is not the file of a detector.
        """
        path = self.path / NOVELTY
        if not os.path.lexists(path):
            return None
        with foreign_file(path, "is not a readable file of plain arrays"):
            open_regular(path, _MAX_NOVELTY_BYTES).close()
        return detector_from_arrays(load_arrays(path), path)

    def predictions(self) -> list[dict[str, str]]:
        """predictions.csv: path, split, label, predicted, sha256, and probabilities as `write_predictions` wrote them.

        Raises:
            FileNotFoundError: The run has none.
            DamagedStoreError: It is not such a table, or a SHA-256 in it is none.
        """
        rows = read_table(self.path / "predictions.csv", ("path", "split", "label", "predicted"))
        self._check_digests(row.get("sha256") or "" for row in rows)
        return rows

    def prediction_columns(self, *names: str) -> list[tuple[str, ...]]:
        """Some columns of predictions.csv, each with a text for each image.

        Raises:
            FileNotFoundError, DamagedStoreError: As in `predictions`, or a column is missing.
        """
        columns = read_columns(self.path / "predictions.csv", names)
        if "sha256" in names:
            self._check_digests(columns[names.index("sha256")])
        return columns

    def _check_digests(self, digests: Iterable[str]) -> None:
        wrong = next((digest for digest in digests if not _DIGEST.fullmatch(digest)), None)
        if wrong is not None:
            raise DamagedStoreError(
                f"{self.path / 'predictions.csv'} has a SHA-256 that is not 64 hexadecimal digits: {wrong[:80]!r}."
            )

    def history(self) -> list[dict[str, float]]:
        """history.csv, one entry per epoch; empty for linear heads.

        Raises:
            DamagedStoreError: It is not such a table.
        """
        path = self.path / "history.csv"
        try:
            return [{name: float(value) for name, value in row.items()} for row in read_table(path)]
        except FileNotFoundError:
            return []
        except ValueError as error:
            if isinstance(error, DamagedStoreError):
                raise
            raise DamagedStoreError(f"{path} is not a table of numbers: {error}") from error

    def sweep(self) -> list[dict[str, Any]]:
        """sweep.json: all heads of the sweep whose best head this run is; empty for a run of no sweep.

        Raises:
            DamagedStoreError: It is not such a list.
        """
        path = self.path / "sweep.json"
        try:
            content = read_json(path, _MAX_JSON_BYTES)
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise DamagedStoreError(f"{path} cannot be read: {error}") from error
        if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
            raise DamagedStoreError(f"{path} is not a list of JSON objects.")
        return content

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = read_json(self.path / name, _MAX_JSON_BYTES)
        except (OSError, ValueError) as error:
            raise DamagedStoreError(f"{self.path / name} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise DamagedStoreError(f"{self.path / name} is not a JSON object.")
        return content


def is_regular(path: Path) -> bool:
    """Whether a path is a file, and not a link, a pipe or a device."""
    try:
        check_regular(path)
    except OSError:
        return False
    return True


def open_run(name: str | Path, runs: Path, *, also: Iterable[str] = ()) -> RunFolder:
    """A run by its name or folder.

    Args:
        name: A folder, or the name of a run below `runs`.
        runs: Folder of the runs.
        also: Other names that the message may suggest.

    Raises:
        RunNotFoundError: There is no such run; the message suggests the most similar name, and lists runs that exist.
    """
    for path in (user_path(name), runs / name):
        if (path / "run.json").is_file():
            return RunFolder(path)
    known = [path.parent.name for path in sorted(runs.glob("[!.]*/run.json"))]
    more = f" and {len(known) - _LISTED} more (`bottleneck runs` lists all)" if len(known) > _LISTED else ""
    listed = (
        f"Runs there: {', '.join(known[:_LISTED])}{more}."
        if known
        else "There are none; `bottleneck head DATA` makes one."
    )
    hint = did_you_mean(Path(name).name, [*known, *also])
    raise RunNotFoundError(f"No run {str(name)!r} below {runs}.{hint} {listed}")


class NewRun:
    """A run that is being written: in a temporary folder beside the final one, which is renamed when it is complete.

    Use as a context manager; if the body raises an error, the folder is removed.

    Args:
        runs: Folder of the runs.
        name: Name of the run; None: the stem with the first free number.
        stem: Beginning of a name that is made up.
        replace: Replace a run of this name.

    Raises:
        SettingError: The name is not one of a folder. Whether it is free is checked before the training (`check_run_name`): if it was
            taken since then, the run gets another one.
    """

    def __init__(self, runs: Path, name: str | None, stem: str, *, replace: bool = False) -> None:
        if name is not None:
            check_form(name)
        self._runs, self._name, self._replace = runs, name, replace
        self._stem = plain_name(stem)
        self.path = name_beside(runs / (name or self._stem))
        self._claimed: Path | None = None

    def __enter__(self) -> Self:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            remove(self.path)
            if self._claimed is not None:
                with contextlib.suppress(OSError):
                    self._claimed.rmdir()

    def finish(self, info: RunInfo, scores: Mapping[str, Scores]) -> RunFolder:
        """Write run.json and metrics.json, and rename the folder.

        If the name was taken during the training, the run gets a numbered name, and a warning says so: no finished work is lost.
        """
        final = self._final_path()
        write_json(self.path / "metrics.json", {split: values.as_stored() for split, values in scores.items()})
        write_json(self.path / "run.json", replace(info, name=final.name).as_dict())
        put(self.path, final)
        self._claimed = None
        return RunFolder(final)

    def _final_path(self) -> Path:
        """The run that is replaced, or an empty folder that is made now, so that another process uses another name."""
        if self._name is None:
            return self._claim_number(self._stem)
        path = self._runs / self._name
        if self._replace and _is_run_or_absent(path):
            return path
        try:
            path.mkdir()
        except FileExistsError:
            other = self._claim_number(self._name)
            logger.warning("%s was made by another process during the training. This run is %s.", path, other.name)
            return other
        self._claimed = path
        return path

    def _claim_number(self, stem: str) -> Path:
        for number in itertools.count(1):
            path = self._runs / numbered(stem, number)
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                self._claimed = path
                break
        return path


def _is_run_or_absent(path: Path) -> bool:
    """Whether there is a run or nothing at a path; other processes may replace the run meanwhile."""
    for _ in range(3):  # a folder that was listed may have been moved aside, and be half removed by now
        try:
            if "run.json" in os.listdir(path):  # noqa: PTH208 names alone
                return True
        except FileNotFoundError:
            return True
        except OSError:
            return False
    return False


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one line per epoch."""
    write_table(path, list(history[0]), [list(row.values()) for row in history])


def write_predictions(
    path: Path, rows: Iterable[tuple[str, str, str, bytes, Outputs]], task: Task, novelty: Novelty | None = None
) -> None:
    """Write one line per image: path, split, label, predicted label, SHA-256, probabilities (`pipeline.tasks.stored`), distance and p-value.

    Args:
        path: The file.
        rows: Name, split, label, SHA-256 and outputs (K,) of each image.
        task: What is asked.
        novelty: How far each image is from the training images; None: there are no such columns.
    """
    further = itertools.repeat([]) if novelty is None else _novelty_cells(novelty)
    lines = (
        [name, split, label, task.text(task.decide(output[None])[0]), digest.hex(), *task.cells(output), *cells]
        for (name, split, label, digest, output), cells in zip(rows, further, strict=novelty is not None)
    )
    columns = [] if novelty is None else ["distance", "p_value"]
    write_table(path, ["path", "split", "label", "predicted", "sha256", *task.cell_columns, *columns], lines)


def _novelty_cells(novelty: Novelty) -> Iterable[list[str]]:
    for pair in zip(novelty.distances.tolist(), novelty.p_values.tolist(), strict=True):
        yield ["" if math.isnan(number) else f"{number:.6g}" for number in pair]


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as `.npz`.

    Raises:
        ValueError: An array holds objects.
    """
    np.savez(path, allow_pickle=False, **dict(arrays))


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz` without unpickling.

    Raises:
        DamagedStoreError: The file is not a readable `.npz`, or it holds objects.
    """
    with foreign_file(path, "is not a readable file of plain arrays"):
        arrays = read_npz(path)
        foreign = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
        if foreign:
            raise ValueError(f"it also holds {foreign}")
        return arrays
