"""A run: a trained head with all that is needed to predict."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.images.given import GivenImages
from pipeline.runs.folder import RunFolder, load_arrays, open_run
from pipeline.runs.info import RunInfo
from pipeline.runs.predict import Predictions, predict
from pipeline.settings import Settings
from pipeline.stage_two.head import Head
from pipeline.stage_two.linear.heads import head_from_arrays
from pipeline.stage_two.metrics import Scores


@dataclass(frozen=True)
class Run:
    """A trained head, ready to predict."""

    folder: RunFolder
    head: Head
    settings: Settings = field(default_factory=Settings)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def info(self) -> RunInfo:
        """How the run was made."""
        return self.folder.info

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes, in the order of the probabilities."""
        return self.folder.info.classes

    @property
    def scores(self) -> dict[str, Scores]:
        """By split."""
        return self.folder.scores

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores by split as plain values, as in metrics.json."""
        return {split: scores.as_dict() for split, scores in self.scores.items()}

    def predict(self, images: GivenImages, *, top: int = 5) -> Predictions:
        """Label images; see `pipeline.runs.predict.predict`."""
        return predict(self.head, self.info, images, self.settings, top=top)


def load_run(name: str | Path, settings: Settings) -> Run:
    """A run from its folder; nothing is unpickled, and Keras files are loaded in safe mode.

    Raises:
        RunNotFoundError: There is none of this name.
        DamagedStoreError: Its files are not those of a run.
    """
    folder = open_run(name, settings.paths.runs)
    return Run(folder, _load_head(folder), settings)


def _load_head(folder: RunFolder) -> Head:
    path = folder.head_path
    if path.suffix == ".npz":
        return head_from_arrays(load_arrays(path))
    from pipeline.stage_two.dense.build import load_dense

    return load_dense(path)
