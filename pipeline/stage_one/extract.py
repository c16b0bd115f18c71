"""Images x trunk -> rows: only the missing ones, decoding overlapped with the network, saved as it goes."""

import contextlib
import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import SettingError, UnreadableImageError
from pipeline.images.decode import Decoder
from pipeline.images.manifest import Manifest
from pipeline.images.views import ViewMaker
from pipeline.stage_one.pending import Pending

# Decoded images that wait for the network: at 224 px, 128 of them take 19 MB.
_DECODE_AHEAD = 128


class Engine(Protocol):
    """What runs the trunk."""

    concurrency: int
    """How many calls at a time it gains from; one more waits with its batch."""

    @property
    def provenance(self) -> dict[str, str]:
        """Engine, device and library versions, kept with the rows."""
        ...

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels, uint8 (n, H, W, 3), or earlier rows, to features, float32 (n, h, w, C) or (n, C)."""
        ...


@dataclass(frozen=True)
class Extraction:
    """What stage one did."""

    manifest: Manifest
    """The images that have rows now; the others are in its `skipped`."""

    store: Store
    num_new: int
    """Rows that were computed."""

    seconds: float
    engine: str | None
    """What computed them; None if nothing had to be."""

    num_deepened: int = 0
    """New rows that were made from rows of an earlier layer instead of photographs."""

    @property
    def num_rows(self) -> int:
        """Images that have a row."""
        return len(self.manifest)

    @property
    def images_per_second(self) -> float | None:
        """New rows a second; None if there were none."""
        return self.num_new / self.seconds if self.num_new else None

    def keys(self) -> Keys:
        """The key of each image's row, in the manifest's order."""
        return row_keys(self.manifest.digests)


@dataclass(frozen=True)
class _Item:
    """One row to be made."""

    row: int
    """Row of the manifest."""

    view: int


def extract(
    manifest: Manifest,
    store: Store,
    make_engine: Callable[[int], Engine],
    *,
    views: Sequence[int] = (0,),
    batch_size: int = 32,
    num_workers: int | None = None,
    progress: bool = False,
) -> Extraction:
    """Make the rows that the store lacks.

    The engine is made when the first missing image has been decoded, so a warm store needs none.
    An image that cannot be read is left out and listed in the result's `manifest.skipped`. On
    Ctrl-C or an error the rows computed so far are committed before it goes on.

    Args:
        manifest: The images.
        store: Where rows are looked up and added.
        make_engine: Loads the network, for so many missing rows.
        views: View numbers; those above 0 need a recipe with an augmentation, and 0 one without.
        batch_size: Images handed to the engine at a time.
        num_workers: Decoding threads; default: one a core.
        progress: Show a bar.

    Raises:
        SettingError: The views do not fit the recipe.
        OSError: The store cannot be written.
    """
    is_augmented = store.recipe.augmentation is not None
    if not views or any((view > 0) != is_augmented for view in views):
        raise SettingError(
            f"Views 1 to K need a recipe with an augmentation, view 0 one without. Received: views {list(views)}."
        )
    start = time.monotonic()
    missing = _missing_items(manifest, store, views)
    skipped: dict[bytes, str] = {}
    decoded = _decode_all(manifest, missing, store.recipe, num_workers or os.cpu_count() or 1)
    batches = _batches(decoded, batch_size, manifest, skipped)
    with (
        contextlib.closing(decoded),
        Pending(store) as pending,
        tqdm(total=len(missing), desc="stage one", unit="image", delay=1, disable=not progress) as bar,
    ):
        engine = _compute(batches, manifest, pending, partial(make_engine, len(missing)), bar)
    return Extraction(
        manifest=manifest.without(
            {row: skipped[digest] for row, digest in enumerate(manifest.digests) if digest in skipped}
        ),
        store=store,
        num_new=pending.num_committed,
        seconds=time.monotonic() - start,
        engine=engine.provenance["engine"] if engine else None,
    )


def _compute(
    batches: Iterator[tuple[list[_Item], NDArray[np.uint8]]],
    manifest: Manifest,
    pending: Pending,
    make_engine: Callable[[], Engine],
    bar: "tqdm[Any]",
) -> Engine | None:
    """Run the engine over all batches and commit their rows; the engine, or None if there was nothing to do.

    While it runs, the next batch is put together here, and the shard before is written. At an interrupt or an
    error the calls that are running are waited for, and what was computed is committed all the same.
    """
    first = next(batches, None)
    if first is None:
        return None
    engine = make_engine()
    pending.since = time.monotonic()
    calls = ThreadPoolExecutor(engine.concurrency)
    running: deque[tuple[list[_Item], Future[NDArray[np.float32]]]] = deque()

    def take() -> None:
        items, rows = running[0]
        pending.add(_keys_of(manifest, items), rows.result())
        running.popleft()
        bar.update(len(items))
        if pending.is_due():
            pending.commit(engine.provenance)

    try:
        for items, pixels in itertools.chain([first], batches):
            running.append((items, calls.submit(engine.features, pixels)))
            if len(running) > engine.concurrency:
                take()
        while running:
            take()
    finally:
        calls.shutdown(cancel_futures=True)
        for items, rows in running:
            if not rows.cancelled() and rows.exception() is None:
                pending.add(_keys_of(manifest, items), rows.result())
        pending.commit(engine.provenance)
    return engine


def _missing_items(manifest: Manifest, store: Store, views: Sequence[int]) -> list[_Item]:
    """One item for each content and view that has no row yet, in the order of the keys.

    The order is the same whatever the files are called, so every run that starts from the same
    store works in the same order.
    """
    keys, first = np.unique(np.concatenate([row_keys(manifest.digests, view) for view in views]), return_index=True)
    missing = first[~store.has(keys)]
    return [_Item(int(place) % len(manifest), views[int(place) // len(manifest)]) for place in missing]


def _keys_of(manifest: Manifest, items: Sequence[_Item]) -> Keys:
    return np.concatenate([row_keys([manifest.digests[item.row]], item.view) for item in items])


_Decoded = tuple[_Item, NDArray[np.uint8] | str]


def _decode_all(
    manifest: Manifest, items: list[_Item], recipe: Recipe, num_workers: int
) -> Generator[_Decoded, None, None]:
    """Each item with its pixels, or with the reason why there are none, in order; decoded ahead by threads."""
    maker = ViewMaker.from_json(recipe.augmentation) if recipe.augmentation else None
    waiting: deque[tuple[_Item, Future[NDArray[np.uint8] | str]]] = deque()
    pool = ThreadPoolExecutor(num_workers)
    try:
        for item in items:
            waiting.append((item, pool.submit(_decode, manifest, item, recipe.decoder, maker)))
            if len(waiting) >= _DECODE_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _decode(manifest: Manifest, item: _Item, decoder: Decoder, maker: ViewMaker | None) -> NDArray[np.uint8] | str:
    digest = manifest.digests[item.row]
    try:
        data = manifest.read(item.row)
        if hashlib.sha256(data).digest() != digest:
            return "changed while it was read; run the command again"
        pixels = decoder.decode(data)
    except UnreadableImageError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return maker(pixels, digest, item.view) if maker else pixels


def _batches(
    decoded: Iterator[_Decoded], batch_size: int, manifest: Manifest, skipped: dict[bytes, str]
) -> Iterator[tuple[list[_Item], NDArray[np.uint8]]]:
    """Items and their pixels, uint8 of shape (B, H, W, 3); reasons are filed under the image's digest."""
    items: list[_Item] = []
    images: list[NDArray[np.uint8]] = []
    for item, outcome in decoded:
        if isinstance(outcome, str):
            skipped[manifest.digests[item.row]] = outcome
            continue
        items.append(item)
        images.append(outcome)
        if len(items) == batch_size:
            yield items, np.stack(images)
            items, images = [], []
    if items:
        yield items, np.stack(images)
