"""Stage one beside fetching: rows of images in buckets and on web servers are computed while other images are on their way.

Digests and splits are known only when all images have been fetched. Until then, rows are computed by digest alone; what this leaves
out, for whatever reason, `ensure` makes later.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from pipeline.cache.recipe import POOLINGS
from pipeline.cache.scratch import check_takes_rows, naming_store
from pipeline.cache.store import Store, row_keys
from pipeline.execution.threads import num_threads
from pipeline.images.manifest import Contents, Early, Manifest
from pipeline.images.remote.arrivals import Arrival, Arrivals
from pipeline.progress import progress_bar
from pipeline.settings import Settings
from pipeline.stage_one.computing.compute import compute, finish, row_bar
from pipeline.stage_one.engines.choose import choose_backend, make_engine
from pipeline.stage_one.missing import Item
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.reuse.stored import stored_features

_NUM_FIRST = 32
"""Images by which it is judged what the data set has in the cache."""


@dataclass
class ArrivingRows:
    """Takes images as they arrive (`pipeline.images.remote.arrivals.WhileFetching`), and computes their rows.

    It leaves everything to `ensure` where rows of these images may be in the cache already, or in a shared one; where the recipe
    depends on all images; and where workers do the work.
    """

    settings: Settings
    """Feature settings that were not given are those of the rows that are stored for these images."""

    pooling: str
    """Pooling of the rows."""

    early: Early | None = None
    """What was computed."""

    def __call__(self, arrivals: Arrivals) -> None:
        """Compute rows until no more images arrive.

        Raises:
            UnwritableStoreError: Rows cannot be stored.
        """
        start, arrived = time.monotonic(), _Arrived(arrivals)
        arrived.take(_NUM_FIRST)
        store = self._store_of(arrived)
        if store is None:
            return
        arrived.take_while_busy(progress=self.settings.compute.progress)
        items = arrived.missing_items(store)
        first = next(filter(None, items), None)
        if first is None:
            return
        check_takes_rows(store)
        compute_settings, weights = self.settings.compute, self.settings.features.weights
        with (
            naming_store(store),
            store.adding(),
            row_bar(arrivals.total, progress=compute_settings.progress) as bar,
        ):
            done = compute(
                arrived,
                chain([first], items),
                store.recipe,
                store,
                partial(make_engine, store.recipe, weights, compute_settings, arrivals.total),
                batch_size=compute_settings.batch_size,
                num_threads=compute_settings.workers or num_threads(),
                bar=bar,
            )
            finish(bar)
        self.early = Early(done.num_rows, done.engine, time.monotonic() - start, done.noticed)

    def noted(self, manifest: Manifest) -> Manifest:
        """The manifest of the images that arrived, with what was computed."""
        return replace(manifest, early=self.early)

    def _store_of(self, arrived: "_Arrived") -> Store | None:
        """The store of the rows; None if they are better left to `ensure`."""
        sample = arrived.as_manifest()
        features = stored_features(sample, self.settings)
        if self.settings.paths.shared is not None or features.spec.parts or features.preprocess == "standardize":
            return None
        settings = replace(self.settings, features=features)
        recipe = make_recipe(sample, settings)[0].with_max_pixels(settings.compute.max_pixels)
        if choose_backend(recipe, features.weights, settings.compute, arrived.arrivals.total) != "threading":
            return None
        stores = {pooling: Store(settings.paths.cache, recipe.with_pooling(pooling)) for pooling in POOLINGS}
        own, keys = stores.pop(self.pooling), row_keys(arrived.digests)
        is_pooled = any(store.has(keys).all() for store in stores.values()) and not own.has(keys).all()
        return None if is_pooled else own


@dataclass
class _Arrived:
    """The images that have arrived by now (`pipeline.images.manifest.Scanned`), by the order of their arrival."""

    arrivals: Arrivals
    numbers: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)

    def take(self, count: int) -> None:
        """Wait for so many images, or for those that arrive without a pause."""
        for arrived in self.arrivals:
            self._add(arrived)
            if len(self.numbers) >= (count if arrived else 1):
                return

    def take_while_busy(self, *, progress: bool) -> None:
        """Leave the processor to fetching while that needs it."""
        with progress_bar(
            desc="fetching", total=self.arrivals.total, initial=len(self.numbers), unit="file", progress=progress
        ) as bar:
            for arrived in self.arrivals:
                bar.update(len(self._add(arrived)))
                if not self.arrivals.is_busy:
                    return

    def missing_items(self, store: Store) -> Iterator[Item | None]:
        """Images without a row: those that are here, then others as they arrive; None while none arrives."""
        seen: set[bytes] = set()
        for rows in self._rows():
            if not rows:
                yield None
                continue
            is_there = store.has(row_keys([self.digests[row] for row in rows]))
            for row, has_row in zip(rows, is_there, strict=True):
                if has_row or self.digests[row] in seen:
                    self.arrivals.drop(self.numbers[row])
                else:
                    seen.add(self.digests[row])
                    yield Item(row, 0)

    def _rows(self) -> Iterator[range]:
        yield range(len(self.numbers))
        for arrived in self.arrivals:
            yield self._add(arrived)

    def _add(self, arrived: Sequence[Arrival]) -> range:
        start = len(self.numbers)
        self.numbers += [arrival.number for arrival in arrived]
        self.digests += [arrival.digest for arrival in arrived]
        return range(start, len(self.numbers))

    def read(self, row: int) -> bytes:
        """The bytes of an image."""
        return self.arrivals.read(self.numbers[row])

    def announce(self, row: int) -> None:
        """Nothing: it is here."""

    def as_manifest(self) -> Manifest:
        """A manifest of these images and of those that need not arrive, without labels and bytes."""
        digests = tuple(dict.fromkeys([*self.digests, *self.arrivals.known]))
        count = len(digests)
        names = tuple(f"#{number}" for number in range(count))
        return Manifest(Contents(()), tuple(range(count)), names, digests, (None,) * count, ("train",) * count)
