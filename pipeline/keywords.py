"""The keywords of the public functions, which are the options of the command line, as typed values.

A public function takes one of the groups below as `**keywords: Unpack[...]`; `gather` turns them into typed values.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from pipeline.bases.names import CLASS_TOKEN
from pipeline.effects import check_effects
from pipeline.errors import SettingError, did_you_mean
from pipeline.images.augment import Augmentation, parse_augmentation
from pipeline.images.manifest import Manifest
from pipeline.images.requirements import require_task
from pipeline.images.scan import Data
from pipeline.images.sources.reading import READ_KEYWORDS, Reading, ReadKeywords
from pipeline.keyword_types import check_types
from pipeline.settings import KEYWORDS as SETTINGS
from pipeline.settings import Settings
from pipeline.stage_one.reuse.stored import with_stored_features
from pipeline.stage_one.scan import make_reading, scan
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.weights import check_balance, class_weight_text
from pipeline.tasks.decisions import NONE, Decisions


class CommonKeywords(TypedDict, total=False):
    """The fields of `pipeline.settings`, except the base and the number of workers."""

    size: int | None
    cut: str | None
    preprocess: str
    weights: str
    resize: str
    exif: bool
    fit: str
    background: str | None
    decoder: int
    dtype: str
    precision: str
    cache: str | Path
    runs: str | Path
    shared: str | Path | None
    share: bool
    engine: str
    device: str
    batch_size: int
    backend: str
    scheduler: str | None
    gather: bool
    ship_images: bool
    memory_gb: float | None
    spool_gb: float
    strict: bool
    max_pixels: int
    progress: bool
    tensorboard: str | Path | None
    mlflow: str | None


class SettingsKeywords(CommonKeywords, total=False):
    """The fields of `pipeline.settings`: features, folders, compute and tracking."""

    base: str
    workers: int | None


class DataKeywords(SettingsKeywords, ReadKeywords, total=False):
    """Settings, and how a data set is read."""


class GivenKeywords(SettingsKeywords, total=False):
    """Settings, and how data sets among given images are read: options that have nothing to do with labels."""

    root: str | Path | None
    path_column: str | None
    ignore_column: tuple[str, ...]
    follow_links: bool


class EvaluateKeywords(GivenKeywords, total=False):
    """Settings, and how a data set is read that brings its own splits or none."""

    label: str | Sequence[str]
    task: str | None
    split_column: str | None
    group_column: str | None
    classes_from: str | None


class PlanKeywords(CommonKeywords, ReadKeywords, total=False):
    """The same for `plan`, which takes several bases and its own number of workers."""


class _AugmentKeywords(TypedDict, total=False):
    augment: str | Augmentation | None
    """`standard` or another name, settings such as `rotation=20,horizontal_flip`, an `Augmentation`, or None: none.

    Left out: `standard` in live training, none elsewhere.
    """


class _StoredViewKeywords(TypedDict, total=False):
    views: int
    view_seed: int
    tta: bool


class _DenseKeywords(TypedDict, total=False):
    epochs: int
    optimizer: str
    schedule: str
    patience: int
    keep: str
    loss: str
    seed: int
    class_weight: str | Mapping[str, float] | None


class _StepKeywords(TypedDict, total=False):
    lr: float
    head_batch_size: int


class _DecisionKeywords(TypedDict, total=False):
    threshold: str | float | None
    calibrate: str


class ViewKeywords(DataKeywords, _AugmentKeywords, _StoredViewKeywords, total=False):
    """Which stored augmentations are made or used; see `pipeline.stage_one.views.Views`."""


class AuditKeywords(ViewKeywords, total=False):
    """The same, and how much images count by their class."""

    class_weight: str | Mapping[str, float] | None


class SweepKeywords(DataKeywords, _DenseKeywords, _DecisionKeywords, total=False):
    """Training settings that the dense heads of a sweep share, and what is decided on validation for the best head.

    See `pipeline.stage_two.dense.settings.Training` and `pipeline.tasks.decisions.Decisions`.
    """


class LiveKeywords(DataKeywords, _DenseKeywords, _StepKeywords, _AugmentKeywords, total=False):
    """How one dense head is trained, on live images with fresh augmentations."""


class EndToEndKeywords(LiveKeywords, _DecisionKeywords, total=False):
    """The same, and what is decided on validation; see `pipeline.tasks.decisions.Decisions`."""


class TrainingKeywords(
    DataKeywords,
    _DenseKeywords,
    _StepKeywords,
    _AugmentKeywords,
    _StoredViewKeywords,
    _DecisionKeywords,
    total=False,
):
    """How one head is trained, on live images or with stored views, and what is decided on validation."""

    view_mode: str


_TRAINING = {
    name: {"lr": "learning_rate", "head_batch_size": "batch_size"}.get(name, name)
    for name in (
        "epochs",
        "lr",
        "head_batch_size",
        "optimizer",
        "schedule",
        "patience",
        "keep",
        "loss",
        "view_mode",
        "seed",
        "class_weight",
    )
}
"""Keywords to fields of `Training`."""


CLASS_POOLING = "cls"
"""The value of `pool` that takes the token of the class: another cut, whose rows need no pooling."""


Pool = TypeVar("Pool", str, str | None)


def rows_pooling(pool: Pool) -> Pool:
    """Pooling of the rows that a value of `pool` asks for."""
    return "none" if pool == CLASS_POOLING else pool


def _check_labels(manifest: Manifest) -> None:
    """Check that the labels make a task, or a question for each of several columns."""
    if not manifest.questions:
        require_task(manifest)


@dataclass(frozen=True)
class Inputs:
    """Keywords as typed values."""

    settings: Settings
    training: Training
    augmentation: Augmentation | None
    read: Mapping[str, Any]
    """Keywords of `scan`."""

    decisions: Decisions = NONE
    num_views: int = 0
    view_seed: int = 0
    tta: bool = False

    def scan(
        self, data: Data | Manifest, *, pooling: str | None = None, check: Callable[[Manifest], object] | None = None
    ) -> Manifest:
        """The images, labels and splits of a data set.

        Args:
            data: The data set.
            pooling: Pooling of the rows that will be made of these images; None: none will be.
            check: Raises what makes the data set useless; it is called before anything is fetched.
        """
        return scan(data, self.settings, pooling=pooling, check=check, **self.read)

    @property
    def reading(self) -> Reading:
        """How data is read."""
        return make_reading(self.settings, **self.read)

    def open(self, data: Data | Manifest, *, pooling: str | None = None) -> tuple[Manifest, Settings]:
        """The data set, and the settings: feature settings that were not given are those of the rows stored for these images.

        Args:
            data: The data set.
            pooling: As in `scan`.
        """
        manifest = self.scan(data, pooling=pooling)
        return manifest, with_stored_features(manifest, self.settings)

    def by_question(self, data: Data | Manifest, manifest: Manifest) -> Mapping[str, Manifest]:
        """A manifest for each of several label columns that are a question each, by the name of the column; otherwise the one that was scanned."""
        if isinstance(data, Manifest) or not manifest.questions:
            return {manifest.label_column or "": manifest}
        return {name: scan(data, self.settings, **{**self.read, "label": name}) for name in manifest.questions}

    def open_questions(self, data: Data | Manifest) -> tuple[Mapping[str, Manifest], Settings]:
        """The same, where `label` may name several columns that are a question each: a manifest for each, by the name of the column.

        Raises:
            DataLayoutError: The labels do not make a task; see `pipeline.images.requirements.require_task`.
        """
        manifest = self.scan(data, pooling="none", check=_check_labels)
        found = {name: self._required(each) for name, each in self.by_question(data, manifest).items()}
        return found, with_stored_features(manifest, self.settings)

    def _required(self, manifest: Manifest) -> Manifest:
        """The labelled images, checked for a training.

        Raises:
            SettingError: A loss of numbers for other labels, weights of classes that do not fit the classes, or a task that has no use for a
                threshold or a calibration.
        """
        labelled = require_task(manifest)
        self.decisions.of(labelled.task)
        if self.training.loss != Training.loss and not labelled.task.has_losses:
            raise SettingError(
                f"--loss is for numbers (--task regression). Received: --loss {self.training.loss} for {labelled.task.kind}."
            )
        check_balance(labelled, self.training.class_weight)
        return labelled

    def open_labelled(self, data: Data | Manifest) -> tuple[Manifest, Settings]:
        """The same for a training, without images that have no label: checked now, and not after hours of stage one.

        Raises:
            DataLayoutError: The labels do not make a task; see `pipeline.images.requirements.require_task`.
        """
        manifest = self._required(self.scan(data, check=_check_labels))
        return manifest, with_stored_features(manifest, self.settings)

    @property
    def views(self) -> Views | None:
        """The stored views to use; None if neither `views` nor `augment` is given.

        Raises:
            SettingError: Only one of `views` and `augment` is given.
        """
        if self.augmentation is None and not self.num_views:
            return None
        if self.augmentation is None or not self.num_views:
            augment = self.augmentation.as_text() if self.augmentation else "none"
            raise SettingError(
                "Cached features are augmented by stored views: give both --views K and --augment "
                f"(such as standard, flip, or settings). Received: --views {self.num_views}, --augment {augment}."
            )
        return Views(self.num_views, self.augmentation, self.view_seed, self.tta)

    def require_views(self) -> Views:
        """The stored views to make.

        Raises:
            SettingError: `views` or `augment` is missing.
        """
        if self.views is None:
            raise SettingError("Give the number of views and their augmentation, such as views=4, augment='standard'.")
        return self.views


def gather(keywords: Mapping[str, Any], function: Callable[..., Any], *, augment: str = "none", **own: Any) -> Inputs:
    """Sort the keywords of a public function into typed values.

    Args:
        keywords: What the function received as `**keywords`.
        function: The function, whose signature names the keywords that it takes.
        augment: The augmentation where the keyword is left out.
        own: Values of the function's own parameters that others depend on; see `pipeline.effects`.

    Raises:
        SettingError: A value is invalid or has no effect, or the function does not have a keyword.
    """
    check_keywords(keywords, function)
    check_types({**own, **keywords}, function)
    check_effects({*keywords, *_changed(own, function)}, _all_values(keywords, function, own))
    settings = Settings.of(**_chosen(keywords, SETTINGS))
    if own.get("pool") == CLASS_POOLING:
        settings = settings.with_changes(cut=CLASS_TOKEN)
    chosen = keywords.get("augment", augment)
    return Inputs(
        settings=settings,
        training=_training(keywords),
        augmentation=chosen
        if isinstance(chosen, Augmentation)
        else parse_augmentation("none" if chosen is None else chosen),
        read=_chosen(keywords, READ_KEYWORDS),
        decisions=Decisions(**_chosen(keywords, _DecisionKeywords.__annotations__)),
        num_views=keywords.get("views", 0),
        view_seed=keywords.get("view_seed", 0),
        tta=keywords.get("tta", False),
    )


def _training(keywords: Mapping[str, Any]) -> Training:
    values = {_TRAINING[name]: value for name, value in _chosen(keywords, _TRAINING).items()}
    return Training(**values | {"class_weight": class_weight_text(values.get("class_weight"))})


def keywords_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of all parameters of a public function, in order; those of its group of keywords come last."""
    parameters = inspect.signature(function).parameters.values()
    own = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    groups = [parameter.annotation.__args__[0] for parameter in parameters if parameter.kind is parameter.VAR_KEYWORD]
    return (*own, *(name for group in groups for name in group.__annotations__))


def check_keywords(keywords: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Check that a public function has these keywords.

    Raises:
        SettingError: It does not have one; the message suggests the nearest.
    """
    known = keywords_of(function)
    for name in keywords:
        if name not in known:
            cure = did_you_mean(name, known) or f" Expected some of: {', '.join(known)}."
            raise SettingError(f"{function.__name__}() has no keyword {name!r}.{cure}")


def _changed(own: Mapping[str, Any], function: Callable[..., Any]) -> set[str]:
    """Names of the function's own parameters whose values are not the defaults."""
    parameters = inspect.signature(function).parameters
    return {name for name, value in own.items() if not _is_same(value, parameters[name].default)}


def _is_same(value: Any, default: Any) -> bool:
    """Whether a value is the default; a data frame, which compares its elements, is not."""
    plain = isinstance(value, str | int | float | tuple | list)
    return default is inspect.Parameter.empty or value is default or (plain and bool(value == default))


def _all_values(keywords: Mapping[str, Any], function: Callable[..., Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """All values that are known; None stands for a keyword of the group that was not given."""
    parameters = inspect.signature(function).parameters
    shared = [name for name in keywords_of(function) if name not in parameters]
    return {**dict.fromkeys(shared), **own, **keywords}


def _chosen(keywords: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: keywords[name] for name in names if name in keywords}
