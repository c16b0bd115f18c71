"""The grids of the images of the page, which are read when they are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from pipeline.bases.names import CLASS_TOKEN, JOIN
from pipeline.cache.store import Store, row_keys
from pipeline.evidence.grids import check_stored, open_grids, read_grids
from pipeline.evidence.maps import Array
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction


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
