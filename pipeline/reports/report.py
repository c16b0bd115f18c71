"""Write one HTML page on runs: select them, gather what is shown, render it."""

import datetime as dt
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline.errors import RunNotFoundError
from pipeline.files import replacing
from pipeline.insight.duplicates import NEAR
from pipeline.insight.page import check_page
from pipeline.reports.board import answer, caution
from pipeline.reports.content import MAX_DETAILED, Content, gather
from pipeline.reports.gallery import MAX_THUMBNAILS
from pipeline.reports.page import render
from pipeline.reports.projection import require_umap
from pipeline.reports.selection import Selection, select
from pipeline.runs.folder import RunFolder
from pipeline.runs.listing import RunGroup, group_runs
from pipeline.runs.naming import plain_name
from pipeline.settings import Settings
from pipeline.version import __version__


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    runs: tuple[str, ...]
    """Names of the runs on it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"report": str(self.path), "runs": list(self.runs)}

    def _repr_html_(self) -> str:
        """A link to the page."""
        address, names = html.escape(self.path.resolve().as_uri()), html.escape(", ".join(self.runs))
        return f'<a href="{address}" target="_blank">{html.escape(str(self.path))}</a>: {names}'


def write_report(
    names: Sequence[str | Path],
    settings: Settings,
    *,
    path: Path | None = None,
    near: float = NEAR,
    with_umap: bool = False,
    data: str | Path | None = None,
) -> Report:
    """Write the page on some runs, on comparisons, or on all runs.

    Args:
        names: Runs, or folders that `compare` made; none: all runs.
        settings: Folder of the runs, and of the cache for their features.
        path: The page; None: report.html in the runs folder for all runs, in its own folder for one run or comparison, and a file in
            the runs folder that is named after them for several.
        near: Minimum cosine of features of images in two splits that are shown as near duplicates.
        with_umap: Add a second map, by UMAP.
        data: Where the images of the runs are now; None: where each run says, or at a URL that this machine has read them from before.

    Raises:
        RunNotFoundError: There is no run to report on.
        SettingError: The page's name does not end with .html, or its folder cannot be written.
        MissingExtraError: UMAP is wanted and not installed.
    """
    if with_umap:
        require_umap()
    selection = select(names, settings.paths.runs)
    if not selection.runs:
        raise RunNotFoundError(
            f"There is no run in {settings.paths.runs} to report on; `bottleneck head DATA` makes one."
        )
    path = path or _path_of(selection, settings.paths.runs, is_all=not names)
    check_page(path)
    groups = group_runs(selection.runs)
    content = gather(groups, settings, near=near, with_umap=with_umap, data=data)
    text = render(_page_data(names, selection, groups, content))
    with replacing(path) as beside:
        # A file name that is not Unicode has characters that UTF-8 cannot encode.
        beside.write_text(text, encoding="utf-8", errors="replace")
    return Report(path, tuple(run.name for run in selection.runs))


def _path_of(selection: Selection, runs: Path, *, is_all: bool) -> Path:
    """Where the page is written, so that a page of some runs does not replace the page of all runs."""
    if is_all:
        return runs / "report.html"
    if len(selection.folders) == 1:
        return selection.folders[0] / "report.html"
    names = [folder.name for folder in selection.folders]
    joined = plain_name("-".join(names))
    # Long lists of names are cut, so a digest tells them apart.
    digest = f"-{hashlib.sha256(repr(names).encode()).hexdigest()[:8]}" if joined != "-".join(names) else ""
    return runs / f"report-{joined}{digest}.html"


def _page_data(
    names: Sequence[str | Path], selection: Selection, groups: Sequence[Sequence[RunFolder]], content: Content
) -> dict[str, Any]:
    """All that the page shows, for JSON."""
    ends = list(accumulate(map(len, groups)))
    return {
        "title": _title(names, selection.runs),
        "answer": answer(groups),
        "caution": caution(groups),
        "written": f"bottleneck {__version__}, {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "runs": content.sections,
        "tasks": [
            {"title": RunGroup(runs).heading, "data": _data_of(runs[0]), "runs": list(range(end - len(runs), end))}
            for runs, end in zip(groups, ends, strict=True)
        ],
        "comparisons": list(selection.comparisons),
        "galleries": [gallery.as_data() for gallery in content.galleries],
        "maps": content.maps,
        "max_thumbnails": MAX_THUMBNAILS,
        "max_detailed": MAX_DETAILED,
    }


def _data_of(run: RunFolder) -> list[str | None]:
    """Equal for runs that ask different questions of the same data; and the question."""
    info = run.info
    return [" ".join(filter(None, (info.data, info.source, info.root))), info.label_column]


def _title(names: Sequence[str | Path], runs: Sequence[RunFolder]) -> str:
    if len(names) == 1:
        return str(names[0])
    return runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
