"""From whatever the user named as data to a manifest."""

import logging
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from pipeline.bases.files import home_folder
from pipeline.errors import DataLayoutError
from pipeline.images.labels import listed
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.images.scan import Data
from pipeline.images.scan import scan as scan_data
from pipeline.images.sources.reading import Reading, ReadKeywords
from pipeline.settings import Settings
from pipeline.stage_one.arriving import ArrivingRows

logger = logging.getLogger(__name__)

LABELS_ENDING = ".labels.csv"
"""Ending of the table beside a data folder that `bottleneck tune` saves new labels in."""

_MAX_HEADER_BYTES = 4096


def scan(
    data: Data | Manifest,
    settings: Settings,
    *,
    pooling: str | None = None,
    check: Callable[[Manifest], object] | None = None,
    **keywords: Unpack[ReadKeywords],
) -> Manifest:
    """The images, labels and splits of a data set.

    Args:
        data: What `pipeline.images.scan.scan` takes; a manifest is returned as it is.
        settings: Cache folder, where file digests are remembered, and progress.
        pooling: Pooling of the rows that will be made of these images: where images are fetched, they are computed meanwhile.
            None: none will be.
        check: Raises what makes the data set useless for the caller, who calls it again on the result: here, before anything is fetched.
        keywords: How the data is read: fields of `pipeline.images.sources.reading.Reading`.

    Raises:
        DataLayoutError: The data is not usable, or `strict` is set and an image has more than one label.
    """
    if isinstance(data, Manifest):
        _check_conflicts(data, settings)
        return data
    arriving = None if pooling is None else ArrivingRows(settings, pooling)
    reading = replace(make_reading(settings, **keywords), before_fetching=check, while_fetching=arriving)
    manifest = scan_data(data, reading)
    if arriving is not None:
        manifest = arriving.noted(manifest)
    _check_conflicts(manifest, settings)
    mention_labels(data)
    for warning in (*manifest.warnings, *_unused_split(manifest, reading)):
        logger.warning("%s", warning)
    counts = Counter(manifest.splits)
    shares = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    logger.info("%s: %d images (%s), %d skipped.", manifest.title, len(manifest), shares, len(manifest.skipped))
    return manifest


def _check_conflicts(manifest: Manifest, settings: Settings) -> None:
    """Raise DataLayoutError if `strict` is set and an image has more than one label."""
    conflicts = manifest.conflicting_labels() if settings.compute.strict else []
    if conflicts:
        raise DataLayoutError(
            f"{len(conflicts):,} image{'s have' if len(conflicts) > 1 else ' has'} more than one label, and --strict is set. The first: {listed(conflicts[0])}. Remove the "
            "wrong ones."
        )


def _unused_split(manifest: Manifest, reading: Reading) -> list[str]:
    """A sentence if percentages other than the default were wanted, and the data sets its splits itself."""
    plain = Reading()
    is_default = (reading.split, reading.split_seed) == (plain.split, plain.split_seed)
    if is_default or manifest.split_rule is not None or reading.fractions.train == 1:
        return []
    wanted = f"--split {reading.split}" if reading.split != plain.split else f"--split-seed {reading.split_seed}"
    return [f"{wanted} has no effect, because {manifest.title} sets its splits itself."]


def mention_labels(data: object) -> None:
    """Log a warning if labels that `bottleneck tune` saved are beside this folder: they are used only if their table is the data."""
    if not isinstance(data, str | Path) or not Path(data).is_dir():
        return
    folder = Path(data)
    table = folder.resolve().with_name(f"{folder.resolve().name}{LABELS_ENDING}")
    if _is_label_table(table):
        shown = table if Path(data).is_absolute() else folder.parent / table.name
        command = shlex.join(["bottleneck", "head", str(shown), "--root", str(data)])
        logger.warning(
            "%s has labels that `bottleneck tune` saved. They are used only if that table is DATA: %s", shown, command
        )


def _is_label_table(path: Path) -> bool:
    """Whether a file begins like a table of the tuner."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            header = file.readline(_MAX_HEADER_BYTES).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return {"path", "label", "split"} <= {name.strip('"') for name in header.split(",")}


def make_reading(settings: Settings, **keywords: Unpack[ReadKeywords]) -> Reading:
    """How data is read.

    Args:
        settings: Cache folder, where file digests are remembered, and progress.
        keywords: The options of a user.
    """
    given: dict[str, Any] = {**keywords}
    if not isinstance(given.get("label", ""), str):
        given["label"] = ",".join(given["label"])
    return Reading(
        **given,
        hashes=settings.paths.hashes,
        home=home_folder(),
        spool_gb=settings.compute.spool_gb,
        progress=settings.compute.progress,
    )
