"""Rows and labels for a training: what is missing is made first."""

import math

from pipeline.bases.digests import TrunkInfo
from pipeline.cache.store import Store, row_keys
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views
from pipeline.stage_two.rows import Task, load_with_views


def read_task(
    manifest: Manifest,
    pooling: str,
    settings: Settings,
    *,
    views: Views | None = None,
    memory_bytes: float = math.inf,
) -> tuple[Task, Extraction, TrunkInfo]:
    """Rows and labels of all splits, where they come from, and what is known of the trunk.

    A store of pooled rows serves where it has all rows and the spatial one has not.

    Args:
        manifest: The images, with labels.
        pooling: `none`, `avg` or `max`.
        settings: All of stage one.
        views: Stored views to read too.
        memory_bytes: Rows that take more than this stay in their store.
    """
    manifest.require_task()
    recipe, trunk = make_recipe(manifest, settings)
    keys, cache = row_keys(manifest.digests), settings.paths.cache
    pooled = recipe.with_pooling(pooling)
    # The pooled store is looked at first: most often there is none, and the other one is then read once and not twice.
    if pooling != "none" and Store(cache, pooled).has(keys).all() and not Store(cache, recipe).has(keys).all():
        recipe = pooled
    extraction = ensure(manifest, recipe, settings)
    task = load_with_views(extraction.manifest, extraction.store, views, pooling=pooling, memory_bytes=memory_bytes)
    return task, extraction, trunk
