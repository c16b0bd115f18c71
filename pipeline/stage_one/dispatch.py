"""Missing rows are computed from the images: in this process, or by workers."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pipeline.cache.store import Store
from pipeline.errors import MissingRowsError
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import has_pixels
from pipeline.settings import Settings
from pipeline.stage_one.computing.compute import Computed
from pipeline.stage_one.computing.distribute import distribute
from pipeline.stage_one.computing.in_process import extract_in_process
from pipeline.stage_one.engines.choose import choose_backend, kept_engine, make_engine
from pipeline.stage_one.missing import missing_items
from pipeline.stage_one.reuse.record import mention_others


def compute_missing(manifest: Manifest, store: Store, views: Sequence[int], settings: Settings) -> Computed:
    """Run the trunk over the images whose rows are missing.

    Args:
        manifest: The images.
        store: Where rows are looked up and added.
        views: View numbers.
        settings: Weights and compute; `auto` backends are chosen by the number of rows.

    Raises:
        MissingRowsError: Rows are missing, and the images come from a manifest file.
    """
    items = missing_items(manifest, store, views)
    if items and not has_pixels(manifest):
        raise MissingRowsError(
            f"{len(items):,} of {len(manifest) * len(views):,} rows are not in {store.folder}, and {manifest.source} lists digests and no "
            "pixels. Run `bottleneck features` with these settings where the images are, and bring the store here (`bottleneck cache push URL` "
            f"there, `cache pull URL` here).{mention_others(manifest, store.recipe)}"
        )
    recipe, weights, compute = store.recipe, settings.features.weights, settings.compute
    backend = choose_backend(recipe, weights, compute, len(items))
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
