"""Views as rows: store augmentations once, train on them as often as you like."""

import math
from dataclasses import dataclass, replace
from typing import Any

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import MissingRowsError, SettingError
from pipeline.images.augment import Augmentation, ViewMaker
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.settings import Options, make_recipe
from pipeline.stage_one.ensure import extract_recipe, manifest_of
from pipeline.stage_one.extract import Extraction
from pipeline.stage_two.rows import Task, load_task


@dataclass(frozen=True)
class Views:
    """Which views of the training images are used."""

    count: int
    """K: views 1 to K beside the image as it is."""

    augmentation: Augmentation
    seed: int = 0
    tta: bool = False
    """Views of validation and test images too: predictions are averaged over them."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 255:
            raise SettingError(f"The number of views is in [1, 255]. Received: {self.count}.")

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of views 1 to K that belongs to one of view 0."""
        return replace(recipe, augmentation=ViewMaker(self.augmentation, self.seed).canonical_json())


def extract_views(
    data: Data | Manifest, views: Views, *, pool: str = "none", options: Options | None = None
) -> Extraction:
    """Stage one for views 1 to K of the training images (of all with `tta`); only those that are missing.

    Args:
        data: What `scan` takes, or a manifest.
        views: How many, and of what augmentation.
        pool: As in `extract`.
        options: Base and places.
    """
    chosen = options or Options()
    manifest = manifest_of(data, chosen)
    recipe, _ = make_recipe(manifest, chosen)
    part = manifest if views.tta else manifest.split("train")
    numbers = range(1, views.count + 1)
    return extract_recipe(part, views.recipe(recipe.with_pooling(pool)), chosen, views=numbers)


def load_with_views(
    manifest: Manifest,
    store: Store,
    views: Views | None,
    pooling: str,
    options: Options,
    memory_bytes: float = math.inf,
) -> Task:
    """Rows and labels with the views that were asked for; see `load_task`.

    Raises:
        MissingRowsError: Not all of them are stored; the message names the command that stores them.
    """
    if views is None:
        return load_task(manifest, store, pooling=pooling, memory_bytes=memory_bytes)
    view_store = Store(options.cache, views.recipe(store.recipe))
    part = manifest if views.tta else manifest.split("train")
    missing = sum(int((~view_store.has(row_keys(part.digests, view))).sum()) for view in range(1, views.count + 1))
    if missing:
        raise MissingRowsError(
            f"{missing} of {views.count * len(part)} views are not stored. Store them once with: bottleneck features DATA "
            f"--views {views.count} --augment {views.augmentation.as_text()}{' --tta' if views.tta else ''}, "
            "and the same base, size, cut and preprocessing."
        )
    return load_task(
        manifest,
        store,
        pooling=pooling,
        view_store=view_store,
        num_views=views.count,
        tta=views.tta,
        memory_bytes=memory_bytes,
    )


def describe_views(views: Views | None) -> dict[str, Any] | None:
    """What a run says of its views."""
    if views is None:
        return None
    return {"count": views.count, "augmentation": views.augmentation.as_text(), "seed": views.seed, "tta": views.tta}
