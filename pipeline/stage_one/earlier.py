"""Stores of earlier layers from which missing rows can be derived."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import list_stores
from pipeline.settings import Settings
from pipeline.stage_one.derive import can_derive
from pipeline.stage_one.recipes import trunk_of

logger = logging.getLogger(__name__)


def earlier_stores(missing: Keys, store: Store, settings: Settings) -> Sequence[Store]:
    """Stores of the same trunk, cut earlier, that hold some of the missing rows; the latest cut first.

    Args:
        missing: Keys of the rows that are wanted.
        store: The store that lacks them.
        settings: Weights and cache folder.
    """
    recipe = store.recipe
    candidates = [found for found in _candidates(recipe, settings.paths.cache) if found.has(missing).any()]
    if not candidates:
        return []
    from pipeline.bases.cut import valid_cuts
    from pipeline.bases.network import build_base

    cuts = valid_cuts(build_base(find_base(recipe.base), recipe.decoder.size_px))
    earlier = [
        found
        for found in candidates
        if found.recipe.cut in cuts[: cuts.index(recipe.cut)]
        and trunk_of(replace(settings.features, cut=found.recipe.cut))[0].digest == found.recipe.trunk_digest
    ]
    earlier.sort(key=lambda found: -cuts.index(found.recipe.cut))
    if earlier:
        names = ", then ".join(found.name for found in earlier)
        logger.info("%s: rows are derived from those of %s.", store.name, names)
    return earlier


def _candidates(recipe: Recipe, cache: Path) -> list[Store]:
    """Stores with rows of full precision whose recipe differs from this one only in the cut."""
    prefix = f"{recipe.base}-{recipe.decoder.size_px}px-"
    stores = [store for store in list_stores(cache) if store.name.startswith(prefix)]

    def at_this_cut(other: Recipe) -> Recipe:
        return replace(
            other, cut=recipe.cut, trunk_digest=recipe.trunk_digest, pooling=recipe.pooling, dtype=recipe.dtype
        )

    return [
        store
        for store in stores
        if can_derive(store.recipe)
        and store.recipe.cut != recipe.cut
        and at_this_cut(store.recipe).fingerprint == recipe.fingerprint
    ]
