"""The result of stage one."""

from dataclasses import dataclass
from html import escape
from typing import Any

from pipeline.cache.store import Keys, Store, row_keys
from pipeline.html import show_facts
from pipeline.images.manifest import Manifest

_NUM_SHOWN = 10
"""Skipped images that a notebook lists."""


@dataclass(frozen=True, repr=False)
class Extraction:
    """Which images have rows now, and what making the missing ones took."""

    manifest: Manifest
    """The images that have rows; the others are in its `skipped`."""

    store: Store
    num_new: int
    """Rows that were computed."""

    seconds: float
    engine: str | None
    """Name of the engine that computed them; None if no row was missing."""

    num_derived: int = 0
    """How many of the new rows were computed from rows of an earlier layer, and not from images."""

    num_fetched: int = 0
    """Rows that were fetched from the shared cache; they do not count as new."""

    @property
    def num_rows(self) -> int:
        """Number of images that have a row."""
        return len(self.manifest)

    @property
    def images_per_second(self) -> float | None:
        """New rows per second; None if there were none."""
        return self.num_new / self.seconds if self.num_new else None

    def keys(self) -> Keys:
        """The key of each image's row, shape (N,), in the manifest's order."""
        return row_keys(self.manifest.digests)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        recipe = self.store.recipe
        return {
            "rows": self.num_rows,
            "new": self.num_new,
            "from_rows": self.num_derived,
            "fetched": self.num_fetched,
            "reused": self.num_rows - self.num_new - self.num_fetched,
            **self.manifest.use.as_dict(),
            "shape": list(self.store.row_shape or ()),
            "store": str(self.store.folder),
            "fingerprint": recipe.fingerprint,
            "images_per_second": self.images_per_second,
            "seconds": self.seconds,
            "engine": self.engine,
            "trunk_digest": recipe.trunk_digest,
            "duplicates": self.manifest.duplicates_across_splits(),
        }

    def __repr__(self) -> str:
        return (
            f"Extraction({self.store.name}: {self.num_rows:,} rows, {self.num_new:,} new, "
            f"{len(self.manifest.skipped):,} skipped, {self.seconds:.1f} s)"
        )

    def _repr_html_(self) -> str:
        """A table for notebooks: rows, new and skipped ones, store and seconds; then the skipped images with reasons."""
        skipped = self.manifest.skipped
        facts = {
            "rows": self.num_rows,
            "new": self.num_new,
            **({"fetched": self.num_fetched} if self.num_fetched else {}),
            "skipped": len(skipped),
            "store": str(self.store.folder),
            "seconds": f"{self.seconds:.1f}",
        }
        shown = "".join(
            f"<li><code>{escape(entry.path)}</code>: {escape(entry.reason)}</li>" for entry in skipped[:_NUM_SHOWN]
        )
        more = f"<li>and {len(skipped) - _NUM_SHOWN:,} more</li>" if len(skipped) > _NUM_SHOWN else ""
        return show_facts(facts) + (f"<p>Skipped images:</p><ul>{shown}{more}</ul>" if skipped else "")
