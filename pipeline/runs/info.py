"""run.json as a type, and how it is made."""

import contextlib
import datetime as dt
import hashlib
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pipeline.bases.names import HUB
from pipeline.cache.recipe import Recipe
from pipeline.errors import DamagedStoreError
from pipeline.images.manifest import Files, Manifest
from pipeline.stage_one.extraction import Extraction
from pipeline.tasks.task import Task
from pipeline.version import __version__

SCHEMA = 1
_LIBRARIES = ("tensorflow", "keras", "scikit-learn", "numpy")
_NEEDED = ("head", "data", "recipe", "classes", "pool", "weights", "seconds")


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """How a head was trained, as run.json records it."""

    head: str
    """The head's text, such as `logreg` or `dense:256,relu,dropout:0.5`."""

    pool: str
    """Pooling of the rows that the model takes: `none`, `avg` or `max`."""

    seconds: float
    """Time of the training, without stage one."""

    command: str | None = None
    """The command that makes the run again."""

    chosen: Mapping[str, Any] = field(default_factory=dict)
    """Linear heads: the chosen regularisation by its name, and all `candidates` with their scores; empty for dense heads."""

    training: Mapping[str, Any] | None = None
    """Settings of a dense head's training; None for linear heads."""

    seed: int = 0

    class_weight: str | None = None
    """How much images counted by their class: `balanced`, or JSON; None: all the same."""

    folds: Mapping[str, Any] | None = None
    """{folds, repeats, images, score, accuracy, deviation, loss, accuracies} of a cross-validation; see `pipeline.stage_two.folds`."""

    views: Mapping[str, Any] | None = None
    """{count, augmentation, seed, tta}; None without views."""

    seconds_per_epoch: float | None = None
    epochs: int | None = None
    trainable_params: int = 0
    total_params: int = 0
    trunk_digest_before: str | None = None
    trunk_digest_after: str | None = None

    regime: str | None = None
    """`end to end` or `fine-tuning`; None for heads on cached rows."""

    cached: bool | None = None
    first_trained_layer: str | None = None

    augmentation: str | None = None
    """Augmentation of live images, as canonical JSON."""

    phases: Sequence[Mapping[str, Any]] = ()
    """{name, epochs} of each phase of fine-tuning."""

    fine_tuning: Mapping[str, Any] | None = None
    """{head_epochs, base_lr, head_lr, on_run} of fine-tuning; None for other runs, and for those of versions before 0.5."""

    moved_layers: Sequence[str] = ()
    """Layers of the base whose weights changed."""

    inner_pool: str | None = None
    """Fine-tuned networks: pooling inside the model, between the base's last layer and the head; None: `pool` is all."""

    stitched_difference: float | None = None
    """Largest difference of a probability between live images and cached rows."""


@dataclass(frozen=True, kw_only=True)
class RunInfo(TrainingFacts):
    """run.json: all that is needed to predict with a run and to make it again, except the head itself.

    Fields that an older version did not write have their default values.
    """

    data: str
    """Title of the data set."""

    classes: tuple[str, ...]
    """Names of the K classes, labels or columns of numbers, in the order of the outputs."""

    recipe: Mapping[str, Any]
    """The recipe of the features, as JSON; see `Recipe.from_dict`."""

    weights: str
    """`imagenet`, `random`, or a file."""

    task: Mapping[str, Any] | None = None
    """What is asked, and what was chosen on validation: {kind, ...}; see `pipeline.tasks`. None: a classification of an older version."""

    calibration: Mapping[str, Any] | None = None
    """{method, error: {validation: {before, after}, test: ...}}: the expected calibration error; None without a calibration."""

    novelty: Mapping[str, Any] | None = None
    """{centres, validation, level, refused: {test: share}} of the detector in novelty.npz; None for a run of a version that wrote none."""

    name: str = ""

    root: str | None = None
    """Folder that the names of the images are relative to; None if they are not files."""

    source: str | None = None
    """The data as the user named it; None if it has no name."""

    label_column: str | None = None
    """Column of a table that the labels come from; None if they come from folders, or if an older version made the run."""

    split_rule: str | None = None
    """Percentages and seed that the splits were drawn with; None if the data sets its splits, or an older version made the run."""

    data_digest: str | None = None
    """Digest of images, labels and splits. Runs with the same digest have comparable scores."""

    task_digest: str | None = None
    """Digest of images, labels, splits and recipe."""

    images: Mapping[str, int] = field(default_factory=dict)
    """Number of images by split."""

    skipped: Sequence[Mapping[str, str]] = ()
    """Images that were left out: {path, reason}."""

    ignored: Sequence[Mapping[str, Any]] = ()
    """Files beside the images: {kind, count, reason}."""

    class_images: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of images by class and split."""

    duplicates: Sequence[Sequence[str]] = ()
    """Groups of names of images that have the same bytes and are in more than one split."""

    fingerprint: str = ""
    """Of the recipe."""

    stage_one: Mapping[str, Any] = field(default_factory=dict)
    """{new, seconds}: number of rows that were computed for this run, and the time it took."""

    created: str = ""
    """UTC, ISO 8601."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of Python and the libraries, by name."""

    @property
    def head_pool(self) -> str:
        """Pooling in front of the head, as `--pool` sets it."""
        return self.inner_pool or self.pool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"schema": SCHEMA, **asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], origin: Path) -> "RunInfo":
        """The info of `as_dict`, of this version or an older one.

        Args:
            values: The JSON object.
            origin: The file, for messages.

        Raises:
            DamagedStoreError: It is not the run.json of a run.
        """
        missing = [name for name in _NEEDED if name not in values]
        if missing or values.get("schema") != SCHEMA:
            raise DamagedStoreError(
                f"{origin} is not a run of schema {SCHEMA}. "
                f"Received: schema {values.get('schema')!r}{', without ' * bool(missing)}{', '.join(missing)}."
            )
        known = {entry.name: values[entry.name] for entry in fields(cls) if entry.name in values}
        wrong = [entry.name for entry in fields(cls) if entry.name in known and not fits(known[entry.name], entry.type)]
        if wrong:
            name = wrong[0]
            raise DamagedStoreError(
                f"{origin} is not a run: the type of {name!r} is wrong. Received: {known[name]!r:.80}."
            )
        return cls(**{**known, "classes": tuple(values["classes"])})


def fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is one of a type: of plain types, unions, and sequences and mappings of these."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is UnionType:
        return any(fits(value, part) for part in parts)
    if origin is Mapping:
        return isinstance(value, dict) and all(fits(entry, parts[1]) for entry in value.values())
    if origin in (Sequence, tuple):
        return isinstance(value, list | tuple) and all(fits(entry, parts[0]) for entry in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def describe_run(
    facts: TrainingFacts,
    extraction: Extraction,
    task: Task,
    images: Mapping[str, int],
    weights: str,
    calibration: Mapping[str, Any] | None = None,
    novelty: Mapping[str, Any] | None = None,
) -> RunInfo:
    """The info of a run on these rows.

    Args:
        facts: How the head was trained.
        extraction: The rows, with the manifest of their images.
        task: What is asked.
        images: Number of images by split.
        weights: `imagenet`, `random`, or a file.
        calibration: See `RunInfo`.
        novelty: See `RunInfo`.
    """
    manifest, recipe = extraction.manifest, extraction.store.recipe
    use = manifest.use.as_dict()
    is_file = weights not in ("imagenet", "random") and not weights.startswith(HUB)
    return RunInfo(
        **vars(facts),
        data=manifest.title,
        root=str(manifest.images.root.resolve()) if isinstance(manifest.images, Files) else None,
        source=manifest.source,
        label_column=manifest.label_column,
        split_rule=manifest.split_rule,
        data_digest=data_digest(manifest),
        task_digest=task_digest(manifest, recipe, "any"),
        classes=task.names,
        task=task.as_dict(),
        calibration=calibration,
        novelty=novelty,
        images=dict(images),
        skipped=use["skipped"],
        ignored=use["ignored"],
        class_images=use["classes"],
        duplicates=manifest.duplicates_across_splits(),
        recipe=recipe.as_dict(),
        fingerprint=recipe.fingerprint,
        weights=str(Path(weights).resolve()) if is_file else weights,
        stage_one={"new": extraction.num_new, "seconds": extraction.seconds},
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        versions={
            "python": platform.python_version(),
            "bottleneck-pipeline": __version__,
            **_versions(),
        },
    )


def _versions() -> dict[str, str]:
    """Versions of the libraries that are installed: linear heads are trained without TensorFlow, too."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def task_digest(manifest: Manifest, recipe: Recipe, pooling: str) -> str:
    """Digest of rows, labels and splits of a training; the order and the names of the images do not matter."""
    return hashlib.sha256(repr((recipe.fingerprint, pooling, _entries(manifest))).encode()).hexdigest()


def data_digest(manifest: Manifest) -> str:
    """Digest of images, labels and splits, whatever the features; the order and the names of the images do not matter."""
    return hashlib.sha256(repr(_entries(manifest)).encode()).hexdigest()


def _entries(manifest: Manifest) -> list[tuple[bytes, str, str]]:
    return sorted(zip(manifest.digests, map(str, manifest.labels), manifest.splits, strict=True))
