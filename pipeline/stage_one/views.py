"""Views: augmentations of an image that are stored once and used in every epoch."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pipeline.cache.inventory import take_inventory
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import view_keys
from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation, ViewMaker
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.reuse.record import known_shape
from pipeline.stage_one.reuse.shared import fetch_shared


@dataclass(frozen=True)
class Views:
    """Which views of the training images are computed and used."""

    count: int
    """K: views 1 to K, beside view 0, the image as it is."""

    augmentation: Augmentation
    seed: int = 0
    tta: bool = False
    """Whether validation and test images have views too, over which predictions are averaged (test-time augmentation)."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 255:
            raise SettingError(f"The number of views is in [1, 255]. Received: {self.count}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for run.json."""
        return {"count": self.count, "augmentation": self.augmentation.as_text(), "seed": self.seed, "tta": self.tta}

    def images(self, manifest: Manifest) -> Manifest:
        """The images that have views: those of the training split, or all if `tta` is set."""
        return manifest if self.tta else manifest.split("train")

    @property
    def numbers(self) -> range:
        """The view numbers, 1 to K."""
        return range(1, self.count + 1)

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of views 1 to K for a recipe of view 0."""
        return replace(recipe, augmentation=ViewMaker(self.augmentation, self.seed).canonical_json())


def ensure_views(manifest: Manifest, views: Views, recipe: Recipe, settings: Settings) -> Extraction:
    """Make the missing rows of views 1 to K.

    Args:
        manifest: All images; `views` selects those that get views.
        views: How many views, and their augmentation.
        recipe: The recipe of view 0.
        settings: Weights, cache folder and compute.
    """
    return ensure(views.images(manifest), views.recipe(recipe), settings, views=views.numbers)


def fetch_views(manifest: Manifest, views: Views | None, recipe: Recipe, settings: Settings) -> int:
    """Fetch the missing rows of views 1 to K that the shared cache has, and compute none: how many were fetched.

    Args:
        manifest: All images; `views` selects those that have views.
        views: How many views, and their augmentation; None: none are wanted.
        recipe: The recipe of view 0.
        settings: The own cache, and the shared one, if there is one.
    """
    if views is None or settings.paths.shared is None:
        return 0
    keys = view_keys(views.images(manifest).digests, views.numbers)
    inventory = take_inventory(keys, settings.paths.cache, views.recipe(recipe))
    shape = partial(known_shape, manifest)
    return fetch_shared(inventory, settings.paths, shape, progress=settings.compute.progress)[1]
