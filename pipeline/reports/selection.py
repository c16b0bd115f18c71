"""Which runs and comparisons are on a page."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DamagedStoreError
from pipeline.files import read_json
from pipeline.reports.board import describe_comparison
from pipeline.runs.folder import RunFolder, open_run
from pipeline.runs.listing import list_runs, readable

logger = logging.getLogger(__name__)

_MAX_BYTES = 2**26


@dataclass(frozen=True)
class Selection:
    """Runs, each of them once, and comparisons as the page shows them."""

    runs: tuple[RunFolder, ...]
    comparisons: tuple[dict[str, Any], ...]

    folders: tuple[Path, ...] = ()
    """Of the named runs and comparisons, each of them once; empty if all runs are meant."""


def select(names: Sequence[str | Path], folder: Path) -> Selection:
    """The named runs, and those of the named comparisons; without names all runs, and the comparisons whose runs are all there.

    Args:
        names: Runs, or folders that `compare` made.
        folder: Folder of the runs.

    Raises:
        RunNotFoundError: There is no run of a name, or a run of a comparison is missing.
        DamagedStoreError: A comparison cannot be read.
    """
    return _select_named(names, folder) if names else _select_all(folder)


def _select_all(folder: Path) -> Selection:
    runs = readable(list_runs(folder))
    present = {run.name for run in runs}
    found = []
    for path in sorted(folder.glob("comparison-*/comparison.json")):
        try:
            found.append(_read_comparison(path))
        except DamagedStoreError as error:
            logger.warning("The comparison %s is left out: %s", path.parent.name, error)
    complete = [comparison for comparison in found if {row["run"] for row in comparison["rows"]} <= present]
    return Selection(tuple(runs), tuple(complete))


def _select_named(names: Sequence[str | Path], folder: Path) -> Selection:
    runs: dict[Path, RunFolder] = {}
    comparisons, folders = [], dict[Path, Path]()
    known = [path.parent.name for path in folder.glob("comparison-*/comparison.json")]
    for name in names:
        path = next((path for path in (Path(name), folder / name) if (path / "comparison.json").is_file()), None)
        if path is None:
            found = [open_run(name, folder, also=known)]
        else:
            comparisons.append(_read_comparison(path / "comparison.json"))
            found = [open_run(row["run"], path.parent) for row in comparisons[-1]["rows"]]
        chosen = path or found[0].path
        folders[chosen.resolve()] = chosen
        runs |= {run.path.resolve(): run for run in found}
    return Selection(tuple(runs.values()), tuple(comparisons), tuple(folders.values()))


def _read_comparison(path: Path) -> dict[str, Any]:
    try:
        return describe_comparison(read_json(path, _MAX_BYTES))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedStoreError(f"{path} is not a comparison: {error!r}.") from error
