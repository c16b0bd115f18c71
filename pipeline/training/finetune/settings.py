"""Settings of end-to-end training and fine-tuning. Does not need TensorFlow."""

from dataclasses import dataclass, field
from typing import Any, Self

from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """First a head on the frozen base is trained, then the last layers of the base together with the head.

    End-to-end training is the first phase alone: no layer of the base is trained.
    """

    head: str = DEFAULT_LAYERS
    """A dense head."""

    pool: str = "none"
    """Pooling between the base's last layer and the head."""

    augmentation: Augmentation | None = None
    """Fresh augmentations of the training images in every epoch; live images only."""

    cached: bool = False
    """Read the trunk's output from the store; otherwise the trunk runs on live images."""

    views: Views | None = None
    """With `cached`: stored views to train on too."""

    training: Training = field(default_factory=Training)
    """Training of the head on the frozen base; when fine-tuning, of base and head together."""

    head_epochs: int = 10
    """When fine-tuning: epochs of the first phase, which trains the head alone at the learning rate of `training`; 0: none."""

    first: str | None = None
    """First layer of the base that is trained together with the head; None: no layer."""

    last: int | None = None
    """The same as a number of layers, counted from the end of the base."""

    base_rate: float = 1e-5
    """When fine-tuning: learning rate of the base's layers."""

    head_rate: float = 1e-5
    """When fine-tuning: learning rate of the head."""

    on_run: str | None = None
    """Start from the head of this run instead of training one first."""

    @classmethod
    def of_base(cls, first: str | None, last: int | None, **values: Any) -> Self:
        """Fine-tuning that trains at least one layer of the base.

        Args:
            first: See `first`.
            last: See `last`.
            values: The other settings.

        Raises:
            SettingError: Neither `first` nor `last` is given.
        """
        if first is None and last is None:
            raise SettingError("Name the first layer to train with --from, or count the last ones with --last.")
        return cls(first=first, last=last, **values)

    @property
    def trains_base(self) -> bool:
        """Whether layers of the base are trained."""
        return self.first is not None or self.last is not None

    @property
    def trains_head_first(self) -> bool:
        """Whether a phase of the head alone comes before that of base and head."""
        return self.trains_base and self.on_run is None and self.head_epochs > 0

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None:
            raise SettingError("Name the first trained layer, or count the last ones, not both.")
        if self.cached and not self.trains_base:
            raise SettingError(
                "Cached rows need a layer of the base to train: --from or --last. For a head alone use `head` (fit)."
            )
        if self.cached and self.augmentation:
            raise SettingError(
                "Cached rows are augmented by stored views: give --views K with --augment, or leave out --cached."
            )
        if self.views and not self.cached:
            raise SettingError("Live images get fresh augmentations in every epoch: --views needs --cached.")
