"""Rows of stores that were made with other pixels: taken over where an image's pixels are the same, otherwise named to the user."""

import logging
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from pipeline.cache.recipe import Recipe
from pipeline.cache.scratch import store_that_takes_rows
from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Keys, Store, split_keys
from pipeline.cache.stores import list_stores, seconds_to_make
from pipeline.errors import PipelineError, UnreadableImageError
from pipeline.execution.threads import num_threads
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing.compute import read_scanned
from pipeline.stage_one.computing.pending import Pending

logger = logging.getLogger(__name__)

_BLOCK_ROWS = 2048


def store_with_most(
    manifest: Manifest, cache: Path, recipes: Sequence[Recipe], keys: Keys, *, keep: bool = True
) -> Store:
    """The store of the first recipe that has all of these rows, if need be with rows of decoder 1; if none has, that of the first.

    Without `keep`, a store that lacks rows and cannot be written is replaced by a temporary one that has its rows.
    """
    found = Store.first_complete(cache, recipes, keys)
    if found.has(keys).all():
        return found
    if not keep and (usable := store_that_takes_rows(found)) is not found:
        return usable
    for recipe in recipes:
        store = Store(cache, recipe)
        if take_over(manifest, store, keys, cache) and store.has(keys).all():
            return store
    return Store(cache, recipes[0])


def take_over(manifest: Manifest, store: Store, keys: Keys, cache: Path) -> int:
    """Copy rows from the store of decoder 1, which versions 0.1 and 0.2 made, for images that have the same pixels in both.

    Args:
        manifest: The images.
        store: Of decoder 2; nothing is done for another one.
        keys: Rows that are wanted.
        cache: Folder of the stores.

    Returns:
        The number of rows that were copied.
    """
    decoder = store.recipe.decoder
    if decoder.version == 1 or decoder.fit != "stretch":
        return 0
    old = Decoder(decoder.size_px, decoder.resize, decoder.exif, background="drop", version=1)
    older = Store(cache, replace(store.recipe, decoder=old))
    if not older.folder.is_dir():
        return 0
    wanted = np.unique(keys)
    wanted = wanted[~store.has(wanted) & older.has(wanted)]
    wanted = wanted[_have_same_pixels(manifest, decoder, wanted)]
    if not len(wanted):
        return 0
    wanted = wanted[np.argsort(older.shard_of(wanted), kind="stable")]
    provenance = {**read_provenance(older.shard_paths()[0]), "from": older.name}
    with store.adding(wanted), Pending(store, row_seconds=seconds_to_make(older, 1) or 0.0) as pending:
        for start in range(0, len(wanted), _BLOCK_ROWS):
            block = wanted[start : start + _BLOCK_ROWS]
            pending.add(block, older.read(block))
            pending.commit(provenance)
    store.refresh()
    logger.info("%s: %d rows were taken over from %s; their pixels are the same.", store.name, len(wanted), older.name)
    return len(wanted)


def _have_same_pixels(manifest: Manifest, decoder: Decoder, keys: Keys) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each key whether decoder 1 makes the same pixels of its image, bool (N,); an image that cannot be read now has not."""
    rows = {digest: row for row, digest in enumerate(manifest.digests)}

    def is_same(digest: bytes) -> bool:
        data = read_scanned(manifest, rows[digest])
        try:
            return isinstance(data, bytes) and decoder.is_same_in_version_1(data)
        except UnreadableImageError:
            return False

    of_keys = [digest.tobytes() for digest in split_keys(keys)[0]]
    digests = sorted(set(of_keys))
    with ThreadPoolExecutor(num_threads()) as pool:
        same = dict(zip(digests, pool.map(is_same, digests), strict=True))
    return np.array([same[digest] for digest in of_keys], bool)


def name_others(missing: Keys, store: Store, cache: Path) -> None:
    """Warn if rows are about to be computed that a store with another decoder has: with the options to use that one instead."""
    recipe, prefix = store.recipe, f"{store.recipe.base}-{store.recipe.decoder.size_px}px-"
    try:
        stores = [found for found in list_stores(cache) if found.name.startswith(prefix) and found.name != store.name]
        others = [
            found
            for found in stores
            if replace(found.recipe, decoder=recipe.decoder).fingerprint == recipe.fingerprint
            and int(found.has(missing).sum()) > len(missing) // 2
        ]
    except PipelineError as error:
        logger.debug("No other stores were looked at: %s", error)
        return
    for other in others:
        logger.warning(
            "%d of the %d rows that are missing are in %s, with pixels that were made in another way. To use that store, add %s; "
            "without it the rows are computed anew.",
            int(other.has(missing).sum()),
            len(missing),
            other.name,
            options_of(other.recipe.decoder, recipe.decoder),
        )


def options_of(decoder: Decoder, other: Decoder) -> str:
    """The options of the command line that choose a decoder where another one is chosen."""
    if decoder.version == 1 and other.version != 1:
        changed = ["--decoder 1", *([] if other.fit == "stretch" else ["--fit stretch"])]
        names: tuple[str, ...] = ("resize", "exif")
    else:
        changed = [] if decoder.version == other.version else [f"--decoder {decoder.version}"]
        names = tuple(field.name for field in fields(decoder) if field.name not in ("size_px", "version", "max_pixels"))
    for name in names:
        value = getattr(decoder, name)
        if value != getattr(other, name):
            changed.append(("--exif" if value else "--no-exif") if name == "exif" else f"--{name} {shlex.quote(value)}")
    return " ".join(changed)
