"""From whatever the user named as data to a manifest."""

import logging
from typing import Unpack

from pipeline.bases.files import home_folder
from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from pipeline.images.reading import Reading, ReadKeywords
from pipeline.images.scan import Data
from pipeline.images.scan import scan as scan_data
from pipeline.images.summary import DataSummary
from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def scan(
    data: Data | Manifest,
    settings: Settings,
    **keywords: Unpack[ReadKeywords],
) -> Manifest:
    """The images, labels and splits of a data set.

    Args:
        data: What `pipeline.images.scan.scan` takes; a manifest is returned as it is.
        settings: Cache folder, where file digests are remembered, and progress.
        keywords: How the data is read: fields of `pipeline.images.reading.Reading`.

    Raises:
        DataLayoutError: The data is not usable, or `strict` is set and an image has more than one label.
    """
    if isinstance(data, Manifest):
        return data
    reading = Reading(
        **keywords,
        hashes=settings.paths.hashes,
        home=home_folder(),
        progress=settings.compute.progress,
    )
    manifest = scan_data(data, reading)
    conflicts = manifest.conflicting_labels() if settings.compute.strict else []
    if conflicts:
        raise DataLayoutError(
            f"{len(conflicts):,} images have more than one label, and --strict is set. The first: {', '.join(conflicts[0][:5])}."
        )
    for warning in manifest.warnings:
        logger.warning("%s", warning)
    for line in DataSummary.of(manifest).as_lines():
        logger.info("%s", line)
    return manifest
