"""Stage one in this process."""

import time
from collections.abc import Callable, Sequence
from functools import partial

from pipeline.cache.store import Store
from pipeline.execution.threads import num_threads
from pipeline.images.manifest import Manifest
from pipeline.stage_one.compute import Engine, compute, row_bar
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.missing import leave_out, missing_items


def extract_in_process(
    manifest: Manifest,
    store: Store,
    make_engine: Callable[[int], Engine],
    *,
    views: Sequence[int] = (0,),
    batch_size: int = 32,
    num_workers: int | None = None,
    progress: bool = False,
) -> Extraction:
    """Compute the rows that the store lacks, in this process.

    The engine is made when the first missing image has been decoded, so a complete store needs none. An image that cannot be
    read is left out and listed in the result's `manifest.skipped`. On Ctrl-C or an error, the rows computed so far are
    committed before the exception goes on.

    Args:
        manifest: The images.
        store: Where rows are looked up and added.
        make_engine: Called with the number of missing rows; loads the network.
        views: View numbers; those above 0 need a recipe with an augmentation, and 0 one without.
        batch_size: Images handed to the engine at a time.
        num_workers: Decoding threads; None: one per core.
        progress: Show a progress bar.

    Raises:
        SettingError: The views do not fit the recipe.
        OSError: The store cannot be written.
    """
    start = time.monotonic()
    missing = missing_items(manifest, store, views)
    with row_bar(len(missing), progress=progress) as bar:
        done = compute(
            manifest,
            missing,
            store.recipe,
            store,
            partial(make_engine, len(missing)),
            batch_size=batch_size,
            num_threads=num_workers or num_threads(),
            bar=bar,
        )
    return Extraction(
        manifest=leave_out(manifest, done.left_out),
        store=store,
        num_new=done.num_rows,
        seconds=time.monotonic() - start,
        engine=done.engine,
    )
