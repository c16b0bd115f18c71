"""Which rows are missing, and then they are there: derived from rows of an earlier layer, or computed from the images.

Whoever needs rows asks `ensure`; it computes only what the store lacks.
"""

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.bases.table import find_base
from pipeline.cache.audit import list_stores
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.derive import can_derive, derive
from pipeline.stage_one.distribute import distribute
from pipeline.stage_one.engines.choose import choose_backend, kept_engine, make_engine
from pipeline.stage_one.extract import Extraction, extract, missing_items
from pipeline.stage_one.recipes import trunk_of

logger = logging.getLogger(__name__)


def ensure(manifest: Manifest, recipe: Recipe, settings: Settings, *, views: Sequence[int] = (0,)) -> Extraction:
    """Make the rows of a data set that the store lacks.

    Args:
        manifest: The images.
        recipe: Of the rows.
        settings: Weights, cache folder and compute; the rest is in the recipe.
        views: View numbers.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set, or none is left.
    """
    extraction = make_rows(manifest, recipe, settings, views=views)
    skipped = extraction.manifest.skipped
    listed = "; ".join(f"{entry.path}: {entry.reason}" for entry in skipped[:5])
    if skipped and settings.compute.strict:
        raise DataLayoutError(f"{len(skipped)} images had to be skipped, and --strict is set: {listed}")
    if not len(extraction.manifest):
        raise DataLayoutError(f"None of the {len(skipped)} images can be read: {listed}")
    return extraction


def make_rows(manifest: Manifest, recipe: Recipe, settings: Settings, *, views: Sequence[int] = (0,)) -> Extraction:
    """Make the missing rows of one recipe; the images that cannot be read are in the `skipped` of its manifest."""
    store = Store(settings.paths.cache, recipe)
    start = time.monotonic()
    keys = np.concatenate([row_keys(manifest.digests, view) for view in views])
    with contextlib.nullcontext() if store.has(keys).all() else store.adding():
        num_derived, engine = _derive(keys, store, settings)
        extraction = _compute(manifest, store, views, settings)
    extraction = replace(
        extraction,
        num_new=extraction.num_new + num_derived,
        num_derived=num_derived,
        engine=extraction.engine or engine,
        seconds=time.monotonic() - start,
    )
    logger.info(
        "%s: %d rows wanted, %d of them new%s.",
        store.name,
        len(keys),
        extraction.num_new,
        f", by {extraction.engine}" if extraction.engine else "",
    )
    return extraction


def _compute(manifest: Manifest, store: Store, views: Sequence[int], settings: Settings) -> Extraction:
    """Run the trunk over the images whose rows are missing, in this process or by workers."""
    recipe, weights, compute = store.recipe, settings.features.weights, settings.compute
    num_rows = len(missing_items(manifest, store, views))
    backend = choose_backend(recipe, compute, num_rows)
    if backend == "threading":
        return extract(
            manifest,
            store,
            partial(make_engine, recipe, weights, compute),
            views=views,
            batch_size=compute.batch_size,
            num_workers=compute.workers,
            progress=compute.progress,
        )
    return distribute(
        manifest,
        store,
        partial(kept_engine, recipe, weights, replace(compute, progress=False), num_rows),
        replace(compute, backend=backend).executor,
        views=views,
        batch_size=compute.batch_size,
        gather=compute.gather,
        ship_images=compute.ship_images,
        progress=compute.progress,
    )


def _derive(keys: Keys, store: Store, settings: Settings) -> tuple[int, str | None]:
    """Derive what rows of earlier layers allow, those of the latest layer first; how many rows, and by what engine.

    A few missing rows, such as those of images that cannot be read, are not worth opening other stores.
    """
    missing, compute = keys[~store.has(keys)], settings.compute
    if len(missing) <= compute.batch_size:
        return 0, None
    done = [
        derive(
            keys,
            found,
            store,
            partial(make_engine, store.recipe, settings.features.weights, compute, earlier=found.recipe),
            batch_size=compute.batch_size,
            progress=compute.progress,
        )
        for found in _earlier_stores(missing, store, settings)
    ]
    return sum(count for count, _ in done), next((engine for _, engine in done if engine), None)


def _earlier_stores(missing: Keys, store: Store, settings: Settings) -> list[Store]:
    """Stores of the same trunk cut earlier that hold some of these rows, the latest cut first."""
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
        logger.info(
            "%s: rows are derived from those of %s.", store.name, ", then ".join(found.name for found in earlier)
        )
    return earlier


def _candidates(recipe: Recipe, cache: Path) -> list[Store]:
    """Stores whose recipe differs from this one in the layer alone, with rows of full precision."""
    beginning = f"{recipe.base}-{recipe.decoder.size_px}px-"
    stores = [store for store in list_stores(cache) if store.name.startswith(beginning)]

    def here(other: Recipe) -> Recipe:
        return replace(
            other, cut=recipe.cut, trunk_digest=recipe.trunk_digest, pooling=recipe.pooling, dtype=recipe.dtype
        )

    return [
        store
        for store in stores
        if can_derive(store.recipe)
        and store.recipe.cut != recipe.cut
        and here(store.recipe).fingerprint == recipe.fingerprint
    ]
