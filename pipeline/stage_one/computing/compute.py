"""From images to rows: decoding, the network and writing overlap, and rows are committed one shard at a time."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys
from pipeline.errors import UnreadableImageError
from pipeline.images.augment import ViewMaker
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.decoding.noticed import Noticed
from pipeline.images.manifest import Scanned, read_scanned
from pipeline.progress import progress_bar
from pipeline.stage_one.computing.pending import Pending, Sink
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import Item
from pipeline.watchdog import Moved, watch

# Decoded images that may wait for the network; at 224 px, 128 of them take 19 MB.
_DECODE_AHEAD = 128


@dataclass(frozen=True)
class Computed:
    """The result of `compute`."""

    num_rows: int
    """Rows that were committed."""

    skipped: dict[bytes, str]
    """Digests of images that cannot be decoded, with the reasons; they fail on every machine."""

    unread: dict[bytes, str]
    """Digests of images whose bytes could not be read or differ from those scanned; another machine may have them."""

    engine: str | None
    """Name of the engine that computed them; None if no image could be decoded."""

    noticed: dict[bytes, Noticed] = field(default_factory=dict)
    """Digests of images in whose files something was noticed."""

    @property
    def left_out(self) -> dict[bytes, str]:
        """Digests of all images without a row, with the reasons."""
        return self.skipped | self.unread


def compute(
    images: Scanned,
    items: Iterable[Item | None],
    recipe: Recipe,
    sink: Sink,
    make_engine: Callable[[], Engine],
    *,
    batch_size: int,
    num_threads: int,
    bar: "tqdm[Any]",
    shard_rows: int | None = None,
) -> Computed:
    """Compute rows and hand them to the sink, one shard at a time.

    The engine is made when the first image has been decoded. On Ctrl-C or an error, the rows computed so far are
    committed before the exception goes on.

    Args:
        images: The images.
        items: The rows to compute. None means that it is not known yet which one is next: those that are decoded go on meanwhile.
        recipe: Of the rows.
        sink: Where shards go.
        make_engine: Loads the network.
        batch_size: Images handed to the engine at a time.
        num_threads: Decoding threads.
        bar: Moves by one per row.
        shard_rows: Rows per shard; None: see `pipeline.stage_one.computing.pending`.
    """
    refused: dict[bytes, _Refusal] = {}
    noticed: dict[bytes, Noticed] = {}
    decoded = _decode_all(images, items, recipe, num_threads, noticed)
    batches = _batches(decoded, batch_size, images, refused)
    with (
        watch("Stage one") as moved,
        contextlib.closing(decoded),
        Pending(sink, shard_rows=shard_rows) as pending,
    ):
        engine = _run(batches, pending, make_engine, bar, moved)
    skipped, unread = (
        {digest: refusal.reason for digest, refusal in refused.items() if refusal.is_unread == is_unread}
        for is_unread in (False, True)
    )
    return Computed(pending.num_committed, skipped, unread, engine.provenance["engine"] if engine else None, noticed)


def _run(
    batches: Iterator[tuple[Keys, NDArray[np.uint8]]],
    pending: Pending,
    make_engine: Callable[[], Engine],
    bar: "tqdm[Any]",
    moved: Moved,
) -> Engine | None:
    """Run the engine over all batches and commit their rows; return the engine, or None if there was no batch.

    While the engine runs, the next batch is decoded and the previous shard is written. On an interrupt or an error, calls that
    are still running are waited for, and their rows are committed too.

    The first call runs alone. A native library sets itself up in its first call, behind a lock of its own. If it also needs the
    interpreter's lock, and a second call holds that one while it waits for the library's, both wait for ever.
    """
    first = next(batches, None)
    if first is None:
        return None
    engine = make_engine()
    pending.since = time.monotonic()
    calls = ThreadPoolExecutor(engine.concurrency)
    running: deque[tuple[Keys, Future[NDArray[np.float32]]]] = deque()

    def start(keys: Keys, pixels: NDArray[np.uint8]) -> None:
        running.append((keys, calls.submit(engine.features, pixels)))

    def take() -> None:
        keys, rows = running[0]
        pending.add(keys, rows.result())
        running.popleft()
        bar.update(len(keys))
        moved(f"{pending.num_committed:,} new rows were committed; the same command goes on from there.")
        if pending.is_due():
            pending.commit(engine.provenance)

    try:
        start(*first)
        take()
        for batch in batches:
            start(*batch)
            if len(running) > engine.concurrency:
                take()
        while running:
            take()
    finally:
        calls.shutdown(cancel_futures=True)
        for keys, rows in running:
            if not rows.cancelled() and rows.exception() is None:
                pending.add(keys, rows.result())
        pending.commit(engine.provenance)
    return engine


def row_bar(num_rows: int, *, progress: bool) -> "tqdm[None]":
    """The progress bar of stage one; it moves by one per row."""
    return progress_bar(total=num_rows, desc="stage one", unit="image", delay=1, progress=progress)


def finish(bar: "tqdm[Any]") -> None:
    """Move the bar to its end: images that cannot be read are done too."""
    bar.update((bar.total or 0) - bar.n)


def keys_of(images: Scanned, items: Sequence[Item]) -> Keys:
    """The key of each item's row, in order."""
    joined = b"".join(images.digests[item.row] + bytes([item.view]) for item in items)
    return np.frombuffer(joined, "S33") if joined else np.empty(0, "S33")


@dataclass(frozen=True)
class _Refusal:
    """Why an image has no pixels."""

    reason: str
    is_unread: bool
    """True: its bytes could not be read. False: they could not be decoded."""


_Decoded = tuple[Item, NDArray[np.uint8] | _Refusal]


def _decode_all(
    images: Scanned, items: Iterable[Item | None], recipe: Recipe, num_threads: int, noticed: dict[bytes, Noticed]
) -> Generator[_Decoded, None, None]:
    """Each item with its pixels or a refusal, in order; threads decode ahead. What is noticed in a file goes into `noticed`."""
    maker = ViewMaker.from_json(recipe.augmentation) if recipe.augmentation else None
    waiting: deque[tuple[Item, Future[NDArray[np.uint8] | _Refusal]]] = deque()
    pool = ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            if item is not None:
                images.announce(item.row)
                waiting.append((item, pool.submit(_decode, images, item, recipe.decoder, maker, noticed)))
            if len(waiting) >= _DECODE_AHEAD or (item is None and waiting):
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _decode(
    images: Scanned, item: Item, decoder: Decoder, maker: ViewMaker | None, noticed: dict[bytes, Noticed]
) -> NDArray[np.uint8] | _Refusal:
    data = read_scanned(images, item.row)
    if isinstance(data, str):
        return _Refusal(data, is_unread=True)
    try:
        pixels, found = decoder.decode_noticing(data)
    except UnreadableImageError as error:
        return _Refusal(str(error), is_unread=False)
    if found != Noticed():
        noticed[images.digests[item.row]] = found
    return maker(pixels, images.digests[item.row], item.view) if maker else pixels


def _batches(
    decoded: Iterator[_Decoded], batch_size: int, images: Scanned, refused: dict[bytes, _Refusal]
) -> Iterator[tuple[Keys, NDArray[np.uint8]]]:
    """Keys of rows and pixels of their images, uint8 (B, H, W, 3); refusals go into `refused`, by the image's digest."""
    items: list[Item] = []
    batch: list[NDArray[np.uint8]] = []
    for item, pixels in decoded:
        if isinstance(pixels, _Refusal):
            refused[images.digests[item.row]] = pixels
            continue
        items.append(item)
        batch.append(pixels)
        if len(items) == batch_size:
            yield keys_of(images, items), np.stack(batch)
            items, batch = [], []
    if items:
        yield keys_of(images, items), np.stack(batch)
