"""Which rows a store lacks, and the images that stay without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.cache.store import Store, view_keys
from pipeline.errors import SettingError
from pipeline.images.manifest import Manifest


@dataclass(frozen=True)
class Item:
    """A row to compute: one view of one image."""

    row: int
    """Row of the image."""

    view: int


def missing_items(manifest: Manifest, store: Store, views: Sequence[int]) -> list[Item]:
    """One item for each image content and view that has no row yet, ordered by key.

    The order does not depend on file names: every run that starts from the same store works in the same order.

    Raises:
        SettingError: The views do not fit the recipe.
    """
    is_augmented = store.recipe.augmentation is not None
    if not views or any((view > 0) != is_augmented for view in views):
        raise SettingError(
            f"Views 1 to K need a recipe with an augmentation, view 0 one without. Received: views {list(views)}."
        )
    keys, first = np.unique(view_keys(manifest.digests, views), return_index=True)
    missing = first[~store.has(keys)]
    return [Item(int(position) % len(manifest), views[int(position) // len(manifest)]) for position in missing]


def leave_out(manifest: Manifest, skipped: Mapping[bytes, str]) -> Manifest:
    """The manifest without the images of these digests, which it lists as skipped with the given reasons."""
    return manifest.without({row: skipped[digest] for row, digest in enumerate(manifest.digests) if digest in skipped})
