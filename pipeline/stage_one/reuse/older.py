"""Rows of stores that were made with other pixels: taken over where an image's pixels are the same, otherwise named to the user."""

import logging
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np

from pipeline.cache.copy import copy_rows
from pipeline.cache.inventory import Inventory
from pipeline.cache.store import Keys, Store, split_keys
from pipeline.errors import PipelineError, UnreadableImageError
from pipeline.execution.threads import num_threads
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest, read_scanned

logger = logging.getLogger(__name__)


def use_older(manifest: Manifest, inventory: Inventory, *, few: int) -> Inventory:
    """Take over the rows of decoder 1 that are right for these images, then name other stores that have what is still missing.

    Args:
        manifest: The images.
        inventory: The rows that are wanted, and where they can be.
        few: If no more rows than this are missing, no store is named.

    Returns:
        The inventory whose store has all rows now, be it that of the alternative; if none has, the first.
    """
    for wanted in (inventory, inventory.alternative):
        if wanted:
            take_over(manifest, wanted)
            if wanted.is_complete:
                return wanted
    missing = inventory.missing
    if len(missing) > few:
        name_others(missing, inventory.store, inventory.other_decoders)
    return inventory


def take_over(manifest: Manifest, inventory: Inventory) -> int:
    """Copy rows from the store of decoder 1, which versions 0.1 and 0.2 made, for images that have the same pixels in both.

    Args:
        manifest: The images.
        inventory: The rows that are wanted.

    Returns:
        The number of rows that were copied.
    """
    older, store = inventory.version_1, inventory.store
    if older is None:
        return 0
    wanted = np.unique(inventory.missing)
    wanted = wanted[older.has(wanted)]
    wanted = wanted[_have_same_pixels(manifest, store.recipe.decoder, wanted)]
    count = copy_rows(wanted, older, store) if len(wanted) else 0
    if count:
        logger.info("%s: %d rows were taken over from %s; their pixels are the same.", store.name, count, older.name)
    return count


def _have_same_pixels(manifest: Manifest, decoder: Decoder, keys: Keys) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each key whether decoder 1 makes the same pixels of its image, bool (N,); an image that cannot be read now has not."""
    of_keys = [digest.tobytes() for digest in split_keys(keys)[0]]
    rows = {digest: row for row, digest in enumerate(manifest.digests)}

    def is_same(digest: bytes) -> bool:
        data = read_scanned(manifest, rows[digest])
        try:
            return isinstance(data, bytes) and decoder.is_same_in_version_1(data)
        except UnreadableImageError:
            return False

    digests = sorted(set(of_keys))
    with ThreadPoolExecutor(num_threads()) as pool:
        same = dict(zip(digests, pool.map(is_same, digests), strict=True))
    return np.array([same[digest] for digest in of_keys], bool)


def name_others(missing: Keys, store: Store, other_decoders: Sequence[Store]) -> None:
    """Warn if rows are about to be computed that a store with another decoder has: with the options to use that one instead."""
    try:
        others = [found for found in other_decoders if int(found.has(missing).sum()) > len(missing) // 2]
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
            options_of(other.recipe.decoder, store.recipe.decoder),
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
