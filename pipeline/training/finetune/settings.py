"""What is trained live or fine-tuned, from which layer on, and how fast. Needs no TensorFlow."""

from dataclasses import dataclass, field
from typing import Any, Self

from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """A head on the frozen base, then the last layers of the base together with the head.

    End to end is the first half alone: no layer of the base is trained.
    """

    head: str = DEFAULT_LAYERS
    """A dense head."""

    pool: str = "none"
    """Pooling between the base's last layer and the head."""

    augmentation: Augmentation | None = None
    """Fresh augmentations of the training images in every epoch; live images only."""

    cached: bool = False
    """Take the trunk's output from the store instead of running it on live images."""

    views: Views | None = None
    """With `cached`: stored views to train on too."""

    training: Training = field(default_factory=Training)
    """Of the head with the base frozen; when fine-tuning, of base and head together."""

    head_epochs: int = 10
    """When fine-tuning: epochs of the head alone before, at the training's own learning rate; 0 for none."""

    first: str | None = None
    """First layer of the base that is trained together with the head; None: none is."""

    last: int | None = None
    """The same, counted from the base's end."""

    base_rate: float = 1e-5
    """When fine-tuning: learning rate of the base's layers."""

    head_rate: float = 1e-5
    """When fine-tuning: learning rate of the head."""

    on_run: str | None = None
    """Start from the head of this run instead of training one first."""

    @classmethod
    def of_base(cls, first: str | None, last: int | None, **values: Any) -> Self:
        """Fine-tuning proper: layers of the base are trained.

        Raises:
            SettingError: None is named.
        """
        if first is None and last is None:
            raise SettingError("Name the first layer to train with --from, or count the last ones with --last.")
        return cls(first=first, last=last, **values)

    @property
    def trains_base(self) -> bool:
        """Whether layers of the base are trained."""
        return self.first is not None or self.last is not None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None:
            raise SettingError("Name the first trained layer, or count the last ones, not both.")
        if self.cached and not self.trains_base:
            raise SettingError(
                "A head alone is trained on cached rows with `head` (fit): name a layer to be trained too."
            )
        if self.cached and self.augmentation:
            raise SettingError(
                "Cached rows are augmented by stored views: give --views K with --augment, or leave out --cached."
            )
        if self.views and not self.cached:
            raise SettingError("Live images are augmented anew in every epoch: --views needs --cached.")
