"""The shape of a shared store's rows where it is not known from elsewhere: that of most rows, so that one forged shard cannot exclude the others."""

import math
from collections import Counter
from collections.abc import Sequence

from pipeline.bases.table import BASES
from pipeline.cache.recipe import Recipe
from pipeline.cache.shared.contents import SharedShard

Shape = tuple[int, ...]

_ENOUGH = 3
"""Shards that decide if all of them agree: a fetched shard is kept at once then, and a pull that is killed loses no more than these."""


class ShapeVote:
    """Each shard has as many votes as rows.

    Args:
        recipe: Of the rows.
        shards: All that are fetched.
    """

    def __init__(self, recipe: Recipe, shards: Sequence[SharedShard]) -> None:
        self._recipe = recipe
        self._total = sum(math.inf if shard.keys is None else len(shard.keys) for shard in shards)
        self._votes = Counter[Shape]()
        self._num_shards = 0

    def add(self, shape: Shape, num_rows: int) -> Shape | None:
        """Count a shard; the shape, as soon as it is decided."""
        self._votes[shape] += num_rows
        self._num_shards += 1
        if len(self._votes) == 1 and self._num_shards >= _ENOUGH:
            return shape
        leading, count = self._votes.most_common(1)[0]
        return leading if 2 * count > self._total else None

    def end(self) -> Shape | None:
        """The shape that leads when all shards are counted: one that the table of bases allows, with most rows. None: two lead."""
        ranked = sorted(((_is_expected(self._recipe, shape), count, shape) for shape, count in self._votes.items()))
        if not ranked or (len(ranked) > 1 and ranked[-1][:2] == ranked[-2][:2]):
            return None
        return ranked[-1][2]


def _is_expected(recipe: Recipe, shape: Shape) -> bool:
    """Whether the base has so many channels at its last layer; True at other layers, and of bases that are not in the table."""
    spec = BASES.get(recipe.base)
    return spec is None or recipe.cut != spec.last_layer or shape[-1] == spec.channels
