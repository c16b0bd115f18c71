"""The grids behind the rows of a run: where they are kept, or made from the images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.bases.names import CLASS_TOKEN, JOIN
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import SettingError
from pipeline.evidence.joined import joined_recipes
from pipeline.evidence.maps import Array
from pipeline.images.manifest import Manifest
from pipeline.runs.info import RunInfo
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_one.recipes import make_recipe


@dataclass(frozen=True)
class Grids:
    """The grids of images."""

    manifest: Manifest
    """N images."""

    stores: Sequence[Store]
    """One, or one for each of the bases that are joined."""

    def __len__(self) -> int:
        return len(self.manifest)

    def read(self, start: int, end: int) -> list[Array]:
        """The cells of some of the images, float32 (n, h, w, C) for each store."""
        return read_grids(self.stores, row_keys(self.manifest.digests[start:end]))


def read_grids(stores: Sequence[Store], keys: Keys) -> list[Array]:
    """Stored cells, float32 (n, h, w, C) for each store.

    Raises:
        SettingError: The rows have no grid.
    """
    parts = [store.read(keys, pooling="none") for store in stores]
    for part, store in zip(parts, stores, strict=True):
        if part.ndim != 4:
            raise SettingError(
                f"The rows of {store.name} have no grid, so there is no map of where the head looked: {store.recipe.cut} is one vector "
                "for each image. Choose a --cut before the grid is pooled."
            )
    return parts


def make_grids(manifest: Manifest, info: RunInfo, settings: Settings) -> Grids:
    """The grids of images; those that are not stored are computed, and kept if the cache can be written.

    Args:
        manifest: The images.
        info: Features of the run.
        settings: Cache folder and compute.

    Raises:
        SettingError: The rows of the run come from no grid.
    """
    recipe = Recipe.from_dict(dict(info.recipe))
    check_has_grid(recipe)
    own = settings.with_changes(base=recipe.base, weights=info.weights)
    stores = []
    for wanted, part in _recipes_of(manifest, recipe, own):
        made = make_rows(manifest, wanted, part, keep=False)
        manifest = made.manifest
        stores.append(made.store)
    return Grids(manifest, stores)


def open_grids(recipe: Recipe, cache: Path, weights: str) -> tuple[Store, ...]:
    """The store with the grids of a recipe, or that of each base which is joined; none if one is not there. Nothing is computed.

    Args:
        recipe: Of the rows.
        cache: Cache folder.
        weights: Of the bases, as users name them; for joined bases.

    Raises:
        SettingError: The rows come from no grid, or weights of joined bases are not on this machine.
        DamagedStoreError, ForeignEntryError, UnreadableStoreError: A store cannot be opened.
    """
    check_has_grid(recipe)
    wanted = joined_recipes(recipe, weights) if JOIN in recipe.base else [recipe.with_pooling("none")]
    folders = [cache / one.folder_name for one in wanted]
    return tuple(map(Store.open, folders)) if all(folder.is_dir() for folder in folders) else ()


def check_stored(stores: Sequence[Store], keys: Keys) -> Sequence[Store]:
    """The stores, if there are any, and all have the grids of these images.

    Raises:
        SettingError: They are not stored; the message says what stores them.
    """
    missing = int(np.logical_or.reduce([~store.has(keys) for store in stores]).sum()) if stores else len(keys)
    if missing:
        raise SettingError(
            f"The grids of {missing:,} of {len(keys):,} images are not in the cache. `bottleneck features DATA` without --pool stores them, and "
            "`bottleneck predict RUN IMAGES --evidence FOLDER` computes those of the images that you name."
        )
    return stores


def _recipes_of(manifest: Manifest, recipe: Recipe, settings: Settings) -> list[tuple[Recipe, Settings]]:
    """The recipe of each base with its whole grid, and its settings."""
    bases = settings.features.spec.parts
    if not bases:
        return [(recipe.with_pooling("none"), settings)]
    found = []
    for base in bases:
        own = settings.with_changes(base=base.name, size=recipe.decoder.size_px, cut=None)
        made, _ = make_recipe(manifest, own)
        found.append((replace(made, decoder=recipe.decoder), own))
    return found


def check_has_grid(recipe: Recipe) -> None:
    """Check that the rows of a recipe come from a grid.

    Raises:
        SettingError: They are class tokens.
    """
    if recipe.cut == CLASS_TOKEN:
        raise SettingError(
            "This run was trained on class tokens (--pool cls), which belong to no place in the image, so there is no map of where it "
            "looked. Train a head on the patches instead: --pool avg."
        )
