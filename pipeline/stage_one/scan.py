"""From whatever the user named as data to a manifest."""

import logging
from collections import Counter
from pathlib import Path

from pipeline.bases.files import home_folder
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.images.scan import scan as scan_data
from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def scan(
    data: Data | Manifest,
    settings: Settings,
    *,
    label: str = "label",
    root: str | Path | None = None,
    split: str = "80/10/10",
    split_seed: int = 0,
) -> Manifest:
    """The images, labels and splits of a data set.

    Args:
        data: What `pipeline.images.scan.scan` takes; a manifest is returned as it is.
        settings: Cache folder, where file digests are remembered, and progress.
        label: Label column of a table; `fine` or `coarse` for `keras:cifar100`.
        root: Folder that a table's paths are relative to; None: the table's own.
        split: Percentages of train, validation and test images, where the data has no split of its own.
        split_seed: Seed of that split.
    """
    if isinstance(data, Manifest):
        return data
    manifest = scan_data(
        data,
        label=label,
        root=None if root is None else Path(root),
        split=split,
        split_seed=split_seed,
        hashes=settings.paths.hashes,
        home=home_folder(),
        progress=settings.compute.progress,
    )
    counts = Counter(manifest.splits)
    listed = ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test"))
    logger.info("%s: %d images (%s), %d skipped.", manifest.title, len(manifest), listed, len(manifest.skipped))
    return manifest
