"""Views as rows: augmentations of an image that are stored once and trained on as often as you like."""

from dataclasses import dataclass, replace
from typing import Any

from pipeline.cache.recipe import Recipe
from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation, ViewMaker
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.extract import Extraction


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

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for run.json."""
        return {"count": self.count, "augmentation": self.augmentation.as_text(), "seed": self.seed, "tta": self.tta}

    def images(self, manifest: Manifest) -> Manifest:
        """The images that have views: those of the training split, or all with `tta`."""
        return manifest if self.tta else manifest.split("train")

    @property
    def numbers(self) -> range:
        """Of the views: 1 to K."""
        return range(1, self.count + 1)

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of views 1 to K that belongs to one of view 0."""
        return replace(recipe, augmentation=ViewMaker(self.augmentation, self.seed).canonical_json())


def ensure_views(manifest: Manifest, views: Views, recipe: Recipe, settings: Settings) -> Extraction:
    """Make the missing rows of views 1 to K.

    Args:
        manifest: All images; those that `views` names get views.
        views: How many, and of what augmentation.
        recipe: Of view 0.
        settings: Weights, cache folder and compute.
    """
    return ensure(views.images(manifest), views.recipe(recipe), settings, views=views.numbers)
