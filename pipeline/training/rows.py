"""Cached rows and labels for a training; missing rows are computed first."""

import math
from dataclasses import dataclass

from pipeline.bases.digests import TrunkInfo
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views, fetch_views
from pipeline.stage_two.rows import LabelledRows, RowMemory, load_rows


@dataclass(frozen=True)
class CachedRows:
    """Rows and labels of all splits, and where they come from."""

    labelled: LabelledRows
    extraction: Extraction
    trunk: TrunkInfo
    pooling: str
    """Pooling of the rows: `none`, `avg` or `max`."""

    views: Views | None
    """The stored views in the task."""

    is_stored: bool = False
    """Whether all rows were in the store already and the trunk is known from a run alone, so that its digest cannot be taken again."""

    @property
    def has_tta(self) -> bool:
        """Whether predictions are averaged over the views of validation and test images."""
        return self.views is not None and self.views.tta


def read_rows(
    manifest: Manifest,
    pooling: str,
    settings: Settings,
    *,
    views: Views | None = None,
    memory_bytes: float = math.inf,
    memory: RowMemory | None = None,
) -> CachedRows:
    """Read rows and labels of all splits; missing rows are computed first.

    If a store of pooled rows has all rows and the store of spatial rows has not, the pooled rows are used.

    Args:
        manifest: The images, with labels.
        pooling: `none`, `avg` or `max`.
        settings: Features, folders and compute.
        views: Stored views to read too.
        memory_bytes: Rows that take more memory than this stay in their store.
        memory: Rows that were read already for another task; None: read all.
    """
    recipe, trunk = make_recipe(manifest, settings)
    pooled = recipe.with_pooling(pooling) if pooling != "none" else None
    extraction = ensure(manifest, recipe, settings, alternative=pooled)
    fetch_views(extraction.manifest, views, extraction.store.recipe, settings)
    labelled = load_rows(
        extraction.manifest, extraction.store, views, pooling=pooling, memory_bytes=memory_bytes, memory=memory
    )
    return CachedRows(labelled, extraction, trunk, pooling, views)
