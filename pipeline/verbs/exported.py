"""Labels of photographs by an exported file, without its run, its cache or its base."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataLayoutError, UnreadableImageError
from pipeline.exports.description import Description, Predict
from pipeline.exports.formats import load_format
from pipeline.images.folders import list_images
from pipeline.verbs.options import Options
from pipeline.verbs.run import ranked


@dataclass(frozen=True)
class ExportedRun:
    """An exported file, ready to predict."""

    path: Path
    description: Description
    probabilities: Predict
    options: Options = field(default_factory=Options)

    def predict(self, images: Sequence[str | Path], *, top: int = 5) -> list[dict[str, Any]]:
        """Labels of photographs, from raw files: decoded as the description says, by the decoder that made the run's rows.

        Args:
            images: Files, or folders of images.
            top: How many classes to list for each.

        Returns:
            {path, label, probability, top: [[label, probability], ...]} for each image that can be read.

        Raises:
            DataLayoutError: None can be read, or one cannot and `strict` is set.
        """
        manifest = list_images([Path(image) for image in images], self.options.hashes)
        skipped, results = [str(entry) for entry in manifest.skipped], []
        batch_size = self.options.batch_size
        for start in range(0, len(manifest), batch_size):
            names, pixels = [], []
            for row in range(start, min(start + batch_size, len(manifest))):
                try:
                    pixels.append(self.description.decoder.decode(manifest.read(row)))
                    names.append(manifest.names[row])
                except (UnreadableImageError, OSError) as error:
                    skipped.append(f"{manifest.names[row]}: {error}")
            if pixels:
                said = self.probabilities(np.stack(pixels).astype(np.float32))
                results += [ranked(name, p, self.description.labels, top) for name, p in zip(names, said, strict=True)]
        if skipped and (self.options.strict or not results):
            raise DataLayoutError(f"{len(skipped)} images cannot be read: {'; '.join(skipped[:5])}")
        return results


def load_exported(path: str | Path, *, options: Options | None = None) -> ExportedRun:
    """An exported file; nothing is unpickled, Keras files are loaded in safe mode, and a SavedModel has to do no more than compute.

    Raises:
        DamagedStoreError: It is not the export of a run.
        MissingExtraError: What runs this format is not installed.
        RunNotFoundError: There is nothing of this name.
    """
    description, probabilities = load_format(Path(path))
    return ExportedRun(Path(path), description, probabilities, options or Options())
