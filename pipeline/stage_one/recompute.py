"""A check of the store: random rows are computed again and compared with the stored ones."""

from dataclasses import dataclass

import numpy as np

from pipeline.cache.store import Store, row_keys
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import require_pixels
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.recipes import make_recipe

_TOLERANCE = {"float32": 1e-4, "float16": 2e-3, "mixed_float16": 1e-2, "bfloat16": 5e-2, "mixed_bfloat16": 5e-2}
"""Maximum difference by stored dtype and by arithmetic, relative to the row's maximum; the coarser of the two counts. Engines agree
to 1e-4 in float32. Another engine or processor may have made the rows."""


@dataclass(frozen=True)
class Recomputed:
    """Rows that were computed again."""

    rows: int
    largest_difference: float
    """Relative to the maximum of the row."""

    bad: tuple[str, ...]
    """Names of the images whose rows differ beyond the tolerance."""


def recompute(manifest: Manifest, count: int, settings: Settings) -> Recomputed:
    """Compute the rows of `count` random images again.

    Raises:
        MissingRowsError: An image has no row yet.
        DataLayoutError: The images come from a manifest file.
    """
    require_pixels(manifest, "Computing rows again")
    recipe, _ = make_recipe(manifest, settings)
    rows = np.random.default_rng(0).choice(len(manifest), min(count, len(manifest)), replace=False)
    part = manifest.select([int(row) for row in rows])
    stored = Store(settings.paths.cache, recipe).read(row_keys(part.digests)).reshape(len(part), -1)
    pixels = np.stack([recipe.decoder.decode(part.read(row)) for row in range(len(part))])
    engine = make_engine(recipe, settings.features.weights, settings.compute, len(part))
    fresh = engine.features(pixels).reshape(len(part), -1)
    difference = np.abs(fresh - stored).max(axis=1) / np.maximum(np.abs(fresh).max(axis=1), 1e-12)
    tolerance = max(_TOLERANCE[recipe.dtype], _TOLERANCE[recipe.precision])
    bad = tuple(name for name, value in zip(part.names, difference, strict=True) if not value <= tolerance)
    return Recomputed(len(part), float(difference.max()), bad)
