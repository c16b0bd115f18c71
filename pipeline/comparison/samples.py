"""Measurements on a sample: how fast rows are made and what they take, in processes like those of stage one."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bases.files import home_folder, weights_file
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, pack_rows
from pipeline.comparison.estimates import Sample
from pipeline.comparison.leftovers import LeftRows, left_rows
from pipeline.errors import UnreadableImageError
from pipeline.execution.apart import run_apart
from pipeline.execution.tasks import Result
from pipeline.files import name_beside, remove
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.computing.compute import keys_of
from pipeline.stage_one.computing.pace import SHARD_BATCHES, Pace, measure_pace
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import Item, missing_items
from pipeline.stage_two.spec import DEFAULT_LAYERS, parse_layers

if TYPE_CHECKING:
    from pipeline.comparison.costs import Costs

logger = logging.getLogger(__name__)

_FIRST_BATCHES = 4
"""Of a first process. It converts the network if necessary, and its speed decides how large the sample is."""

_LONG_SECONDS = 120.0
"""From this forecast on, a second process measures more rows. It would take longer than a quarter of a shorter forecast."""

_SAMPLE_SECONDS, _MIN_BATCHES, _MAX_ROWS = 20.0, 12, 2048
_MAX_PACKED = 1024
"""Maximum of rows whose packed size is measured."""


@dataclass(frozen=True)
class Measured:
    """All that was measured with one base."""

    pace: Pace
    sample: Sample
    row_shape: tuple[int, ...]
    costs: "Costs"
    """Of the default dense head on these rows."""

    left: LeftRows | None
    """Rows of the sample that stay in the cache; None if they were deleted."""


def measure_sample(
    manifest: Manifest,
    recipe: Recipe,
    num_rows: int,
    settings: Settings,
    *,
    is_synthetic: bool,
    on_process: Callable[[], object] = lambda: None,
) -> Measured:
    """Make some rows as stage one does, and measure what they and a head on them take.

    A first process makes a few rows, and never more than are forecast. If all rows would take two minutes or more, a second one
    makes more of them: the first may have converted the network and compared engines, which later ones need not do.

    Args:
        manifest: The images.
        recipe: Of the rows.
        num_rows: Rows to forecast.
        settings: Weights, folders and compute.
        is_synthetic: The images are synthetic, so their rows are deleted.
        on_process: Called after each of the two processes, also if the second one is not needed.
    """
    batch = settings.compute.batch_size
    make = partial(make_engine, recipe, settings.features.weights, replace(settings.compute, progress=False), num_rows)
    sampling = _Sampling(manifest, recipe, settings, make, is_synthetic=is_synthetic)
    before = sampling.num_stored()
    few = min(_FIRST_BATCHES * batch, num_rows)
    (first, costs), rows = sampling.run(few, _measure_first, settings, max(2, len(manifest.classes)))
    on_process()
    logger.info("%s: the first process made %.1f rows per second.", recipe.base, first.rows_per_second)
    pace, once = first, 0.0
    if first.start_seconds + num_rows / first.rows_per_second >= _LONG_SECONDS:
        wanted = min(_MAX_ROWS, max(_MIN_BATCHES * batch, int(first.rows_per_second * _SAMPLE_SECONDS)))
        pace, rows = sampling.run(wanted, measure_pace, batch)
        once = max(0.0, first.start_seconds - pace.start_seconds)
    on_process()
    sample = Sample(
        rows_per_second=pace.rows_per_second,
        start_seconds=pace.start_seconds,
        once_seconds=once,
        peak_bytes=max(first.peak_bytes, pace.peak_bytes),  # two engines are in memory while they are compared
        shard_rows=SHARD_BATCHES * batch,
        row_bytes=rows.row_bytes,
        stored_bytes=rows.stored_bytes,
    )
    return Measured(pace, sample, rows.shape, costs, sampling.left(before))


@dataclass(frozen=True)
class _Rows:
    """What the rows of a sample are like."""

    shape: tuple[int, ...]
    row_bytes: int
    """Of a row in memory."""

    stored_bytes: float
    """Of a row on disk."""


@dataclass(frozen=True)
class _Sampling:
    """Makes rows in other processes: in the cache if it lacks as many, otherwise in a folder that is deleted."""

    manifest: Manifest
    recipe: Recipe
    settings: Settings
    make: Callable[[], Engine]
    """Loads the network."""

    _: KW_ONLY
    is_synthetic: bool

    def num_stored(self) -> int:
        """Rows in the cache."""
        return len(Store(self.settings.paths.cache, self.recipe))

    def left(self, before: int) -> LeftRows | None:
        """Rows that were added to the cache, which had `before` rows; None if there are none."""
        store = Store(self.settings.paths.cache, self.recipe)
        return left_rows(store, len(store) - before)

    def run(self, count: int, measure: Callable[..., Result], *more: Any) -> tuple[Result, _Rows]:
        """Measure `count` rows in a new process; without enough images, some are made more than once."""
        with self._store(count) as (store, items):
            part, own = _part(self.manifest, [items[number % len(items)] for number in range(count)])
            result = run_apart(measure, part, own, self.recipe, store.folder.resolve(), self.make, *more)
            store.refresh()
            keys = np.unique(keys_of(part, own))
            keys = keys[store.has(keys)][:_MAX_PACKED]
            rows = store.read(keys)
            stored_bytes = len(pack_rows(self.recipe, keys, rows, {})) / len(keys)
        return result, _Rows(rows.shape[1:], rows[0].nbytes, stored_bytes)

    @contextlib.contextmanager
    def _store(self, count: int) -> Iterator[tuple[Store, list[Item]]]:
        """A store, and rows that it lacks."""
        store = Store(self.settings.paths.cache, self.recipe)
        if not self.is_synthetic and len(missing_items(self.manifest, store, (0,))) >= count:
            with store.adding():
                store.prepare()
                yield store, missing_items(self.manifest, store, (0,))
            return
        scratch = Store(name_beside(self.settings.paths.cache / "plan"), self.recipe)
        try:
            scratch.prepare()
            yield scratch, missing_items(self.manifest, scratch, (0,))
        finally:
            remove(scratch.folder.parent)


def _measure_first(
    part: Manifest,
    items: Sequence[Item],
    recipe: Recipe,
    folder: Path,
    make: Callable[[], Engine],
    settings: Settings,
    num_classes: int,
) -> tuple[Pace, "Costs"]:
    """The pace of some rows, then the costs of a head on them, in one process, because loading TensorFlow takes seconds."""
    from pipeline.bases.cut import divide
    from pipeline.bases.weights import load_base
    from pipeline.comparison.costs import measure_costs

    pace = measure_pace(part, items, recipe, folder, make, settings.compute.batch_size)
    features = settings.features
    file = weights_file(features.spec, features.weights, home_folder())
    base = load_base(features.spec, recipe.decoder.size_px, file, precision=features.precision)
    trunk, _ = divide(base, recipe.cut)
    # Live training runs TensorFlow. Where the rows were made by it, their pace is known, and is not measured twice.
    known = 1 / pace.rows_per_second if pace.engine == "tensorflow" else None
    spec = parse_layers(DEFAULT_LAYERS)
    return pace, measure_costs(trunk, None, spec, num_classes, pooling=recipe.pooling, trunk_seconds=known)


def _part(manifest: Manifest, items: Sequence[Item]) -> tuple[Manifest, list[Item]]:
    """A manifest of the images of these items only, to be sent to another process, and the items in it."""
    rows = sorted({item.row for item in items})
    position = {row: number for number, row in enumerate(rows)}
    part = manifest.select(rows)
    return part.detached(with_bytes=not manifest.is_files), [Item(position[item.row], item.view) for item in items]


def decoding_seconds(sample: Manifest, decoder: Decoder) -> float:
    """Seconds per image for reading and decoding, with one thread per core."""

    def decode(row: int) -> None:
        with contextlib.suppress(UnreadableImageError):
            decoder.decode(sample.read(row))

    rows = range(min(len(sample), 64))
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, rows))
    return (time.perf_counter() - start) / len(rows)
