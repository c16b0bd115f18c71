"""Estimate stage one from a sample: some rows are made in the same way as all of them would be."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.comparison.estimates import (
    HeadCosts,
    StageOneEstimate,
    TrainingEstimate,
    Work,
    estimate_stage_one,
    estimate_training,
)
from pipeline.comparison.samples import decoding_seconds, measure_sample
from pipeline.errors import SettingError
from pipeline.html import show_table
from pipeline.images.manifest import Manifest
from pipeline.images.synthetic import synthetic_images
from pipeline.settings import Settings
from pipeline.stage_one.pending import rows_per_shard
from pipeline.stage_one.recipes import make_recipe, weights_file
from pipeline.stage_one.tasks import rows_per_task
from pipeline.stage_two.spec import DEFAULT_LAYERS, parse_layers

_NUM_SYNTHETIC = 256
"""Synthetic images; each may be used more than once, because its rows are deleted."""


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

    engine: str
    sample: int
    """Rows that were measured."""

    rows_per_second: float
    start_seconds: float
    """Of each process, until its first row."""

    once_seconds: float
    """Once per machine: to convert the network and to compare engines."""

    stage_one: StageOneEstimate
    break_even: TrainingEstimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "base": self.base,
            "size": self.size,
            "shape": list(self.shape),
            "engine": self.engine,
            "sample": self.sample,
            "rows_per_second": self.rows_per_second,
            "start_seconds": self.start_seconds,
            "once_seconds": self.once_seconds,
            **self.stage_one.as_dict(),
            "break_even": self.break_even.as_dict(),
        }


@dataclass(frozen=True)
class Plan:
    """What stage one takes with each base."""

    images: int
    rows: int
    """Images, and views of training images."""

    workers: int
    measured_on: str
    """The images of the sample."""

    bases: Sequence[BasePlan]
    """One per base."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "rows": self.rows,
            "workers": self.workers,
            "measured_on": self.measured_on,
            "bases": [base.as_dict() for base in self.bases],
        }

    def _repr_html_(self) -> str:
        """One line per base."""
        rows = [
            {
                "base": f"{row.base}, {row.size} px",
                "engine": row.engine,
                "rows per second": row.rows_per_second,
                "hours": row.stage_one.seconds / 3600,
                "GB": row.stage_one.gigabytes,
                "shards": row.stage_one.shards,
                "GB of memory": row.stage_one.memory_gigabytes,
                "breaks even after epochs": row.break_even.epochs,
                "or heads": row.break_even.heads,
            }
            for row in self.bases
        ]
        text = f"{self.images:,} images, {self.rows:,} rows, {self.workers} workers, measured on {self.measured_on}"
        return f"<p>{html.escape(text)}</p>{show_table(rows)}"


def plan(manifest: Manifest | None, planned: PlanSettings, bases: Sequence[str], settings: Settings) -> Plan:
    """What stage one takes with each base, and when it breaks even, compared with live training.

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
    is_synthetic = manifest is None
    sample = synthetic_images(_NUM_SYNTHETIC, *planned.photo_px) if manifest is None else manifest
    num_images = planned.num_images or len(sample)
    num_rows = num_images + planned.num_views * round(num_images * _share(sample, "train"))
    width, height = planned.photo_px
    return Plan(
        images=num_images,
        rows=num_rows,
        workers=planned.workers,
        measured_on=f"synthetic images, {width} x {height} px" if is_synthetic else sample.title,
        bases=[
            _plan_base(
                sample, planned, num_images, num_rows, settings.with_changes(base=base), is_synthetic=is_synthetic
            )
            for base in bases
        ],
    )


def _plan_base(
    manifest: Manifest, planned: PlanSettings, num_images: int, num_rows: int, settings: Settings, *, is_synthetic: bool
) -> BasePlan:
    recipe = make_recipe(manifest, settings)[0].with_pooling(planned.pool)
    pace, sample, row_shape = measure_sample(manifest, recipe, num_rows, settings, is_synthetic=is_synthetic)
    shard_rows = rows_per_shard(row_shape, sample.rows_per_second, settings.compute.batch_size)
    stage_one = estimate_stage_one(sample, Work(num_rows, planned.workers, rows_per_task(num_rows), shard_rows))
    return BasePlan(
        base=recipe.base,
        size=recipe.decoder.size_px,
        shape=row_shape,
        engine=pace.engine,
        sample=pace.num_rows,
        rows_per_second=sample.rows_per_second,
        start_seconds=sample.start_seconds,
        once_seconds=sample.once_seconds,
        stage_one=stage_one,
        break_even=estimate_training(_head_costs(manifest, planned, num_images, recipe, settings), stage_one.seconds),
    )


def _share(manifest: Manifest, split: str) -> float:
    return manifest.splits.count(split) / len(manifest)


def _head_costs(
    manifest: Manifest, planned: PlanSettings, num_images: int, recipe: Recipe, settings: Settings
) -> HeadCosts:
    """Seconds per image of the default dense head on these rows, and of the frozen base live, from a few measured steps."""
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
        live=max(costs.trunk, decoding),  # decoding and the trunk run at the same time
    )
