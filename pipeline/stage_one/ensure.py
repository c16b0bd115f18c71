"""Make sure that rows are there: the missing ones are derived from rows of an earlier layer, or computed from the images."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pipeline.cache.inventory import Inventory, take_inventory
from pipeline.cache.join import join_rows
from pipeline.cache.one_shape import check_one_shape
from pipeline.cache.recipe import Recipe
from pipeline.cache.scratch import check_takes_rows, naming_store
from pipeline.cache.store import Store, view_keys
from pipeline.errors import DataLayoutError
from pipeline.images.decoding.noticed import Noticed
from pipeline.images.labels import listed
from pipeline.images.manifest import Early, Manifest
from pipeline.images.summary import Skipped, unread_kinds
from pipeline.settings import Settings
from pipeline.stage_one.copies import compute_with_copies
from pipeline.stage_one.dispatch import compute_missing
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.reuse.earlier import derive_missing
from pipeline.stage_one.reuse.older import use_older
from pipeline.stage_one.reuse.record import known_shape
from pipeline.stage_one.reuse.shared import fetch_shared, offer_shared
from pipeline.stage_one.reuse.told import keep_note

logger = logging.getLogger(__name__)

_NUM_NAMED = 5


def ensure(
    manifest: Manifest,
    recipe: Recipe,
    settings: Settings,
    *,
    views: Sequence[int] = (0,),
    alternative: Recipe | None = None,
) -> Extraction:
    """Make the rows of a data set that the store lacks.

    Args:
        manifest: The images.
        recipe: Of the rows.
        settings: Base, weights, cache folder and compute; everything else is in the recipe.
        views: View numbers.
        alternative: Another recipe that serves as well. Its store is used if it has all rows and the first one has not.

    Raises:
        DataLayoutError: An image had to be skipped and `strict` is set; or no image of a class or a split can be read.
        UnwritableStoreError: Rows are missing and cannot be stored.
        DamagedStoreError: The store has rows of another shape than those that were computed.
    """
    extraction = make_rows(manifest, recipe, settings, views=views, alternative=alternative)
    if settings.compute.strict:
        _refuse_skipped(extraction.manifest)
    _check_what_is_left(manifest, extraction.manifest)
    return extraction


def make_rows(
    manifest: Manifest,
    recipe: Recipe,
    settings: Settings,
    *,
    views: Sequence[int] = (0,),
    alternative: Recipe | None = None,
    keep: bool = True,
    opened: Store | None = None,
) -> Extraction:
    """Like `ensure`, but images that cannot be read are no error: they are only listed in `manifest.skipped` of the result.

    Args:
        manifest: The images.
        recipe: Of the rows.
        settings: As in `ensure`.
        views: View numbers.
        alternative: As in `ensure`.
        keep: New rows have to be stored. Without it, a cache that cannot be written is only a warning: the rows are then in a
            temporary store.
        opened: The store of the recipe, if it is open: the shards of a large one are checked for a second.
    """
    start, early = time.monotonic(), manifest.early or Early()
    few, limited = settings.compute.batch_size, recipe.with_max_pixels(settings.compute.max_pixels)
    keys = view_keys(manifest.digests, views)
    inventory = take_inventory(keys, settings.paths.cache, limited, alternative, keep=keep, few=few, opened=opened)
    inventory = use_older(manifest, inventory, few=few)
    if keep and not inventory.is_complete:
        check_takes_rows(inventory.store)
    shape = partial(known_shape, manifest)
    inventory, num_fetched = fetch_shared(inventory, settings.paths, shape, progress=settings.compute.progress)
    store, parts = inventory.store, _rows_of_parts(manifest, inventory, settings, views) if keep else []
    with naming_store(store), store.adding(inventory.keys):
        num_derived, engine = _derive(inventory, parts, settings)
        done, readable = compute_with_copies(manifest, lambda images: compute_missing(images, store, views, settings))
    if done.num_rows:
        check_one_shape(store.name, (shard.row_shape for shard in store.shards))
    extraction = Extraction(
        manifest=replace(readable, early=None),
        store=store,
        num_new=done.num_rows + num_derived + early.num_rows,
        num_derived=num_derived,
        num_fetched=num_fetched,
        engine=done.engine or engine or early.engine,
        seconds=time.monotonic() - start + early.seconds,
    )
    if keep:
        keep_note(store, settings.features.weights)
    offer_shared(store, inventory.keys, settings.paths, progress=settings.compute.progress)
    _warn_of_noticed(readable, {**early.noticed, **done.noticed})
    by = f", computed by {extraction.engine}" if extraction.engine else ""
    logger.info("%s: %d rows needed, %d of them new%s.", store.name, len(inventory.keys), extraction.num_new, by)
    return extraction


def _derive(inventory: Inventory, parts: Sequence[Extraction], settings: Settings) -> tuple[int, str | None]:
    """Make missing rows from those of an earlier layer, or of the bases that are joined; how many, and by which engine."""
    num_rows, engine = derive_missing(inventory, settings)
    if parts:
        num_rows += join_rows(inventory.keys, [part.store for part in parts], inventory.store)
        engine = next((part.engine for part in parts if part.engine), engine)
    return num_rows, engine


def _rows_of_parts(
    manifest: Manifest, inventory: Inventory, settings: Settings, views: Sequence[int]
) -> list[Extraction]:
    """Where bases are joined and rows are missing: the rows of each part, each in its own store; otherwise none."""
    if inventory.is_complete:
        return []
    wanted = inventory.store.recipe
    rows = []
    for part in settings.features.spec.parts:
        own = settings.with_changes(base=part.name, size=wanted.decoder.size_px, cut=None)
        made, _ = make_recipe(manifest, own)
        recipe = replace(made, decoder=wanted.decoder, augmentation=wanted.augmentation)
        rows.append(make_rows(manifest, recipe, own, views=views, alternative=recipe.with_pooling("avg")))
    return rows


def _refuse_skipped(manifest: Manifest) -> None:
    """Raise DataLayoutError if images were skipped, or are of a kind that could be read but is not."""
    unread = unread_kinds(manifest.ignored)
    if manifest.skipped or unread:
        shown = "; ".join([*_first(manifest.skipped), *unread])
        num_unread = len(manifest.skipped) + sum(entry.count for entry in manifest.ignored if entry.reason)
        raise DataLayoutError(f"{num_unread:,} images had to be skipped, and --strict is set: {shown}")


def _check_what_is_left(scanned: Manifest, read: Manifest) -> None:
    """Raise DataLayoutError if no image of the data, of a class or of a split can be read."""
    shown = "; ".join(_first(read.skipped))
    if not len(read):
        raise DataLayoutError(f"None of the {len(read.skipped):,} images can be read: {shown}")
    for what, name in (
        *(("class", name) for name in scanned.classes if name not in set(read.classes)),
        *(("split", name) for name in sorted(set(scanned.splits) - set(read.splits))),
    ):
        raise DataLayoutError(
            f"No image of the {what} {name!r} can be read. Mend its images, or remove them from the data. Skipped: {shown}"
        )


def _first(skipped: Sequence[Skipped]) -> list[str]:
    rest = [f"and {len(skipped) - _NUM_NAMED:,} more"] if len(skipped) > _NUM_NAMED else []
    return [f"{entry.path}: {entry.reason}" for entry in skipped[:_NUM_NAMED]] + rest


def _warn_of_noticed(manifest: Manifest, noticed: Mapping[bytes, Noticed]) -> None:
    """Count files with several images, images that are nearly black, and images whose range of values was judged, by their significant bits."""
    if more := _named(manifest, {digest for digest, found in noticed.items() if found.has_more}):
        logger.warning(
            "%d files have several pages or frames, %s for one; the first of each is used. If others matter, split them into files.",
            len(more),
            more[0],
        )
    if dim := _named(manifest, {digest for digest, found in noticed.items() if found.is_dim}):
        logger.warning(
            "%d images are gray with alpha of 16 bits and use fewer: the upper 8 are read, so they are nearly black (%s). Save them without "
            "alpha, or with 8 bits.",
            len(dim),
            listed(dim, 3),
        )
    counts = Counter(found.bits for found in noticed.values() if found.bits is not None)
    if counts:
        logger.warning(
            "%d images have 16 bits a channel and hardly a value that needs them; their range was judged by the largest values in each "
            "file: %s. If images are to be compared by brightness, convert them to 8 bits first, all in the same way.",
            counts.total(),
            ", ".join(f"{counts[bits]} with {bits} bits" for bits in sorted(counts)),
        )


def _named(manifest: Manifest, digests: Collection[bytes]) -> list[str]:
    """The names of the images with these digests."""
    if not digests:
        return []
    return [name for name, digest in zip(manifest.names, manifest.digests, strict=True) if digest in digests]
