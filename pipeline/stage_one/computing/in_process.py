"""Stage one in this process."""

from collections.abc import Callable, Sequence

from pipeline.cache.store import Store
from pipeline.execution.threads import num_threads
from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing.compute import Computed, compute, finish, row_bar
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import Item


def extract_in_process(
    manifest: Manifest,
    items: Sequence[Item],
    store: Store,
    make_engine: Callable[[], Engine],
    *,
    batch_size: int = 32,
    num_workers: int | None = None,
    progress: bool = False,
) -> Computed:
    """Compute missing rows in this process.

    The engine is made when the first image has been decoded. On Ctrl-C or an error, the rows computed so far are committed
    before the exception goes on.

    Args:
        manifest: The images.
        items: The missing rows; see `missing_items`.
        store: Where rows are added.
        make_engine: Loads the network.
        batch_size: Images handed to the engine at a time.
        num_workers: Decoding threads; None: one per core.
        progress: Show a progress bar.

    Raises:
        OSError: The store cannot be written.
    """
    with row_bar(len(items), progress=progress) as bar:
        done = compute(
            manifest,
            items,
            store.recipe,
            store,
            make_engine,
            batch_size=batch_size,
            num_threads=num_workers or num_threads(),
            bar=bar,
        )
        finish(bar)
    return done
