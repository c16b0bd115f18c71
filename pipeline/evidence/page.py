"""Maps on a page: as data, a byte for each cell, and the script that draws them over thumbnails."""

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.evidence.overlay import largest_of
from pipeline.evidence.results import ImageEvidence
from pipeline.files import naming_errors

_MAX_CELLS = 16
"""Along a side: a thumbnail shows no more."""

_LEVELS = 127


def overlay_script() -> str:
    """Functions in JavaScript: `mapOf`, `drawMap`, `mapLegend`."""
    path = Path(str(files(__package__) / "static" / "overlay.js"))
    with naming_errors(path):
        return path.read_text(encoding="utf-8")


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
