"""The keywords of the public functions, which are the options of the command line, as typed values.

`gather` turns them into settings, a training and an augmentation; a keyword that no function knows is an error that lists those there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation, parse_augmentation
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.settings import KEYWORDS as SETTINGS
from pipeline.settings import Settings
from pipeline.stage_one.scan import scan
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.settings import Training


class SettingsKeywords(TypedDict, total=False):
    """The fields of `pipeline.settings`: what the features are, folders, compute and tracking."""

    base: str
    size: int | None
    cut: str | None
    preprocess: str
    weights: str
    resize: str
    exif: bool
    dtype: str
    precision: str
    cache: str | Path
    runs: str | Path
    engine: str
    device: str
    batch_size: int
    workers: int | None
    backend: str
    scheduler: str | None
    gather: bool
    ship_images: bool
    memory_gb: float | None
    strict: bool
    progress: bool
    tensorboard: str | Path | None
    mlflow: str | None


class DataKeywords(SettingsKeywords, total=False):
    """How a data set is read; see `pipeline.stage_one.scan.scan`."""

    label: str
    root: str | Path | None
    split: str
    split_seed: int


class ViewKeywords(DataKeywords, total=False):
    """Which stored augmentations are made or used; see `pipeline.stage_one.views.Views`."""

    augment: str | Augmentation | None
    """`r0`, `r2`, `r4`, settings such as `rotation=20,horizontal_flip`, or an `Augmentation`."""

    views: int
    view_seed: int
    tta: bool


class SweepKeywords(ViewKeywords, total=False):
    """What the dense heads of a sweep share; see `pipeline.stage_two.dense.settings.Training`."""

    epochs: int
    optimizer: str
    schedule: str
    patience: int
    keep: str
    view_mode: str
    seed: int


class TrainingKeywords(SweepKeywords, total=False):
    """How one dense head is trained."""

    lr: float
    head_batch_size: int


_DATA = ("label", "root", "split", "split_seed")
_VIEWS = ("augment", "views", "view_seed", "tta")
_TRAINING = {
    name: {"lr": "learning_rate", "head_batch_size": "batch_size"}.get(name, name)
    for name in ("epochs", "lr", "head_batch_size", "optimizer", "schedule", "patience", "keep", "view_mode", "seed")
}
"""Keywords to fields of `Training`."""


NAMES = (*SETTINGS, *_DATA, *_VIEWS, *_TRAINING)
"""All keywords."""


@dataclass(frozen=True)
class Inputs:
    """What keywords come to."""

    settings: Settings
    training: Training
    augmentation: Augmentation | None
    data: Mapping[str, Any]
    """Keywords of `scan`."""

    num_views: int = 0
    view_seed: int = 0
    tta: bool = False

    def scan(self, data: Data | Manifest) -> Manifest:
        """The images, labels and splits of a data set."""
        return scan(data, self.settings, **self.data)

    @property
    def views(self) -> Views | None:
        """The views that were asked for; None if none were.

        Raises:
            SettingError: One of views and augment without the other.
        """
        if self.augmentation is None and not self.num_views:
            return None
        if self.augmentation is None or not self.num_views:
            augment = self.augmentation.as_text() if self.augmentation else "none"
            raise SettingError(
                "Augmentation of cached features is made of stored views: give both --views K and --augment "
                f"(r0, r2, r4, or one's own). Received: --views {self.num_views}, --augment {augment}."
            )
        return Views(self.num_views, self.augmentation, self.view_seed, self.tta)

    def require_views(self) -> Views:
        """The views that were asked for.

        Raises:
            SettingError: None were.
        """
        if self.views is None:
            raise SettingError("Give the number of views and their augmentation: views=4, augment='r0'.")
        return self.views


def gather(keywords: Mapping[str, Any]) -> Inputs:
    """Sort keywords into what they set.

    Raises:
        SettingError: A value that cannot work, or a keyword that there is not.
    """
    unknown = sorted(set(keywords) - set(NAMES))
    if unknown:
        raise SettingError(f"There is no keyword {unknown[0]!r}. Expected some of: {', '.join(NAMES)}.")
    augment = keywords.get("augment")
    return Inputs(
        settings=Settings.of(**_chosen(keywords, SETTINGS)),
        training=Training(**{_TRAINING[name]: value for name, value in _chosen(keywords, _TRAINING).items()}),
        augmentation=augment if isinstance(augment, Augmentation) else parse_augmentation(augment or "none"),
        data=_chosen(keywords, _DATA),
        num_views=keywords.get("views", 0),
        view_seed=keywords.get("view_seed", 0),
        tta=keywords.get("tta", False),
    )


def _chosen(keywords: Mapping[str, Any], names: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if name in names}
