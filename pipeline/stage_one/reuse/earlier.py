"""Missing rows are derived from the stores of earlier layers, where there are any."""

import logging
from collections.abc import Sequence
from functools import partial

from pipeline.bases.trunks import trunk_of
from pipeline.cache.inventory import Inventory
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store
from pipeline.errors import InvalidCutError
from pipeline.settings import FeatureSettings, Settings
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.reuse.derive import derive

logger = logging.getLogger(__name__)


def derive_missing(inventory: Inventory, settings: Settings) -> tuple[int, str | None]:
    """Derive as many missing rows as stores of earlier layers allow: how many that were, and by which engine.

    A few missing rows, such as those of images that cannot be read, are not worth opening other stores.

    Args:
        inventory: The rows that are wanted, and the stores of other cuts.
        settings: Base, weights and compute.
    """
    missing, compute, features = inventory.missing, settings.compute, settings.features
    if len(missing) <= compute.batch_size:
        return 0, None
    later = inventory.store
    stores = earlier_stores(missing, later, inventory.other_cuts, features)
    done = [
        derive(
            missing,
            earlier,
            later,
            partial(make_engine, later.recipe, features.weights, compute, earlier=earlier.recipe),
            batch_size=compute.batch_size,
            progress=compute.progress,
        )
        for earlier in stores
    ]
    return sum(count for count, _ in done), next((engine for _, engine in done if engine), None)


def earlier_stores(missing: Keys, store: Store, other_cuts: Sequence[Store], features: FeatureSettings) -> list[Store]:
    """Stores of the same trunk, cut earlier, that hold some of the missing rows; the latest cut first.

    Args:
        missing: Keys of the rows that are wanted.
        store: The store that lacks them.
        other_cuts: Stores of whole grids that differ only in the cut.
        features: Base and weights.
    """
    depths = {found: _depth(found.recipe, features) for found in other_cuts if found.has(missing).any()}
    own = _depth(store.recipe, features) if depths else 0
    earlier = sorted((found for found in depths if 0 < depths[found] < own), key=lambda found: -depths[found])
    if earlier:
        names = ", then ".join(found.name for found in earlier)
        logger.info("%s: rows are derived from those of %s.", store.name, names)
    return earlier


def _depth(recipe: Recipe, features: FeatureSettings) -> int:
    """Number of layers of a recipe's trunk, with these weights; 0 if they have no such trunk."""
    try:
        trunk = trunk_of(features.spec, features.weights, recipe.cut, with_depth=True)
    except InvalidCutError:
        return 0
    return trunk.depth or 0 if trunk.digest == recipe.trunk_digest else 0
