"""Measurements on a sample: how fast rows are made and what they take, in processes like those of stage one."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, pack_rows
from pipeline.comparison.estimates import Sample
from pipeline.errors import UnreadableImageError
from pipeline.execution.apart import run_apart
from pipeline.files import name_beside, remove
from pipeline.images.decode import Decoder
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.compute import Item, keys_of
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.missing import missing_items
from pipeline.stage_one.pace import SHARD_BATCHES, Pace, measure_pace

logger = logging.getLogger(__name__)

_FIRST_BATCHES = 4
"""Of a first process. It converts the network if necessary, and its speed decides how large the sample is."""

_SAMPLE_SECONDS, _MIN_BATCHES, _MAX_ROWS = 20.0, 12, 2048
_MAX_PACKED = 1024
"""Maximum of rows whose packed size is measured."""


def measure_sample(
    manifest: Manifest, recipe: Recipe, num_rows: int, settings: Settings, *, is_synthetic: bool
) -> tuple[Pace, Sample, tuple[int, ...]]:
    """The pace of some rows, all measurements, and the shape of a row.

    There are two processes, because the first one may have to convert the network and to compare engines, and later ones do not.
    """
    batch = settings.compute.batch_size
    with _store(manifest, recipe, settings, is_synthetic=is_synthetic) as (store, items, is_kept):

        def run(start: int, count: int) -> tuple[Pace, Keys]:
            taken = [items[number % len(items)] for number in range(start, start + count)]
            part, own = _part(manifest, taken)
            make = partial(
                make_engine, recipe, settings.features.weights, replace(settings.compute, progress=False), num_rows
            )
            return run_apart(measure_pace, part, own, recipe, store.folder.resolve(), make, batch), keys_of(part, own)

        first, _ = run(0, _FIRST_BATCHES * batch)
        logger.info("%s: the first process made %.1f rows per second.", recipe.base, first.rows_per_second)
        wanted = min(_MAX_ROWS, max(_MIN_BATCHES * batch, int(first.rows_per_second * _SAMPLE_SECONDS)))
        count = min(wanted, len(items) - _FIRST_BATCHES * batch) if is_kept else wanted
        pace, keys = run(_FIRST_BATCHES * batch, count)
        store.refresh()
        keys = np.unique(keys[store.has(keys)])[:_MAX_PACKED]
        rows = store.read(keys)
        stored_bytes = len(pack_rows(recipe, keys, rows, {})) / len(keys)
    sample = Sample(
        rows_per_second=pace.rows_per_second,
        start_seconds=pace.start_seconds,
        once_seconds=max(0.0, first.start_seconds - pace.start_seconds),
        peak_bytes=max(first.peak_bytes, pace.peak_bytes),  # two engines are in memory while they are compared
        shard_rows=SHARD_BATCHES * batch,
        row_bytes=rows[0].nbytes,
        stored_bytes=stored_bytes,
    )
    return pace, sample, rows.shape[1:]


@contextlib.contextmanager
def _store(
    manifest: Manifest, recipe: Recipe, settings: Settings, *, is_synthetic: bool
) -> Iterator[tuple[Store, list[Item], bool]]:
    """A store, rows that it lacks, and whether they are kept: the store is in the cache if that lacks enough rows."""
    store = Store(settings.paths.cache, recipe)
    least = (_FIRST_BATCHES + _MIN_BATCHES) * settings.compute.batch_size
    if not is_synthetic and len(missing_items(manifest, store, (0,))) >= least:
        with store.adding():
            store.prepare()
            yield store, missing_items(manifest, store, (0,)), True
        return
    scratch = Store(name_beside(settings.paths.cache / "plan"), recipe)
    try:
        scratch.prepare()
        yield scratch, missing_items(manifest, scratch, (0,)), False
    finally:
        remove(scratch.folder.parent)


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
