"""Estimate stage one from a sample: some rows are made in the same way as all of them would be."""

import html
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.bases.table import BFLOAT16
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.comparison.estimates import (
    HeadCosts,
    StageOneEstimate,
    TrainingEstimate,
    Work,
    estimate_stage_one,
    estimate_training,
)
from pipeline.comparison.leftovers import LeftRows, describe_left
from pipeline.comparison.samples import decoding_seconds, measure_sample
from pipeline.errors import DisagreementError, SettingError
from pipeline.html import show_table
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import require_pixels
from pipeline.images.synthetic import synthetic_images
from pipeline.progress import progress_bar
from pipeline.settings import Settings
from pipeline.stage_one.computing.pending import rows_per_shard
from pipeline.stage_one.computing.tasks import rows_per_task
from pipeline.stage_one.engines.choose import may_use_bfloat16
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.reuse.shared import count_shared

logger = logging.getLogger(__name__)

_LONG_SECONDS = 300.0
"""Where stage one in float32 takes longer, bfloat16 is measured too, if the processor has it."""

_NUM_SYNTHETIC = 256
"""Synthetic images; each may be used more than once, because its rows are deleted."""


BREAK_EVEN = "Break-even: so many epochs of one head, or so many heads, take as long live as stage one and their training on its rows."
"""What the two columns of a plan mean."""


@dataclass(frozen=True)
class PlanSettings:
    """What is planned for."""

    num_images: int | None = None
    """None: as many as the data has."""

    workers: int = 1
    num_views: int = 0
    """Of each training image."""

    pool: str = "none"
    epochs: int = 30
    """Of each head, for the break-even."""

    photo_px: tuple[int, int] = (500, 375)
    """Width and height of synthetic images."""

    def __post_init__(self) -> None:
        num_images = 1 if self.num_images is None else self.num_images
        if min(num_images, self.workers, self.epochs) < 1 or not 0 <= self.num_views <= 255:
            raise SettingError(
                "Images, workers and epochs are positive, views are in [0, 255]. Received: "
                f"images {self.num_images}, workers {self.workers}, epochs {self.epochs}, views {self.num_views}."
            )


@dataclass(frozen=True)
class BasePlan:
    """What stage one takes with one base."""

    base: str
    size: int
    """Input height and width in px."""

    shape: tuple[int, ...]
    """Of a row."""

    precision: str
    """Arithmetic of the trunk."""

    engine: str
    sample: int
    """Rows that were measured."""

    rows_per_second: float
    start_seconds: float
    """Of each process, until its first row."""

    once_seconds: float
    """Once per machine: to convert the network and to compare engines."""

    there: int
    """Rows that the cache has already, with those of the sample. The estimate is for the others."""

    stage_one: StageOneEstimate
    break_even: TrainingEstimate
    shared: int = 0
    """Rows that the shared cache has and this one lacks. They are fetched, and the estimate is not for them either."""

    left: LeftRows | None = None
    """Rows of the sample that stay in the cache; None if there are none."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "base": self.base,
            "size": self.size,
            "shape": list(self.shape),
            "precision": self.precision,
            "engine": self.engine,
            "sample": self.sample,
            "rows_per_second": self.rows_per_second,
            "start_seconds": self.start_seconds,
            "once_seconds": self.once_seconds,
            "rows_there": self.there,
            "rows_shared": self.shared,
            **self.stage_one.as_dict(),
            "break_even": self.break_even.as_dict(),
            "left": self.left.as_dict() if self.left else None,
        }


@dataclass(frozen=True, repr=False)
class Plan:
    """What stage one takes with each base."""

    images: int
    rows: int
    """Images, and views of training images."""

    workers: int
    measured_on: str
    """The images of the sample."""

    bases: Sequence[BasePlan]
    """One per base; a second one in bfloat16 where float32 takes long and the processor has both."""

    use: Mapping[str, Any] = field(default_factory=dict)
    """What became of the images: {classes, unlabelled, skipped, ignored}; empty for synthetic ones."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "rows": self.rows,
            "workers": self.workers,
            "measured_on": self.measured_on,
            "bases": [base.as_dict() for base in self.bases],
            **self.use,
        }

    def __repr__(self) -> str:
        bases = (f"{each.base} {describe_duration(each.stage_one.seconds)}" for each in self.bases)
        return f"Plan({self.images:,} images: {', '.join(bases)})"

    def _repr_html_(self) -> str:
        """One line per base."""
        rows = [
            {
                "base": f"{row.base}, {row.size} px",
                "precision": row.precision,
                "engine": row.engine,
                "rows per second": f"{row.rows_per_second:.1f}",
                "rows there": row.there,
                **({"rows shared": row.shared} if row.shared else {}),
                "time": describe_duration(row.stage_one.seconds),
                "GB": f"{row.stage_one.gigabytes:.3g}",
                "shards": row.stage_one.shards,
                "GB of memory": f"{row.stage_one.memory_gigabytes:.1f}",
                "break-even epochs": row.break_even.epochs,
                "break-even heads": row.break_even.heads,
            }
            for row in self.bases
        ]
        workers = f"{self.workers} worker{'s' * (self.workers != 1)}"
        text = f"{self.images:,} images, {self.rows:,} rows, {workers}, measured on {self.measured_on}"
        left = describe_left(row.left for row in self.bases if row.left)
        return f"<p>{html.escape(text)}</p>{show_table(rows)}<p>{BREAK_EVEN}</p><pre>{html.escape(left)}</pre>"


def describe_duration(seconds: float) -> str:
    """A duration in its largest unit of which there are two or more."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def plan(manifest: Manifest | None, planned: PlanSettings, bases: Sequence[str], settings: Settings) -> Plan:
    """What stage one takes with each base, and when it breaks even, compared with live training.

    Rows that the cache has already cost nothing, unless the plan is for another number of images.

    Where stage one takes minutes in float32, it is measured in bfloat16 too, if the processor has it.

    The rows of the sample are made in separate processes, in the same way as all rows, and stay in the store. If the store lacks
    too few rows, or the images are synthetic, they are made in a folder that is deleted.

    Args:
        manifest: The images; None: synthetic ones.
        planned: What is planned for.
        bases: Names of `bottleneck bases`.
        settings: Features but for the base, folders and compute.

    Raises:
        SettingError: Neither data nor a number of images.
    """
    if manifest is None and planned.num_images is None:
        raise SettingError("Give the number of images to plan for (--images), or DATA. Received: neither.")
    if manifest is not None:
        require_pixels(manifest, "`plan DATA`")
    is_synthetic = manifest is None
    sample = synthetic_images(_NUM_SYNTHETIC, *planned.photo_px) if manifest is None else manifest
    num_images = planned.num_images or len(sample)
    num_rows = num_images + planned.num_views * round(num_images * _share(sample, "train"))
    width, height = planned.photo_px
    progress = settings.compute.progress
    plans = []
    with progress_bar(desc="plan", total=2 * len(bases), unit="step", progress=progress) as bar:
        for base in bases:
            own = settings.with_changes(base=base)
            measure = partial(
                _plan_base, sample, planned, num_images, num_rows, is_synthetic=is_synthetic, on_process=bar.update
            )
            plans.append(measure(own))
            if plans[-1].stage_one.seconds >= _LONG_SECONDS and may_use_bfloat16(own.features.precision, own.compute):
                bar.total += 2
                plans += _if_it_agrees(partial(measure, own.with_changes(precision=BFLOAT16)))
    return Plan(
        images=num_images,
        rows=num_rows,
        workers=planned.workers,
        measured_on=f"synthetic images, {width} x {height} px" if is_synthetic else sample.title,
        bases=plans,
        use={} if manifest is None else manifest.use.as_dict(),
    )


def _if_it_agrees(measure: Callable[[], BasePlan]) -> list[BasePlan]:
    """The plan in bfloat16; none for a network whose features are not the same in it."""
    try:
        return [measure()]
    except DisagreementError as error:
        logger.info("bfloat16 is left out. %s", error)
        return []


def _plan_base(
    manifest: Manifest,
    planned: PlanSettings,
    num_images: int,
    num_rows: int,
    settings: Settings,
    *,
    is_synthetic: bool,
    on_process: Callable[[], object],
) -> BasePlan:
    recipe = make_recipe(manifest, settings)[0].with_pooling(planned.pool)
    measured = measure_sample(manifest, recipe, num_rows, settings, is_synthetic=is_synthetic, on_process=on_process)
    sample = measured.sample
    shard_rows = rows_per_shard(measured.row_shape, sample.rows_per_second, settings.compute.batch_size)
    there, shared = (0, 0) if is_synthetic or planned.num_images else _num_stored(manifest, recipe, settings)
    missing = num_rows - there - shared
    stage_one = estimate_stage_one(sample, Work(missing, planned.workers, rows_per_task(missing), shard_rows))
    decoding = decoding_seconds(manifest, recipe.decoder)
    head = HeadCosts(
        num_train=math.ceil(num_images * _share(manifest, "train")),
        num_watched=math.ceil(num_images * _share(manifest, "validation")),
        epochs=planned.epochs,
        step=measured.costs.step,
        infer=measured.costs.infer,
        live=max(measured.costs.trunk, decoding),  # decoding and the trunk run at the same time
    )
    return BasePlan(
        base=recipe.base,
        size=recipe.decoder.size_px,
        shape=measured.row_shape,
        precision=recipe.precision,
        engine=measured.pace.engine,
        sample=measured.pace.num_rows,
        rows_per_second=sample.rows_per_second,
        start_seconds=sample.start_seconds,
        once_seconds=sample.once_seconds,
        there=there,
        shared=shared,
        stage_one=stage_one,
        break_even=estimate_training(head, stage_one.seconds),
        left=measured.left,
    )


def _num_stored(manifest: Manifest, recipe: Recipe, settings: Settings) -> tuple[int, int]:
    """Images that have a row already, and those of the others that have one in the shared cache; a grid serves every pooling."""
    cache, keys = settings.paths.cache, row_keys(manifest.digests)
    stores = {Store(cache, each) for each in (recipe, recipe.with_pooling("none"))}
    fullest = max(stores, key=lambda store: int(store.has(keys).sum()))
    there = fullest.has(keys)
    return int(there.sum()), count_shared(fullest.recipe, keys[~there], settings.paths)


def _share(manifest: Manifest, split: str) -> float:
    return manifest.splits.count(split) / len(manifest)
