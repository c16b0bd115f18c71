"""Make sure that rows are there: the missing ones are derived from rows of an earlier layer, or computed from the images."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, view_keys
from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.compute import Computed, Item
from pipeline.stage_one.derive import derive
from pipeline.stage_one.distribute import distribute
from pipeline.stage_one.earlier import earlier_stores
from pipeline.stage_one.engines.choose import choose_backend, kept_engine, make_engine
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.in_process import extract_in_process
from pipeline.stage_one.missing import leave_out, missing_items
from pipeline.stage_one.older import name_others, store_with_most

logger = logging.getLogger(__name__)


def ensure(
    manifest: Manifest,
    recipe: Recipe,
    settings: Settings,
    *,
    views: Sequence[int] = (0,),
    alternative: Recipe | None = None,
) -> Extraction:
    """Make the rows of a data set that the store lacks.

    Args:
        manifest: The images.
        recipe: Of the rows.
        settings: Weights, cache folder and compute; everything else is in the recipe.
        views: View numbers.
        alternative: Another recipe that serves as well. Its store is used if it has all rows and the first one has not.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set, or none can be read.
    """
    extraction = make_rows(manifest, recipe, settings, views=views, alternative=alternative)
    skipped = extraction.manifest.skipped
    listed = "; ".join(f"{entry.path}: {entry.reason}" for entry in skipped[:5])
    if skipped and settings.compute.strict:
        raise DataLayoutError(f"{len(skipped)} images had to be skipped, and --strict is set: {listed}")
    if not len(extraction.manifest):
        raise DataLayoutError(f"None of the {len(skipped)} images can be read: {listed}")
    return extraction


def make_rows(
    manifest: Manifest,
    recipe: Recipe,
    settings: Settings,
    *,
    views: Sequence[int] = (0,),
    alternative: Recipe | None = None,
) -> Extraction:
    """Like `ensure`, but images that cannot be read are no error: they are only listed in `manifest.skipped` of the result."""
    start = time.monotonic()
    recipe = recipe.with_max_pixels(settings.compute.max_pixels)
    keys = view_keys(manifest.digests, views)
    cache, recipes = settings.paths.cache, [recipe, alternative] if alternative else [recipe]
    store = store_with_most(manifest, cache, recipes, keys)
    missing = keys[~store.has(keys)]
    if len(missing) > settings.compute.batch_size:
        name_others(missing, store, cache)
    with store.adding(keys):
        num_derived, engine = _derive(keys, store, settings)
        done = _compute(manifest, missing_items(manifest, store, views), store, settings)
    extraction = Extraction(
        manifest=leave_out(manifest, done.left_out),
        store=store,
        num_new=done.num_rows + num_derived,
        num_derived=num_derived,
        engine=done.engine or engine,
        seconds=time.monotonic() - start,
    )
    _warn_judged(done)
    logger.info(
        "%s: %d rows needed, %d of them new%s.",
        store.name,
        len(keys),
        extraction.num_new,
        f", computed by {extraction.engine}" if extraction.engine else "",
    )
    return extraction


def _warn_judged(done: Computed) -> None:
    """Count the images whose range of values was judged, by their significant bits."""
    counts = Counter(done.judged.values())
    if counts:
        listed = ", ".join(f"{counts[bits]} with {bits} bits" for bits in sorted(counts))
        logger.warning(
            "%d images have 16 bits a channel but no value that needs them; their range was judged by the largest value in each "
            "file: %s. If images are to be compared by brightness, convert them to 8 bits first, all in the same way.",
            counts.total(),
            listed,
        )


def _derive(keys: Keys, store: Store, settings: Settings) -> tuple[int, str | None]:
    """Derive as many missing rows as stores of earlier layers allow: how many that were, and by which engine.

    A few missing rows, such as those of images that cannot be read, are not worth opening other stores.
    """
    missing, compute = keys[~store.has(keys)], settings.compute
    if len(missing) <= compute.batch_size:
        return 0, None
    done = [
        derive(
            keys,
            earlier,
            store,
            partial(make_engine, store.recipe, settings.features.weights, compute, earlier=earlier.recipe),
            batch_size=compute.batch_size,
            progress=compute.progress,
        )
        for earlier in earlier_stores(missing, store, settings)
    ]
    return sum(count for count, _ in done), next((engine for _, engine in done if engine), None)


def _compute(manifest: Manifest, items: Sequence[Item], store: Store, settings: Settings) -> Computed:
    """Run the trunk over the images whose rows are still missing, in this process or by workers."""
    recipe, weights, compute = store.recipe, settings.features.weights, settings.compute
    backend = choose_backend(recipe, compute, len(items))
    if backend == "threading":
        return extract_in_process(
            manifest,
            items,
            store,
            partial(make_engine, recipe, weights, compute, len(items)),
            batch_size=compute.batch_size,
            num_workers=compute.workers,
            progress=compute.progress,
        )
    return distribute(
        manifest,
        items,
        store,
        partial(kept_engine, recipe, weights, replace(compute, progress=False), len(items)),
        replace(compute, backend=backend).executor,
        batch_size=compute.batch_size,
        gather=compute.gather,
        ship_images=compute.ship_images,
        progress=compute.progress,
    )
