"""Where the head of the page looked in the images that are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.bases.names import CLASS_TOKEN, JOIN
from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.evidence.find import explain_rows
from pipeline.evidence.grids import check_stored, open_grids, read_grids
from pipeline.evidence.maps import Array
from pipeline.evidence.page import as_data, overlay_script
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction

if TYPE_CHECKING:
    from pipeline.tuner.session import Results, Session


@dataclass(frozen=True)
class Grids:
    """The grids of images, which are read when they are asked for: the rows in memory are pooled."""

    read: Callable[[Sequence[bytes]], list[Array]]
    """By the images' SHA-256."""

    fit: str
    """How images became squares."""


def grids_of(extraction: Extraction, settings: Settings) -> Grids:
    """The grids of the images that have rows."""
    recipe = extraction.store.recipe

    @cache  # opening a store checks all its bytes
    def stores() -> Sequence[Store]:
        is_whole = recipe.pooling == "none" and recipe.cut != CLASS_TOKEN and JOIN not in recipe.base
        return [extraction.store] if is_whole else open_grids(recipe, settings.paths.cache, settings.features.weights)

    def read(digests: Sequence[bytes]) -> list[Array]:
        keys = row_keys(digests)
        return read_grids(check_stored(stores(), keys), keys)

    return Grids(read, recipe.decoder.fit)


def evidence_of(session: "Session", results: "Results", rows: Sequence[int]) -> dict[str, Any]:
    """Where a head looked in these rows of the manifest, for the script of the page.

    Raises:
        SettingError: Their rows have no grid, or it is not stored.
    """
    if session.grids is None:
        raise SettingError("The rows of this page have no grid, so there is no map of where the head looked.")
    parts = session.grids.read([session.manifest.digests[row] for row in rows])
    found = explain_rows(results.on_rows, results.task, results.choice.pooling, parts)
    return as_data(rows, found, session.grids.fit, results.classes)


def evidence_script() -> str:
    """The script that draws maps over the images of the page."""
    own = Path(__file__).with_name("evidence.js").read_text(encoding="utf-8")
    return f"<script>(() => {{\n{overlay_script()}{own}}})();</script>"
