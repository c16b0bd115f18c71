"""Where the runs of a page looked in its images: maps from the stored rows, small enough for hundreds of thumbnails."""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.evidence.explain import ways_of
from pipeline.evidence.find import explain_rows
from pipeline.evidence.finer import offer_finer
from pipeline.evidence.grids import check_stored, open_grids, read_grids
from pipeline.evidence.page import as_data
from pipeline.reports.gallery import Gallery
from pipeline.runs.folder import RunFolder
from pipeline.runs.listing import FAULTS
from pipeline.runs.run import load_run
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

MAX_SLOW = 100
"""Thumbnails, the most interesting ones first, that have a map if it takes long: if each of its cells is another search among all training images,
or layers of the base are run forward and back."""

_BLOCK = 64
_Open = Callable[[Recipe, Path, str], Sequence[Store]]


def add_evidence(
    runs: Sequence[RunFolder], sections: Sequence[dict[str, Any]], galleries: Sequence[Gallery], settings: Settings
) -> None:
    """Give the section of each run with details the maps of the thumbnails of its gallery, as `evidence`.

    Args:
        runs: The runs of the page.
        sections: Theirs.
        galleries: With thumbnails.
        settings: Cache folder.
    """
    open_once = cache(open_grids)  # opening a store checks all its bytes
    for run, section in zip(runs, sections, strict=True):
        if "gallery" in section and galleries[section["gallery"]].thumbnails:
            section["evidence"] = _evidence_of(run, galleries[section["gallery"]], open_once, settings)


def _evidence_of(folder: RunFolder, gallery: Gallery, open_store: _Open, settings: Settings) -> dict[str, Any]:
    """The maps of a run, or {note: why there are none}."""
    try:
        return _maps_of(folder, gallery, open_store, settings)
    except (*FAULTS, SettingError) as error:
        logger.info("%s: no evidence on the page: %s", folder.name, error)
        return {"note": f"There are no maps of where it looked. {error}"}


def _maps_of(folder: RunFolder, gallery: Gallery, open_store: _Open, settings: Settings) -> dict[str, Any]:
    run, recipe = load_run(folder.path, settings), Recipe.from_dict(dict(folder.info.recipe))
    is_slow = ways_of(run.head)[0] == "blank" or run.info.first_trained_layer is not None
    rows = sorted(list(gallery.thumbnails)[: MAX_SLOW if is_slow else None])
    keys = row_keys([gallery.predictions.digests[row] for row in rows])
    stores = check_stored(open_store(recipe, settings.paths.cache, run.info.weights), keys)
    found = [
        one
        for start in range(0, len(rows), _BLOCK)
        for one in explain_rows(run.head, run.task, run.info.pool, read_grids(stores, keys[start : start + _BLOCK]))
    ]
    shape = found[0].map.shape
    return as_data(rows, found, recipe.decoder.fit, run.task.names) | {
        "shape": list(shape),
        "limit": MAX_SLOW if is_slow and len(gallery.thumbnails) > len(rows) else None,
        "finer": offer_finer(settings.paths.cache, recipe, shape) if len(stores) == 1 else None,
    }
