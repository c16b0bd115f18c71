"""Labels of photographs by an exported file, without its run, its cache or its base."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.exports.description import Description, Predict
from pipeline.exports.formats import is_exported, load_format
from pipeline.images.given import GivenImages, read_given
from pipeline.predictions import Predictions, check_top, decode_rows, label_given
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings


@dataclass(frozen=True)
class ExportedRun:
    """An exported file, ready to predict."""

    path: Path
    description: Description
    probabilities: Predict
    settings: Settings = field(default_factory=Settings)

    def predict(self, images: GivenImages, *, top: int = 5) -> Predictions:
        """Labels of images: decoded as the description says, by the decoder that made the run's rows.

        Args:
            images: What `Run.predict` takes.
            top: How many classes to list for each.

        Returns:
            What `Run.predict` returns.

        Raises:
            DataNotFoundError, UnreadableImageError: No image can be read, or one cannot and `strict` is set.
            SettingError: `top` is below 1.
        """
        check_top(top)
        decoder, strict = self.description.decoder, self.settings.compute.strict
        given = read_given(images, self.settings.paths.hashes, exif=decoder.exif)
        given.check(given.manifest, need_all=strict)
        manifest, said = given.manifest, []
        unread: dict[int, str] = {}
        for start in range(0, len(manifest), self.settings.compute.batch_size):
            rows = range(start, min(start + self.settings.compute.batch_size, len(manifest)))
            pixels, reasons = decode_rows(manifest, rows, decoder)
            unread |= reasons
            if pixels:
                said.append(self.probabilities(np.stack(pixels).astype(np.float32)))
        read = manifest.without(unread)
        given.check(read, need_all=strict)
        return label_given(given, read, np.concatenate(said), self.description.labels, top=top, strict=strict)


def load_exported(path: str | Path, settings: Settings) -> ExportedRun:
    """An exported file; nothing is unpickled, Keras files are loaded in safe mode, and a SavedModel has to do no more than compute.

    Raises:
        DamagedStoreError: It is not the export of a run.
        MissingExtraError: What runs this format is not installed.
        RunNotFoundError: There is nothing of this name.
    """
    description, probabilities = load_format(Path(path))
    return ExportedRun(Path(path), description, probabilities, settings)


def load_predictor(path: str | Path, settings: Settings) -> ExportedRun | Run:
    """What predicts: an exported file, or a run by its name or folder."""
    return load_exported(path, settings) if is_exported(Path(path)) else load_run(path, settings)
