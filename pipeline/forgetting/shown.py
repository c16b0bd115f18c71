"""Pages, tables and evaluations below the folder of the runs that show the images, outside the runs themselves."""

import html
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DamagedStoreError
from pipeline.files import read_json
from pipeline.runs.plots.by_task import NAMES
from pipeline.runs.tables import read_table
from pipeline.surroundings import index_folder

_MOST_BYTES = 2**31
_EVALUATION = ("predictions.csv", "evaluation.json", "report.html", *NAMES)


@dataclass(frozen=True)
class Removed:
    """A file that shows an image and can be made again, so it is removed."""

    file: str
    again: str
    """How it is made again."""


def find_shown(
    runs: Path, digests: Collection[bytes], names: Collection[str], changed: Collection[str]
) -> list[Removed]:
    """What is removed, because it shows the images, or a run as it was.

    Args:
        runs: Folder of the runs.
        digests: SHA-256 of each image.
        names: Paths of the images, as runs and pages have them.
        changed: Names of the runs that are fitted or scored again; their own folders are not looked through.
    """
    own = frozenset(runs / name for name in changed)
    found = list(_evaluations(runs, digests, own))
    known = {entry.file for entry in found}
    return [*found, *(page for page in _pages(runs, digests, names, changed, own) if page.file not in known)]


def find_indexes() -> list[Removed]:
    """Indexes of `similar`, which are copies of rows: their names do not show which images they hold, so all of them are removed."""
    again = "bottleneck similar IMAGE... --in DATA"
    return [Removed(str(path), again) for path in sorted(index_folder().glob("*.faiss"))]


def _evaluations(runs: Path, digests: Collection[bytes], own: frozenset[Path]) -> Iterator[Removed]:
    wanted = {digest.hex() for digest in digests}
    for record in sorted(runs.rglob("evaluation.json")):
        folder = record.parent
        if not own.isdisjoint(record.parents) or not _evaluates(folder, wanted):
            continue
        again = f"bottleneck evaluate {_run_of(record)} DATA --out {folder}"
        yield from (Removed(str(folder / name), again) for name in _EVALUATION if (folder / name).is_file())


def _evaluates(folder: Path, wanted: Collection[str]) -> bool:
    try:
        return any(row.get("sha256") in wanted for row in read_table(folder / "predictions.csv"))
    except (FileNotFoundError, DamagedStoreError):
        return False


def _run_of(record: Path) -> str:
    try:
        return str(read_json(record, _MOST_BYTES)["run"])
    except (OSError, ValueError, TypeError, LookupError):
        return "RUN"


def _pages(
    runs: Path, digests: Collection[bytes], names: Collection[str], changed: Collection[str], own: frozenset[Path]
) -> Iterator[Removed]:
    images = _pattern([*names, *(digest.hex() for digest in digests)])
    run_names = _pattern(changed)
    for page in sorted(runs.rglob("*.html")):
        if not own.isdisjoint(page.parents):
            continue
        text = page.read_text(encoding="utf-8", errors="replace")
        if not (images.search(text) or (page.name.startswith("report") and run_names.search(text))):
            continue
        is_audit = page.name.startswith("audit-")
        again = "bottleneck audit DATA" if is_audit else _report_of(page, runs)
        yield Removed(str(page), again)
        if is_audit and page.with_suffix(".csv").is_file():
            yield Removed(str(page.with_suffix(".csv")), again)


def _report_of(page: Path, runs: Path) -> str:
    return "bottleneck report" if page == runs / "report.html" else f"bottleneck report RUN... --out {page}"


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Any of these words, as pages write them, and not as a part of another name."""
    forms = {
        form
        for word in words
        for form in (word, html.escape(word), json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1])
    }
    joined = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.compile(rf"(?<![\w.-])(?:{joined})(?![\w-]|\.\w)" if forms else r"(?!)")
