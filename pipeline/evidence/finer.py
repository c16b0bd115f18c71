"""Stores whose rows were cut earlier: heads on them have finer maps."""

import math
from pathlib import Path

from pipeline.cache.recipe import Recipe, read_recipe
from pipeline.cache.shard import read_rows
from pipeline.cache.store import Store
from pipeline.cache.stores import store_folders
from pipeline.errors import DamagedStoreError, ForeignEntryError, UnreadableStoreError

_REFUSED = (DamagedStoreError, ForeignEntryError, UnreadableStoreError)


def offer_finer(cache: Path, recipe: Recipe, shape: tuple[int, ...]) -> str | None:
    """A sentence on the finest grid that is stored for this base and this decoding; None if there is no finer one.

    Args:
        cache: The cache folder.
        recipe: Of the run.
        shape: Of its maps, (h, w).
    """
    found = {
        cut: grid for cut, grid in _grids(cache, recipe) if math.prod(grid) > math.prod(shape) and cut != recipe.cut
    }
    if not found:
        return None
    cut = max(found, key=lambda name: math.prod(found[name]))
    (h, w), (fine_h, fine_w) = shape, found[cut]
    return f"These maps have {h} x {w} cells. Rows of {cut} are stored, too: a head on them (--cut {cut}) has maps of {fine_h} x {fine_w}."


def _grids(cache: Path, recipe: Recipe) -> list[tuple[str, tuple[int, int]]]:
    """Cut and grid of the stores with the same base and decoding; only the keys of a shard are read."""
    found = []
    for folder in store_folders(cache) if cache.is_dir() else ():
        try:
            other = read_recipe(folder)
            if (other.base, other.decoder, other.pooling) != (recipe.base, recipe.decoder, "none"):
                continue
            paths = Store(cache, other).shard_paths()
            shape = read_rows(paths[0], other).row_shape if paths else ()
        except _REFUSED:
            continue  # commands that need it name it
        if len(shape) == 3:
            found.append((other.cut, (shape[0], shape[1])))
    return found
