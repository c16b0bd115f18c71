"""Stores of earlier layers from which missing rows can be derived."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import list_stores
from pipeline.settings import Settings
from pipeline.stage_one.derive import can_derive
from pipeline.stage_one.recipes import weights_file

logger = logging.getLogger(__name__)


def earlier_stores(missing: Keys, store: Store, settings: Settings) -> Sequence[Store]:
    """Stores of the same trunk, cut earlier, that hold some of the missing rows; the latest cut first.

    Args:
        missing: Keys of the rows that are wanted.
        store: The store that lacks them.
        settings: Weights and cache folder.
    """
    candidates = [found for found in _candidates(store.recipe, settings.paths.cache) if found.has(missing).any()]
    trunks = _earlier_trunks(store.recipe, settings.features.weights) if candidates else {}
    earlier = [
        found
        for trunk in reversed(trunks.items())
        for found in candidates
        if (found.recipe.cut, found.recipe.trunk_digest) == trunk
    ]
    if earlier:
        names = ", then ".join(found.name for found in earlier)
        logger.info("%s: rows are derived from those of %s.", store.name, names)
    return earlier


def _earlier_trunks(recipe: Recipe, weights: str) -> dict[str, str]:
    """The layers before a recipe's cut at which its base can be divided, in order, with the digests of their trunks."""
    from pipeline.bases.cut import trunk_digests
    from pipeline.bases.weights import load_base

    spec = find_base(recipe.base)
    base = load_base(spec, spec.native_px, weights_file(spec.name, weights))
    return dict(takewhile(lambda trunk: trunk[0] != recipe.cut, trunk_digests(base).items()))


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
