"""Planning as a verb: some rows are made the whole way, and what all of them will take follows from it."""

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, pack_rows
from pipeline.comparison.advise import decoding_seconds
from pipeline.comparison.estimates import Sample, Training, Work, plan_break_even, plan_stage_one
from pipeline.errors import SettingError
from pipeline.execution.workers import run_apart
from pipeline.files import name_beside, remove
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.images.synthetic import made_photos
from pipeline.settings import Options, make_engine, make_recipe, weights_file
from pipeline.stage_one.compute import Item, keys_of
from pipeline.stage_one.ensure import manifest_of
from pipeline.stage_one.extract import missing_items
from pipeline.stage_one.pace import SHARD_BATCHES, Pace, measure_pace
from pipeline.stage_one.pending import rows_a_shard
from pipeline.stage_one.tasks import rows_a_task
from pipeline.stage_two.spec import DEFAULT_LAYERS, parse_layers

logger = logging.getLogger(__name__)

_FIRST_BATCHES = 4
"""Of a first process, which converts the network if that is to be done, and tells how large a sample is worth its time."""

_SAMPLE_SECONDS, _LEAST_BATCHES, _MOST_ROWS = 20.0, 12, 2048
_SHARE_PACKED = 1024
"""Rows whose packed size is taken for that of all."""

_MADE = 256
"""Made photographs; they may be taken more than once, their rows are thrown away."""


@dataclass(frozen=True)
class Planned:
    """What is to be planned."""

    num_images: int | None = None
    """None: as many as there are."""

    workers: int = 1
    num_views: int = 0
    """Of each training image."""

    pool: str = "none"
    epochs: int = 30
    """Of each head, for the break-even."""

    photo_px: tuple[int, int] = (500, 375)
    """Width and height of made photographs."""

    def __post_init__(self) -> None:
        num_images = 1 if self.num_images is None else self.num_images
        if min(num_images, self.workers, self.epochs) < 1 or not 0 <= self.num_views <= 255:
            raise SettingError(
                "Images, workers and epochs are positive, views are in [0, 255]. Received: "
                f"images {self.num_images}, workers {self.workers}, epochs {self.epochs}, views {self.num_views}."
            )


def plan(
    data: Data | Manifest | None, planned: Planned, bases: Sequence[str], *, options: Options | None = None
) -> dict[str, Any]:
    """What stage one will take with each base, and when it has paid for itself against training end to end.

    A sample's rows are made in processes of their own by the path that all rows take, and stay in the store. Where too few rows
    are missing there, or nothing but made photographs is at hand, they are made in a folder that is deleted.

    Args:
        data: What `scan` takes, or a manifest; None makes photographs.
        planned: How much is to be done.
        bases: Names of `bottleneck bases`.
        options: Places, engine and all else that recipes are made of; `base` is not looked at.

    Returns:
        {images, rows, workers, photographs, bases: [{base, size, engine, ...}]}.

    Raises:
        SettingError: Neither data nor a number of images.
    """
    chosen = options or Options()
    if data is None and planned.num_images is None:
        raise SettingError("Say how many images are to be planned for, or give DATA. Received: neither.")
    manifest = made_photos(_MADE, *planned.photo_px) if data is None else manifest_of(data, chosen)
    num_images = planned.num_images or len(manifest)
    num_rows = num_images + planned.num_views * round(num_images * _share(manifest, "train"))
    size = planned.photo_px
    return {
        "images": num_images,
        "rows": num_rows,
        "workers": planned.workers,
        "photographs": f"made, {size[0]} x {size[1]} px" if data is None else manifest.title,
        "bases": [
            _plan_base(manifest, planned, num_images, num_rows, replace(chosen, base=base), is_made=data is None)
            for base in bases
        ],
    }


def _plan_base(
    manifest: Manifest, planned: Planned, num_images: int, num_rows: int, options: Options, *, is_made: bool
) -> dict[str, Any]:
    recipe = make_recipe(manifest, options)[0].with_pooling(planned.pool)
    pace, sample, row_shape = _sample(manifest, recipe, num_rows, options, is_made=is_made)
    work = Work(
        num_rows,
        planned.workers,
        rows_a_task(num_rows),
        rows_a_shard(row_shape, sample.rows_per_second, options.batch_size),
    )
    stage_one = plan_stage_one(sample, work)
    training = _training(manifest, planned, num_images, recipe, options)
    return {
        "base": recipe.base,
        "size": recipe.decoder.size_px,
        "shape": list(row_shape),
        "engine": pace.engine,
        "sample": pace.num_rows,
        "rows_per_second": sample.rows_per_second,
        "start_seconds": sample.start_seconds,
        "once_seconds": sample.once_seconds,
        **stage_one,
        "break_even": plan_break_even(training, stage_one["seconds"]),
    }


def _sample(
    manifest: Manifest, recipe: Recipe, num_rows: int, options: Options, *, is_made: bool
) -> tuple[Pace, Sample, tuple[int, ...]]:
    """The pace of some rows, what follows from it, and the shape of a row.

    Two processes, because the first may have to convert the network and compare engines, which later ones need not.
    """
    batch = options.batch_size
    with _place(manifest, recipe, options, is_made=is_made) as (store, items, is_kept):

        def run(start: int, count: int) -> tuple[Pace, Keys]:
            taken = [items[number % len(items)] for number in range(start, start + count)]
            part, own = _part(manifest, taken)
            make = partial(make_engine, recipe, replace(options, progress=False), num_rows)
            return run_apart(measure_pace, part, own, recipe, store.folder.resolve(), make, batch), keys_of(part, own)

        first, _ = run(0, _FIRST_BATCHES * batch)
        logger.info("%s: a first process made %.1f rows a second.", recipe.base, first.rows_per_second)
        wanted = min(_MOST_ROWS, max(_LEAST_BATCHES * batch, int(first.rows_per_second * _SAMPLE_SECONDS)))
        count = min(wanted, len(items) - _FIRST_BATCHES * batch) if is_kept else wanted
        pace, keys = run(_FIRST_BATCHES * batch, count)
        store.refresh()
        keys = np.unique(keys[store.has(keys)])[:_SHARE_PACKED]
        rows = store.read(keys)
        stored_bytes = len(pack_rows(recipe, keys, rows, {})) / len(keys)
    sample = Sample(
        rows_per_second=pace.rows_per_second,
        start_seconds=pace.start_seconds,
        once_seconds=max(0.0, first.start_seconds - pace.start_seconds),
        peak_bytes=max(first.peak_bytes, pace.peak_bytes),  # two engines at once, while they are compared
        shard_rows=SHARD_BATCHES * batch,
        row_bytes=rows[0].nbytes,
        stored_bytes=stored_bytes,
    )
    return pace, sample, rows.shape[1:]


@contextlib.contextmanager
def _place(
    manifest: Manifest, recipe: Recipe, options: Options, *, is_made: bool
) -> Iterator[tuple[Store, list[Item], bool]]:
    """A store, rows that it lacks, and whether they will stay: in the cache where enough are missing."""
    store = Store(options.cache, recipe)
    least = (_FIRST_BATCHES + _LEAST_BATCHES) * options.batch_size
    if not is_made and len(missing_items(manifest, store, (0,))) >= least:
        with store.adding():
            store.prepare()
            yield store, missing_items(manifest, store, (0,)), True
        return
    scratch = Store(name_beside(options.cache / "plan"), recipe)
    try:
        scratch.prepare()
        yield scratch, missing_items(manifest, scratch, (0,)), False
    finally:
        remove(scratch.folder.parent)


def _part(manifest: Manifest, items: Sequence[Item]) -> tuple[Manifest, list[Item]]:
    """A manifest of the images of some items alone, as it is sent to another process, and the items in it."""
    rows = sorted({item.row for item in items})
    place = {row: number for number, row in enumerate(rows)}
    part = manifest.select(rows)
    return part.to_be_sent(with_bytes=not manifest.is_files), [Item(place[item.row], item.view) for item in items]


def _share(manifest: Manifest, split: str) -> float:
    return manifest.splits.count(split) / len(manifest)


def _training(manifest: Manifest, planned: Planned, num_images: int, recipe: Recipe, options: Options) -> Training:
    """The default head of layers on these rows, and the frozen base live, by a few measured steps."""
    from pipeline.bases.cut import divide
    from pipeline.bases.weights import load_base
    from pipeline.comparison.costs import measure_costs

    size = recipe.decoder.size_px
    base = load_base(find_base(recipe.base), size, weights_file(options), precision=options.precision)
    trunk, _ = divide(base, recipe.cut)
    spec, num_classes = parse_layers(DEFAULT_LAYERS), max(2, len(manifest.classes))
    costs = measure_costs(trunk, None, spec, num_classes, pooling=planned.pool)
    decoding = decoding_seconds(manifest, recipe.decoder)
    return Training(
        num_train=math.ceil(num_images * _share(manifest, "train")),
        num_watched=math.ceil(num_images * _share(manifest, "validation")),
        epochs=planned.epochs,
        step=costs.step,
        infer=costs.infer,
        live=max(costs.trunk, decoding),  # the one runs while the other does
    )
