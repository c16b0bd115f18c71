"""Missing rows are derived from the stores of earlier layers, where there are any."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import list_stores
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.recipes import weights_file
from pipeline.stage_one.reuse.derive import can_derive, derive

logger = logging.getLogger(__name__)


def derive_missing(keys: Keys, store: Store, settings: Settings) -> tuple[int, str | None]:
    """Derive as many missing rows as stores of earlier layers allow: how many that were, and by which engine.

    A few missing rows, such as those of images that cannot be read, are not worth opening other stores.

    Args:
        keys: Keys of the rows that are wanted.
        store: Where rows are looked up and added.
        settings: Weights, cache folder and compute.
    """
    missing, compute = keys[~store.has(keys)], settings.compute
    if len(missing) <= compute.batch_size:
        return 0, None
    weights = settings.features.weights
    done = [
        derive(
            keys,
            earlier,
            store,
            partial(make_engine, store.recipe, weights, compute, earlier=earlier.recipe),
            batch_size=compute.batch_size,
            progress=compute.progress,
        )
        for earlier in earlier_stores(missing, store, settings)
    ]
    return sum(count for count, _ in done), next((engine for _, engine in done if engine), None)


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

    spec = find_base(recipe.base, weights=weights)
    if spec.is_onnx:
        return {}  # it is not divided into trunk and tail
    base = load_base(spec, spec.native_px, weights_file(spec.name, weights), cut=recipe.cut)
    return dict(takewhile(lambda trunk: trunk[0] != recipe.cut, trunk_digests(base, with_graph=spec.is_file).items()))


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
