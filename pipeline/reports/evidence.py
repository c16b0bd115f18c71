"""Where the runs of a page looked in its images: maps from the stored rows, small enough for hundreds of thumbnails."""

import base64
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import row_keys
from pipeline.errors import SettingError
from pipeline.evidence.find import ImageEvidence, explain_rows
from pipeline.evidence.finer import offer_finer
from pipeline.evidence.grids import read_grids, stored_grids
from pipeline.evidence.overlay import largest_of
from pipeline.reports.gallery import Gallery
from pipeline.runs.folder import RunFolder
from pipeline.runs.listing import FAULTS
from pipeline.runs.run import load_run
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

_BLOCK = 64
_MAX_CELLS = 16
"""Along a side: a thumbnail shows no more."""

_LEVELS = 127


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
    for run, section in zip(runs, sections, strict=True):
        if "gallery" in section and galleries[section["gallery"]].thumbnails:
            section["evidence"] = _evidence_of(run, galleries[section["gallery"]], settings)


def _evidence_of(folder: RunFolder, gallery: Gallery, settings: Settings) -> dict[str, Any]:
    """The maps of a run, or {note: why there are none}."""
    rows = sorted(gallery.thumbnails)
    try:
        return _maps_of(folder, rows, [gallery.predictions.digests[row] for row in rows], settings)
    except (*FAULTS, SettingError) as error:
        logger.info("%s: no evidence on the page: %s", folder.name, error)
        return {"note": f"There are no maps of where it looked. {error}"}


def _maps_of(folder: RunFolder, rows: Sequence[int], digests: Sequence[bytes], settings: Settings) -> dict[str, Any]:
    if folder.info.regime is not None:
        raise SettingError(
            f"The base of this run was trained, too, and is not run for this page: bottleneck predict {folder.name} IMAGES --evidence FOLDER."
        )
    run, recipe = load_run(folder.path, settings), Recipe.from_dict(dict(folder.info.recipe))
    keys = row_keys(digests)
    stores = stored_grids(recipe, settings.paths.cache, keys)
    found = [
        one
        for start in range(0, len(rows), _BLOCK)
        for one in explain_rows(run, read_grids(stores, keys[start : start + _BLOCK]))
    ]
    shape = found[0].map.shape
    return as_data(rows, found, recipe.decoder.fit, run.task.names) | {
        "shape": list(shape),
        "finer": offer_finer(settings.paths.cache, recipe, shape),
    }


def as_data(rows: Sequence[int], found: Sequence[ImageEvidence], fit: str, names: Sequence[str]) -> dict[str, Any]:
    """Maps for a page: {how, unit, fit, rows, names, answers, against, totals, largest, height, width, cells}.

    The cells of a map are whole numbers of -127 to 127, in parts of its largest value, one byte each; those of all maps follow each other
    in base64.

    Args:
        rows: What the page calls the images.
        found: Their evidence.
        fit: How images became squares; see `Decoder`.
        names: Classes, labels or columns, which `answers` and `against` count.
    """
    maps = [_shrunk(one.map) for one in found]
    largest = [largest_of(each) for each in maps]
    cells = np.stack([np.round(each / end * _LEVELS) for each, end in zip(maps, largest, strict=True)]).astype(np.int8)
    return {
        "how": found[0].how,
        "unit": found[0].unit,
        "fit": fit,
        "rows": list(rows),
        "names": list(names),
        "answers": [names.index(one.answer) for one in found],
        "against": [None if one.against is None else names.index(one.against) for one in found],
        "totals": [float(f"{one.total:.4g}") for one in found],
        "largest": [float(f"{end:.4g}") for end in largest],
        "height": cells.shape[1],
        "width": cells.shape[2],
        "cells": base64.b64encode(cells.tobytes()).decode(),
    }


def _shrunk(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map of at most 16 x 16 cells, each the mean of those that it covers."""
    height, width = (min(side, _MAX_CELLS) for side in cells.shape)
    if (height, width) == cells.shape:
        return cells
    return np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BOX))
