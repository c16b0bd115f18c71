"""What is gathered for a page: the sections of its runs, and the galleries and maps that these share."""

import base64
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding.decoder import make_thumbnail
from pipeline.progress import note, progress_bar
from pipeline.reports.alike import find_alike
from pipeline.reports.evidence import add_evidence
from pipeline.reports.gallery import MAX_THUMBNAILS, Gallery, add_thumbnails, by_interest
from pipeline.reports.maps import draw_map, pairs_of
from pipeline.reports.prediction_table import PredictionTable, read_prediction_table
from pipeline.reports.sections import detail, summarise
from pipeline.reports.suspects import checked_of, judge_labels
from pipeline.runs.folder import RunFolder
from pipeline.runs.images import RunImages, find_images, name_images
from pipeline.runs.listing import FAULTS
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

MAX_DETAILED = 12
"""Runs of one page that have all details; the others are in the leaderboard only."""

_THUMBNAIL_PX = 112
NOWHERE = "None of the images is where it was, with the same content."
_AHEAD = 64
"""Images that are fetched while others are drawn."""

_CURE = "`report --data DATA` shows them from where they are now: a folder, an archive, a table or a URL (one that was signed, signed anew)."


@dataclass
class Content:
    """The sections, galleries and maps of a page. Runs on the same images share a gallery, and a map if they share features too."""

    sections: list[dict[str, Any]] = field(default_factory=list)
    """One per run, for the page. Those with details have the numbers of their `gallery` and `map`."""

    galleries: list[Gallery] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)
    """See `pipeline.reports.maps.draw_map`."""

    features: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = field(default_factory=dict)
    """Rows and features of each map that has features, by its number."""

    named: RunImages | None = None
    """Images that the user named; None: those of each run are looked for."""

    map_numbers: dict[tuple[int, str], int] = field(default_factory=dict)
    """Number of the map of each gallery's number and recipe."""


def gather(
    groups: Sequence[Sequence[RunFolder]],
    settings: Settings,
    *,
    near: float,
    with_umap: bool,
    data: str | Path | None = None,
) -> Content:
    """Summarise all runs, read all details of the best runs of each group, and make thumbnails.

    Args:
        groups: Runs by task, each group ranked.
        settings: Cache folder, for the features.
        near: Minimum cosine of near duplicates.
        with_umap: Add a second projection to each map, by UMAP.
        data: Where the images of all runs are now; None: where each run says.
    """
    content = Content(named=None if data is None else name_images(data, settings))
    detailed = _best(groups)
    runs = [run for group in groups for run in group]
    for run in progress_bar(runs, desc="runs", unit="run", progress=settings.compute.progress):
        section = summarise(run)
        if run in detailed and os.path.lexists(run.path / "predictions.csv"):
            draw = partial(draw_map, settings=settings, near=near, with_umap=with_umap)
            section |= _details(content, run, draw, settings)
        content.sections.append(section)
    _fill_galleries(content, progress=settings.compute.progress)
    add_evidence(runs, content.sections, content.galleries, settings)
    for (gallery, _), number in content.map_numbers.items():
        if number in content.features:
            content.maps[number]["alike"] = find_alike(*content.features[number], content.galleries[gallery].thumbnails)
    return content


def _details(
    content: Content, run: RunFolder, draw: Callable[..., dict[str, Any]], settings: Settings
) -> dict[str, Any]:
    """Details of a run, and the numbers of its gallery and map; none, with a warning, if its files cannot be read."""
    try:
        predictions = read_prediction_table(run)
        found = detail(run, predictions)
    except FAULTS as error:
        logger.warning("The page shows no details of the run %s: %s", run.name, error)
        return {}
    number = _gallery_number(content, run, predictions, settings)
    return found | {"gallery": number, "map": _map_number(content, run, number, draw)}


def _best(groups: Sequence[Sequence[RunFolder]]) -> list[RunFolder]:
    """The best runs: the first of each group, then the second of each, and so on."""
    in_turn = [run for turn in zip_longest(*groups) for run in turn if run is not None]
    return in_turn[:MAX_DETAILED]


def _gallery_number(content: Content, run: RunFolder, predictions: PredictionTable, settings: Settings) -> int:
    """The number of the gallery of a run's images, which is added if there is none yet."""
    task = run.task
    for number, gallery in enumerate(content.galleries):
        if gallery.holds(predictions, task):
            gallery.runs.append((predictions, task))
            return number
    found = content.named or find_images(run, predictions.names, predictions.digests, settings)
    if found.is_far:
        note(f"{run.name}: the images that the page shows are fetched.", progress=settings.compute.progress)
    content.galleries.append(Gallery(predictions, task, found, found.note, [(predictions, task)]))
    return len(content.galleries) - 1


def _map_number(content: Content, run: RunFolder, gallery: int, draw: Callable[..., dict[str, Any]]) -> int:
    """The number of the map of these images' features, which is drawn if there is none yet."""
    key = (gallery, run.info.fingerprint)
    if key not in content.map_numbers:
        number = content.map_numbers[key] = len(content.maps)
        predictions = content.galleries[gallery].predictions
        drawn = draw(run, predictions, keep=lambda rows, X: content.features.update({number: (rows, X)}))
        drawn["suspects"] = judge_labels(
            run.task, predictions, content.features.get(number), drawn.get("note"), checked_of(run)
        )
        content.maps.append(drawn)
    return content.map_numbers[key]


def _fill_galleries(content: Content, *, progress: bool) -> None:
    """Thumbnails of the most interesting images; the galleries share the maximum."""
    left = MAX_THUMBNAILS
    found = [(number, gallery) for number, gallery in enumerate(content.galleries) if gallery.note is None]
    found.sort(key=lambda entry: len(entry[1].predictions))  # what the small ones leave is for the large ones
    total = min(MAX_THUMBNAILS, sum(len(gallery.predictions) for _, gallery in found))
    with progress_bar(desc="thumbnails", unit="image", progress=progress, total=total) as bar:
        for place, (number, gallery) in enumerate(found):
            maps = [content.maps[drawn] for (of, _), drawn in content.map_numbers.items() if of == number]
            pairs = [rows for drawn in maps for rows in pairs_of(drawn)]
            gallery.limit = left // (len(found) - place)
            rows = _announced(gallery, by_interest(gallery.runs, pairs))
            left -= add_thumbnails(gallery, rows, partial(_thumbnail, gallery, bar))
            if not gallery.thumbnails:
                gallery.note = _why_none(gallery)
    for gallery in content.galleries:
        if gallery.note is not None and any(gallery.predictions.digests):
            gallery.note = f"{gallery.note} {_CURE}"
            logger.warning("The page shows no images: %s", gallery.note)


def _why_none(gallery: Gallery) -> str:
    failures = gallery.images.failures if gallery.images else []
    last = str(failures[-1]).rstrip(".") if failures else ""
    return f"None of the images could be fetched: {last}." if last else NOWHERE


def _announced(gallery: Gallery, rows: Iterator[int]) -> Iterator[int]:
    """The same rows; their images are fetched some places ahead, where they have to be."""
    if gallery.images is None:
        yield from rows
        return
    waiting: deque[int] = deque()
    seen: set[int] = set()
    for row in rows:
        if row in seen:
            continue
        seen.add(row)
        if len(seen) <= gallery.limit:
            gallery.images.announce(gallery.predictions.digests[row])
        waiting.append(row)
        if len(waiting) > _AHEAD:
            yield waiting.popleft()
    yield from waiting


def _thumbnail(gallery: Gallery, bar: "tqdm[Any]", row: int) -> str | None:
    data = gallery.images.read(gallery.predictions.digests[row]) if gallery.images else None
    bar.update()
    if data is None:
        return None
    try:
        return base64.b64encode(make_thumbnail(data, _THUMBNAIL_PX)).decode()
    except UnreadableImageError:
        return None
