"""Images x trunk -> rows: only the missing ones, decoding overlapped with the network, saved as it goes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import SettingError
from pipeline.execution.threads import num_threads
from pipeline.images.manifest import Manifest
from pipeline.stage_one.compute import Engine, Item, compute


@dataclass(frozen=True)
class Extraction:
    """What stage one did."""

    manifest: Manifest
    """The images that have rows now; the others are in its `skipped`."""

    store: Store
    num_new: int
    """Rows that were computed."""

    seconds: float
    engine: str | None
    """What computed them; None if nothing had to be."""

    num_derived: int = 0
    """New rows that were made from rows of an earlier layer instead of photographs."""

    @property
    def num_rows(self) -> int:
        """Images that have a row."""
        return len(self.manifest)

    @property
    def images_per_second(self) -> float | None:
        """New rows a second; None if there were none."""
        return self.num_new / self.seconds if self.num_new else None

    def keys(self) -> Keys:
        """The key of each image's row, in the manifest's order."""
        return row_keys(self.manifest.digests)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        recipe = self.store.recipe
        return {
            "rows": self.num_rows,
            "new": self.num_new,
            "from_rows": self.num_derived,
            "reused": self.num_rows - self.num_new,
            "skipped": [asdict(entry) for entry in self.manifest.skipped],
            "shape": list(self.store.row_shape or ()),
            "store": str(self.store.folder),
            "fingerprint": recipe.fingerprint,
            "images_per_second": self.images_per_second,
            "seconds": self.seconds,
            "engine": self.engine,
            "trunk_digest": recipe.trunk_digest,
            "duplicates": self.manifest.duplicates_across_splits(),
        }


def extract(
    manifest: Manifest,
    store: Store,
    make_engine: Callable[[int], Engine],
    *,
    views: Sequence[int] = (0,),
    batch_size: int = 32,
    num_workers: int | None = None,
    progress: bool = False,
) -> Extraction:
    """Make the rows that the store lacks, in this process.

    The engine is made when the first missing image has been decoded, so a warm store needs none.
    An image that cannot be read is left out and listed in the result's `manifest.skipped`. On
    Ctrl-C or an error the rows computed so far are committed before it goes on.

    Args:
        manifest: The images.
        store: Where rows are looked up and added.
        make_engine: Loads the network, for so many missing rows.
        views: View numbers; those above 0 need a recipe with an augmentation, and 0 one without.
        batch_size: Images handed to the engine at a time.
        num_workers: Decoding threads; default: one a core.
        progress: Show a bar.

    Raises:
        SettingError: The views do not fit the recipe.
        OSError: The store cannot be written.
    """
    start = time.monotonic()
    missing = missing_items(manifest, store, views)
    with stage_one_bar(len(missing), progress=progress) as bar:
        done = compute(
            manifest,
            missing,
            store.recipe,
            store,
            partial(make_engine, len(missing)),
            batch_size=batch_size,
            num_threads=num_workers or num_threads(),
            bar=bar,
        )
    return Extraction(
        manifest=leave_out(manifest, done.left_out),
        store=store,
        num_new=done.num_rows,
        seconds=time.monotonic() - start,
        engine=done.engine,
    )


def stage_one_bar(num_rows: int, *, progress: bool) -> "tqdm[None]":
    """The bar of stage one; it moves by one a row."""
    return tqdm(total=num_rows, desc="stage one", unit="image", delay=1, disable=not progress)


def leave_out(manifest: Manifest, skipped: Mapping[bytes, str]) -> Manifest:
    """The manifest without the images of these digests, which are listed with their reasons."""
    return manifest.without({row: skipped[digest] for row, digest in enumerate(manifest.digests) if digest in skipped})


def missing_items(manifest: Manifest, store: Store, views: Sequence[int]) -> list[Item]:
    """One item for each content and view that has no row yet, in the order of the keys.

    The order is the same whatever the files are called, so every run that starts from the same
    store works in the same order.

    Raises:
        SettingError: The views do not fit the recipe.
    """
    is_augmented = store.recipe.augmentation is not None
    if not views or any((view > 0) != is_augmented for view in views):
        raise SettingError(
            f"Views 1 to K need a recipe with an augmentation, view 0 one without. Received: views {list(views)}."
        )
    keys, first = np.unique(np.concatenate([row_keys(manifest.digests, view) for view in views]), return_index=True)
    missing = first[~store.has(keys)]
    return [Item(int(place) % len(manifest), views[int(place) // len(manifest)]) for place in missing]
