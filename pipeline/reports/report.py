"""The report as a verb: runs, their photographs and their features on one page."""

import base64
import datetime as dt
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import DamagedStoreError, ForeignEntryError, RunNotFoundError, SettingError, UnreadableImageError
from pipeline.files import replacing
from pipeline.images.decode import make_thumbnail
from pipeline.reports.board import answer, caution, describe_comparison, group
from pipeline.reports.gallery import MOST_THUMBNAILS, Gallery, take_thumbnails, worth_showing
from pipeline.reports.page import render
from pipeline.reports.predictions import Predictions, read_predictions
from pipeline.reports.projection import project_pca, project_umap, require_umap
from pipeline.reports.sections import detail, summarise
from pipeline.reports.similar import NEAR, exact_duplicates, near_duplicates
from pipeline.runs.folder import RunFolder, list_runs, open_run
from pipeline.runs.images import Photographs, find_photographs
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

MOST_DETAILED = 12
"""Runs of one page that have a section; the leaderboard has all."""

_MOST_MAPPED = 10_000
"""Images of one map; comparing each with each grows with the square."""

_THUMBNAIL_PX = 112


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    runs: tuple[str, ...]
    """Names of the runs on it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"report": str(self.path), "runs": list(self.runs)}


@dataclass
class _Page:
    """What the sections of a page share."""

    settings: Settings
    near: float
    with_umap: bool
    galleries: list[Gallery] = field(default_factory=list)
    photographs: list[Photographs] = field(default_factory=list)
    """Of each gallery."""

    said: list[list[Predictions]] = field(default_factory=list)
    """Of each gallery: what the runs of the page said of it."""

    maps: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    """By gallery and recipe."""


def write_report(
    names: Sequence[str | Path],
    settings: Settings,
    *,
    path: Path | None = None,
    near: float = NEAR,
    with_umap: bool = False,
) -> Report:
    """Write the page on some runs, comparisons, or all runs there are.

    Args:
        names: Runs, or folders that `compare` made; none of them means all.
        path: The page; None is report.html in the runs folder.
        near: Cosine of features from which on images of two splits are shown as near-duplicates.
        with_umap: A second map, by UMAP.
        settings: Places.

    Raises:
        RunNotFoundError: There is no run to report on.
        MissingExtraError: UMAP is asked for and not installed.
    """
    if with_umap:
        require_umap()
    runs, comparisons = _choose(names, settings.paths.runs)
    if not runs:
        raise RunNotFoundError("There is no run to report on; `bottleneck head DATA` makes one.")
    page, groups = _Page(settings, near, with_umap), group(runs)
    sections = _sections(page, groups)
    _add_thumbnails(page)
    ends = np.cumsum([len(of) for of in groups]).tolist()
    text = render(
        {
            "title": str(names[0]) if len(names) == 1 else f"{len(runs)} runs" if len(runs) > 1 else runs[0].name,
            "answer": answer(groups),
            "caution": caution(groups),
            "written": f"bottleneck {version('bottleneck-pipeline')}, {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
            "runs": sections,
            "tasks": [
                {"title": of[0].info.data, "runs": list(range(end - len(of), end))}
                for of, end in zip(groups, ends, strict=True)
            ],
            "comparisons": comparisons,
            "galleries": [gallery.as_data() for gallery in page.galleries],
            "maps": list(page.maps.values()),
            "most_thumbnails": MOST_THUMBNAILS,
            "most_detailed": MOST_DETAILED,
        }
    )
    path = path or settings.paths.runs / "report.html"
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="replace")  # of a name that is no Unicode
    return Report(path, tuple(run.name for run in runs))


def _choose(names: Sequence[str | Path], folder: Path) -> tuple[list[RunFolder], list[dict[str, Any]]]:
    """The runs, those of comparisons with them, and the comparisons as the page shows them; each run once."""
    if not names:
        runs = list_runs(folder)
        present = {run.name for run in runs}
        found = [_read_comparison(path) for path in sorted(folder.glob("comparison-*/comparison.json"))]
        return runs, [entry for entry in found if {row["run"] for row in entry["rows"]} <= present]
    chosen: dict[Path, RunFolder] = {}
    comparisons = []
    for name in names:
        place = next((p for p in (Path(name), folder / name) if (p / "comparison.json").is_file()), None)
        if place is None:
            run = open_run(name, folder)
            chosen[run.path.resolve()] = run
            continue
        comparisons.append(_read_comparison(place / "comparison.json"))
        for row in comparisons[-1]["rows"]:
            run = open_run(row["run"], place.parent)
            chosen[run.path.resolve()] = run
    return list(chosen.values()), comparisons


def _read_comparison(path: Path) -> dict[str, Any]:
    try:
        return describe_comparison(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedStoreError(f"{path} is not a comparison: {error!r}.") from error


def _sections(page: _Page, groups: Sequence[Sequence[RunFolder]]) -> list[dict[str, Any]]:
    """What the page says of each run, with all details of the best ones of each group."""
    runs = [run for of in groups for run in of]
    in_turn = [run.path for turn in zip_longest(*groups) for run in turn if run is not None]
    detailed = set(in_turn[:MOST_DETAILED])
    sections = []
    for run in tqdm(runs, desc="runs", unit="run", delay=2, disable=not page.settings.compute.progress):
        section = summarise(run)
        if run.path in detailed and (run.path / "predictions.csv").is_file():
            said = read_predictions(run)
            gallery = _gallery_of(page, run, said)
            section |= detail(run, said) | {"gallery": gallery, "map": _map_of(page, run, gallery)}
        sections.append(section)
    return sections


def _gallery_of(page: _Page, run: RunFolder, said: Predictions) -> int:
    """The place of the run's images among the galleries of the page; a new one where they are not there yet."""
    classes = run.info.classes
    for number, gallery in enumerate(page.galleries):
        if gallery.holds(said, classes):
            page.said[number].append(said)
            return number
    found = find_photographs(run, said.names, said.digests, page.settings)
    page.galleries.append(Gallery(said, tuple(classes), found.note))
    page.photographs.append(found)
    page.said.append([said])
    return len(page.galleries) - 1


def _map_of(page: _Page, run: RunFolder, gallery: int) -> int:
    """The place of the map of these images' features among those of the page."""
    key = (gallery, run.info.fingerprint)
    if key not in page.maps:
        page.maps[key] = _draw_map(page, run, page.galleries[gallery].predictions)
    return list(page.maps).index(key)


def _draw_map(page: _Page, run: RunFolder, said: Predictions) -> dict[str, Any]:
    exact = exact_duplicates(said.digests, said.splits)
    rows = np.arange(len(said))
    if len(rows) > _MOST_MAPPED:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_MAPPED, replace=False))
    digests = [said.digests[row] for row in rows]
    try:
        X, title = _features(run, digests, page.settings)
    except LookupError as reason:
        return {"exact": exact, "note": str(reason)}
    logger.info("%s: a map of %d rows.", run.name, len(X))
    found = near_duplicates(X, said.splits[rows], digests, threshold=page.near, progress=page.settings.compute.progress)
    found["pairs"] = [[int(rows[i]), int(rows[j]), cosine] for i, j, cosine in found["pairs"]]
    return {
        "exact": exact,
        "near": found,
        "features": title,
        "rows": None if len(rows) == len(said) else rows.tolist(),
        "pca": project_pca(X),
        "umap": project_umap(X) if page.with_umap else None,
    }


def _features(run: RunFolder, digests: Sequence[bytes], settings: Settings) -> tuple[NDArray[np.float32], str]:
    """Pooled rows of these images, (N, C), and what they are; they are only read, never made.

    Raises:
        LookupError: There are no such rows; the message says why.
    """
    if not all(digests):
        raise LookupError("This run does not know what its images contain, so their features cannot be found.")
    try:
        recipe = Recipe.from_dict(run.info.recipe)
        store = Store.open(settings.paths.cache / recipe.folder_name)
    except (DamagedStoreError, ForeignEntryError, SettingError) as error:
        raise LookupError(
            f"The features are not in {settings.paths.cache} (--cache names their folder). {error}"
        ) from error
    keys = row_keys(digests)
    missing = int((~store.has(keys)).sum())
    if missing:
        raise LookupError(f"{missing:,} of {len(keys):,} features are not in {store.name} any more.")
    pooling = recipe.pooling if recipe.pooling != "none" else "avg"
    title = f"{recipe.base}, {recipe.cut} at {recipe.decoder.size_px} px, {pooling} pooled"
    return store.read(keys, pooling=pooling), title


def _add_thumbnails(page: _Page) -> None:
    """Thumbnails of what is worth seeing, the room shared by the galleries."""
    progress = page.settings.compute.progress
    with tqdm(desc="thumbnails", unit="image", delay=2, disable=not progress) as bar:
        room = MOST_THUMBNAILS
        for number, (gallery, found) in enumerate(zip(page.galleries, page.photographs, strict=True)):
            if found.note is not None:
                continue
            maps = [drawn for (of, _), drawn in page.maps.items() if of == number]
            pairs = [rows for drawn in maps for rows in (*drawn["exact"], *_pairs(drawn))]
            share = room // (len(page.galleries) - number)
            make = partial(_thumbnail, gallery.predictions, found, bar)
            room -= take_thumbnails(gallery, worth_showing(page.said[number], pairs), make, share)
            if not gallery.thumbnails:
                gallery.note = "None of the photographs is where it was, with the same content."


def _pairs(drawn: dict[str, Any]) -> list[list[int]]:
    return [[i, j] for i, j, _ in drawn.get("near", {}).get("pairs", [])]


def _thumbnail(said: Predictions, found: Photographs, bar: "tqdm[Any]", row: int) -> str | None:
    data = found.read(said.digests[row])
    bar.update()
    if data is None:
        return None
    try:
        return base64.b64encode(make_thumbnail(data, _THUMBNAIL_PX)).decode()
    except UnreadableImageError:
        return None
