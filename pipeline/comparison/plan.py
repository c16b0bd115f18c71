"""Planning as a verb: some rows are made the whole way, and what all of them will take follows from it."""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, pack_rows
from pipeline.comparison.advise import decoding_seconds
from pipeline.comparison.estimates import HeadCosts, Sample, Work, plan_break_even, plan_stage_one
from pipeline.errors import SettingError
from pipeline.execution.apart import run_apart
from pipeline.files import name_beside, remove
from pipeline.images.manifest import Manifest
from pipeline.images.synthetic import made_photos
from pipeline.settings import Settings
from pipeline.stage_one.compute import Item, keys_of
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.missing import missing_items
from pipeline.stage_one.pace import SHARD_BATCHES, Pace, measure_pace
from pipeline.stage_one.pending import rows_per_shard
from pipeline.stage_one.recipes import make_recipe, weights_file
from pipeline.stage_one.tasks import rows_per_task
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


@dataclass(frozen=True)
class Plan:
    """What stage one takes with each base."""

    images: int
    rows: int
    """Images, and views of training images."""

    workers: int
    measured_on: str
    """The images of the sample."""

    bases: Sequence[Mapping[str, Any]]
    """One per base: {base, size, shape, engine, sample, rows_per_second, start_seconds, once_seconds, seconds, hours, gigabytes,
    shards, memory_gigabytes, break_even}."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "rows": self.rows,
            "workers": self.workers,
            "measured_on": self.measured_on,
            "bases": list(self.bases),
        }


def plan(manifest: Manifest | None, planned: Planned, bases: Sequence[str], settings: Settings) -> Plan:
    """What stage one will take with each base, and when it breaks even against training end to end.

    A sample's rows are made in processes of their own by the path that all rows take, and stay in the store. Where too few rows
    are missing there, or only synthetic images are at hand, they are made in a folder that is deleted.

    Args:
        manifest: The images; None: synthetic ones.
        planned: How much is to be done.
        bases: Names of `bottleneck bases`.
        settings: Features but for the base, folders and compute.

    Raises:
        SettingError: Neither images nor a number of them.
    """
    if manifest is None and planned.num_images is None:
        raise SettingError("Say how many images are to be planned for, or give DATA. Received: neither.")
    is_made = manifest is None
    sample = made_photos(_MADE, *planned.photo_px) if manifest is None else manifest
    num_images = planned.num_images or len(sample)
    num_rows = num_images + planned.num_views * round(num_images * _share(sample, "train"))
    width, height = planned.photo_px
    return Plan(
        images=num_images,
        rows=num_rows,
        workers=planned.workers,
        measured_on=f"synthetic images, {width} x {height} px" if is_made else sample.title,
        bases=[
            _plan_base(sample, planned, num_images, num_rows, settings.with_changes(base=base), is_made=is_made)
            for base in bases
        ],
    )


def _plan_base(
    manifest: Manifest, planned: Planned, num_images: int, num_rows: int, settings: Settings, *, is_made: bool
) -> dict[str, Any]:
    recipe = make_recipe(manifest, settings)[0].with_pooling(planned.pool)
    pace, sample, row_shape = _sample(manifest, recipe, num_rows, settings, is_made=is_made)
    work = Work(
        num_rows,
        planned.workers,
        rows_per_task(num_rows),
        rows_per_shard(row_shape, sample.rows_per_second, settings.compute.batch_size),
    )
    stage_one = plan_stage_one(sample, work)
    training = _training(manifest, planned, num_images, recipe, settings)
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
    manifest: Manifest, recipe: Recipe, num_rows: int, settings: Settings, *, is_made: bool
) -> tuple[Pace, Sample, tuple[int, ...]]:
    """The pace of some rows, what follows from it, and the shape of a row.

    Two processes, because the first may have to convert the network and compare engines, which later ones need not.
    """
    batch = settings.compute.batch_size
    with _place(manifest, recipe, settings, is_made=is_made) as (store, items, is_kept):

        def run(start: int, count: int) -> tuple[Pace, Keys]:
            taken = [items[number % len(items)] for number in range(start, start + count)]
            part, own = _part(manifest, taken)
            make = partial(
                make_engine, recipe, settings.features.weights, replace(settings.compute, progress=False), num_rows
            )
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
    manifest: Manifest, recipe: Recipe, settings: Settings, *, is_made: bool
) -> Iterator[tuple[Store, list[Item], bool]]:
    """A store, rows that it lacks, and whether they will stay: in the cache where enough are missing."""
    store = Store(settings.paths.cache, recipe)
    least = (_FIRST_BATCHES + _LEAST_BATCHES) * settings.compute.batch_size
    if not is_made and len(missing_items(manifest, store, (0,))) >= least:
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
    """A manifest of the images of some items alone, as it is sent to another process, and the items in it."""
    rows = sorted({item.row for item in items})
    place = {row: number for number, row in enumerate(rows)}
    part = manifest.select(rows)
    return part.detached(with_bytes=not manifest.is_files), [Item(place[item.row], item.view) for item in items]


def _share(manifest: Manifest, split: str) -> float:
    return manifest.splits.count(split) / len(manifest)


def _training(manifest: Manifest, planned: Planned, num_images: int, recipe: Recipe, settings: Settings) -> HeadCosts:
    """The default head of layers on these rows, and the frozen base live, by a few measured steps."""
    from pipeline.bases.cut import divide
    from pipeline.bases.weights import load_base
    from pipeline.comparison.costs import measure_costs

    size = recipe.decoder.size_px
    base = load_base(
        find_base(recipe.base),
        size,
        weights_file(recipe.base, settings.features.weights),
        precision=settings.features.precision,
    )
    trunk, _ = divide(base, recipe.cut)
    spec, num_classes = parse_layers(DEFAULT_LAYERS), max(2, len(manifest.classes))
    costs = measure_costs(trunk, None, spec, num_classes, pooling=planned.pool)
    decoding = decoding_seconds(manifest, recipe.decoder)
    return HeadCosts(
        num_train=math.ceil(num_images * _share(manifest, "train")),
        num_watched=math.ceil(num_images * _share(manifest, "validation")),
        epochs=planned.epochs,
        step=costs.step,
        infer=costs.infer,
        live=max(costs.trunk, decoding),  # the one runs while the other does
    )
