"""Calls of push and pull as tests make them."""

from pathlib import Path

from pipeline.cache.recipe import Recipe
from pipeline.cache.shared.pull import pull
from pipeline.cache.shared.push import push
from pipeline.cache.shared.transfer import Exchange
from tests.cache.samples import digest_of


def any_recipe(recipe: Recipe) -> bool:
    """Every store is wanted."""
    return recipe is not None


def only(wanted: Recipe):
    """The store of this recipe alone is wanted."""
    return lambda recipe: recipe.fingerprint == wanted.fingerprint


def push_all(place, cache: Path, numbers=None, fits=any_recipe) -> Exchange:
    """Push a cache, or the rows of these images."""
    return push(place.open(), cache, None if numbers is None else [digest_of(number) for number in numbers], fits)


def pull_all(place, cache: Path, numbers=None, fits=any_recipe) -> Exchange:
    """Pull everything, or the rows of these images."""
    return pull(place.open(), cache, None if numbers is None else [digest_of(number) for number in numbers], fits)


def counts(exchange: Exchange) -> list[tuple[int, int]]:
    """Rows and shards of each store."""
    return [(transfer.rows, transfer.shards) for transfer in exchange.transfers]
