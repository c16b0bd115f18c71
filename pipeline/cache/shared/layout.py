"""What lies where at the URL of a shared cache: the layout of a cache, and beside each shard a list of its rows.

STORE/recipe.json
STORE/trunk.json                  of which weights the rows are; it may be missing
STORE/shards/<sha256[:32]>.h5
STORE/keys/<sha256[:32]>.keys     33 bytes for each row, in their order: the image's SHA-256, and the view
"""

import re
from collections.abc import Callable

import numpy as np

from pipeline.cache.store import Keys
from pipeline.errors import DamagedStoreError

STORE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,240}-[0-9a-f]{12}")
SHARD_NAME = re.compile(r"[0-9a-f]{32}\.h5")
KEY_BYTES = 33
MAX_LIST_BYTES = KEY_BYTES * 2**22
"""The list of the largest shard."""

MAX_LISTS_BYTES = 2**30
"""All lists of a store: 32 million rows."""


Check = Callable[[], object]
"""Called while a server is waited for; it raises an error if the work is to end."""


def nothing() -> None:
    """The check of work that goes on."""


def recipe_path(store: str) -> str:
    """Where the recipe of a store is."""
    return f"{store}/recipe.json"


def note_path(store: str) -> str:
    """Where the note of a store is: the weights that its rows are of."""
    return f"{store}/trunk.json"


def shard_path(store: str, shard: str) -> str:
    """Where a shard is."""
    return f"{store}/shards/{shard}"


def list_path(store: str, shard: str) -> str:
    """Where the list of a shard's rows is."""
    return f"{store}/keys/{shard.removesuffix('.h5')}.keys"


def pack_keys(keys: Keys) -> bytes:
    """The list of a shard's rows."""
    return np.ascontiguousarray(keys).tobytes()


def unpack_keys(data: bytes, path: str) -> Keys:
    """The keys in a list.

    Raises:
        DamagedStoreError: It is no list.
    """
    if not data or len(data) % KEY_BYTES:
        raise DamagedStoreError(f"{path} has {len(data):,} bytes; a list of rows has {KEY_BYTES} for each row.")
    return np.frombuffer(data, f"S{KEY_BYTES}")
