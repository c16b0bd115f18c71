"""Stage one as a verb: data in, rows in the store."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bases.files import home_folder
from pipeline.bases.table import find_base
from pipeline.cache.audit import list_stores
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.images.scan import scan as scan_data
from pipeline.settings import Options, backend_for, kept_engine, make_engine, make_recipe, trunk_of
from pipeline.stage_one.derive import deepen
from pipeline.stage_one.distribute import distribute
from pipeline.stage_one.extract import Extraction, missing_items
from pipeline.stage_one.extract import extract as extract_rows

logger = logging.getLogger(__name__)

# Largest difference of a row from a fresh computation, relative to the row's largest value.
# Engines agree to 1e-4; rows may have been made by another one than the one that is asked.
_TOLERANCE = {"float32": 1e-4, "float16": 2e-3}


def scan(
    data: Data,
    *,
    label: str = "label",
    root: Path | None = None,
    split: str = "80/10/10",
    split_seed: int = 0,
    options: Options | None = None,
) -> Manifest:
    """The manifest of a data set; see `pipeline.images.scan.scan`."""
    chosen = options or Options()
    manifest = scan_data(
        data,
        label=label,
        root=root,
        split=split,
        split_seed=split_seed,
        hashes=chosen.hashes,
        home=home_folder(),
        progress=chosen.progress,
    )
    counts = Counter(manifest.splits)
    listed = ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test"))
    logger.info("%s: %d images (%s), %d skipped.", manifest.title, len(manifest), listed, len(manifest.skipped))
    return manifest


def extract(data: Data | Manifest, *, pool: str = "none", options: Options | None = None) -> Extraction:
    """Stage one: make the rows that are missing.

    Args:
        data: What `scan` takes, or a manifest.
        pool: `none` stores the grid, which later serves every pooling; `avg` or `max` saves space.
        options: Base and places.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set, or none is left.
    """
    chosen = options or Options()
    manifest = manifest_of(data, chosen)
    recipe, _ = make_recipe(manifest, chosen)
    return extract_recipe(manifest, recipe.with_pooling(pool), chosen)


def recompute(data: Data | Manifest, count: int, *, options: Options | None = None) -> dict[str, Any]:
    """Run random rows through the base again and compare them with what the store serves.

    Returns:
        {rows, largest_difference (relative to the largest value of a row), bad: names beyond the tolerance}.

    Raises:
        MissingRowsError: An image has no row yet.
    """
    chosen = options or Options()
    manifest = manifest_of(data, chosen)
    recipe, _ = make_recipe(manifest, chosen)
    rows = np.random.default_rng(0).choice(len(manifest), min(count, len(manifest)), replace=False)
    part = manifest.select([int(row) for row in rows])
    stored = Store(chosen.cache, recipe).read(row_keys(part.digests)).reshape(len(part), -1)
    pixels = np.stack([recipe.decoder.decode(part.read(row)) for row in range(len(part))])
    fresh = make_engine(recipe, chosen, len(part)).features(pixels).reshape(len(part), -1)
    difference = np.abs(fresh - stored).max(axis=1) / np.maximum(np.abs(fresh).max(axis=1), 1e-12)
    tolerance = _TOLERANCE[recipe.dtype]
    return {
        "rows": len(part),
        "largest_difference": float(difference.max()),
        "bad": [name for name, value in zip(part.names, difference, strict=True) if not value <= tolerance],
    }


def extract_recipe(manifest: Manifest, recipe: Recipe, options: Options, *, views: Sequence[int] = (0,)) -> Extraction:
    """Make the missing rows of one recipe.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set, or none is left.
    """
    extraction = make_rows(manifest, recipe, options, views=views)
    skipped = extraction.manifest.skipped
    listed = "; ".join(f"{entry.path}: {entry.reason}" for entry in skipped[:5])
    if skipped and options.strict:
        raise DataLayoutError(f"{len(skipped)} images had to be skipped, and --strict is set: {listed}")
    if not len(extraction.manifest):
        raise DataLayoutError(f"None of the {len(skipped)} images can be read: {listed}")
    return extraction


def make_rows(manifest: Manifest, recipe: Recipe, options: Options, *, views: Sequence[int] = (0,)) -> Extraction:
    """Make the missing rows of one recipe; the images that cannot be read are in the `skipped` of its manifest."""
    store = Store(options.cache, recipe)
    start = time.monotonic()
    keys = np.concatenate([row_keys(manifest.digests, view) for view in views])
    with contextlib.nullcontext() if store.has(keys).all() else store.adding():
        num_deepened, engine = _deepen(keys, store, options)
        extraction = _compute(manifest, store, views, options)
    extraction = replace(
        extraction,
        num_new=extraction.num_new + num_deepened,
        num_deepened=num_deepened,
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


def _compute(manifest: Manifest, store: Store, views: Sequence[int], options: Options) -> Extraction:
    """Run the trunk over what is missing, in this process or by workers."""
    recipe, num_rows = store.recipe, len(missing_items(manifest, store, views))
    backend = backend_for(recipe, options, num_rows)
    if backend == "threading":
        return extract_rows(
            manifest,
            store,
            partial(make_engine, recipe, options),
            views=views,
            batch_size=options.batch_size,
            num_workers=options.workers,
            progress=options.progress,
        )
    return distribute(
        manifest,
        store,
        partial(kept_engine, recipe, replace(options, progress=False), num_rows),
        replace(options, backend=backend).who_works,
        views=views,
        batch_size=options.batch_size,
        gather=options.gather,
        ship_images=options.ship_images,
        progress=options.progress,
    )


def _deepen(keys: Keys, store: Store, options: Options) -> tuple[int, str | None]:
    """Make what can be made of rows of earlier layers, the latest of them first; how many that were, and by what engine.

    A few missing rows, such as those of images that cannot be read, are not worth opening other stores.
    """
    missing = keys[~store.has(keys)]
    if len(missing) <= options.batch_size:
        return 0, None
    candidates = [found for found in _candidates(store.recipe, options.cache) if found.has(missing).any()]
    if not candidates:
        return 0, None
    from pipeline.bases.cut import valid_cuts
    from pipeline.bases.network import build_base

    recipe = store.recipe
    cuts = valid_cuts(build_base(find_base(recipe.base), recipe.decoder.size_px))
    earlier = [
        found
        for found in candidates
        if found.recipe.cut in cuts[: cuts.index(recipe.cut)]
        and trunk_of(replace(options, cut=found.recipe.cut))[0].digest == found.recipe.trunk_digest
    ]
    earlier.sort(key=lambda found: -cuts.index(found.recipe.cut))
    if earlier:
        logger.info("%s: rows are made from those of %s.", store.name, ", then ".join(found.name for found in earlier))
    done = [
        deepen(
            keys,
            found,
            store,
            partial(make_engine, recipe, options, earlier=found.recipe),
            batch_size=options.batch_size,
            progress=options.progress,
        )
        for found in earlier
    ]
    return sum(count for count, _ in done), next((engine for _, engine in done if engine), None)


def can_deepen(recipe: Recipe) -> bool:
    """Whether rows of later layers can be made from these: grids that have lost nothing."""
    return (recipe.pooling, recipe.dtype, recipe.precision) == ("none", "float32", "float32")


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
        if can_deepen(store.recipe)
        and store.recipe.cut != recipe.cut
        and here(store.recipe).fingerprint == recipe.fingerprint
    ]


def manifest_of(data: Data | Manifest, options: Options) -> Manifest:
    """A manifest as it is, or the scan of what the user wrote."""
    return data if isinstance(data, Manifest) else scan(data, options=options)
