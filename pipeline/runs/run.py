"""A run: a trained head with all that is needed to predict."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.cache.recipe import Recipe
from pipeline.errors import DamagedStoreError, PipelineError
from pipeline.html import show_png, show_table
from pipeline.images.given import Given, GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.predictions import Predictions
from pipeline.runs.abstain import check_abstain
from pipeline.runs.folder import RunFolder, load_arrays, open_run
from pipeline.runs.info import RunInfo
from pipeline.runs.listing import augmentation_of, kind_of
from pipeline.runs.plots.by_task import NAMES
from pipeline.runs.predict import Predicted, predict_manifest
from pipeline.runs.predictor import label_images
from pipeline.settings import Settings
from pipeline.stage_one.scan import make_reading
from pipeline.stage_two.head import Head
from pipeline.stage_two.linear.heads import head_from_arrays
from pipeline.stage_two.novelty.detector import Detector
from pipeline.tasks.scores import Scores, score_table
from pipeline.tasks.task import Task

_PLOTS = {"curves.png": "Learning curves", **NAMES}


@dataclass(frozen=True)
class Run:
    """A trained head, ready to predict."""

    folder: RunFolder
    head: Head
    settings: Settings = field(default_factory=Settings)

    @property
    def name(self) -> str:
        """Name of the folder."""
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
    def task(self) -> Task:
        """What it answers."""
        return self.folder.task

    @property
    def scores(self) -> dict[str, Scores]:
        """Scores by split."""
        return self.folder.scores

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores by split as plain values; see `Scores.as_dict`."""
        return {split: scores.as_dict() for split, scores in self.scores.items()}

    @property
    def detector(self) -> Detector | None:
        """Judges how familiar images are; None for a run of a version that had none."""
        return self.folder.detector

    def predict(
        self, images: GivenImages, *, top: int = 5, reading: Reading | None = None, abstain: float | None = None
    ) -> Predictions:
        """Label images; see `pipeline.runs.predictor.label_images`."""
        return label_images(self, images, top=top, reading=reading, abstain=abstain)

    def check_abstain(self, abstain: float | None) -> None:
        """See `Predictor`."""
        check_abstain(abstain, self.detector, self.task, self.name)

    def read(self, images: GivenImages, reading: Reading | None = None) -> Given:
        """See `Predictor`."""
        exif = Recipe.from_dict(dict(self.info.recipe)).decoder.exif
        return read_given(images, self.settings.paths.hashes, exif=exif, reading=reading or make_reading(self.settings))

    def predict_manifest(self, manifest: Manifest) -> Predicted:
        """The outputs for the images of a manifest; see `pipeline.runs.predict.predict_manifest`."""
        return predict_manifest(self.head, self.info, self.task, manifest, self.settings, self.detector)

    def training_digests(self) -> frozenset[bytes]:
        """SHA-256 of each training image; empty if the run's predictions.csv is gone or was written without digests."""
        try:
            rows = self.folder.predictions()
        except OSError:
            return frozenset()
        return frozenset(
            bytes.fromhex(row["sha256"]) for row in rows if row.get("sha256") and row.get("split") == "train"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as the commands that train print them."""
        info = self.info
        scores = {split: values.summary() for split, values in self.scores.items()}
        return {
            "run": self.name,
            "head": info.head,
            "pool": info.head_pool,
            "chosen": {key: value for key, value in info.chosen.items() if key != "candidates"},
            **scores,
            "class_weight": info.class_weight,
            "folds": info.folds,
            "threshold": self._thresholds(),
            "calibration": info.calibration,
            "novelty": info.novelty,
            "augmentation": None if self._is_plain() else augmentation_of(info),
            "seconds": info.seconds,
            "seconds_per_epoch": info.seconds_per_epoch,
            "epochs": info.epochs,
            "trainable_params": info.trainable_params,
            "total_params": info.total_params,
            "trunk_digest_before": info.trunk_digest_before,
            "trunk_digest_after": info.trunk_digest_after,
            "folder": str(self.folder.path),
            "task": self.task.kind,
            "classes": dict(info.class_images),
            "skipped": list(info.skipped),
            "ignored": list(info.ignored),
            "duplicates": list(info.duplicates),
        }

    def _thresholds(self) -> dict[str, Any] | None:
        """The goal, and the probability from which a class or label is predicted, by name."""
        named = self.task.named_thresholds
        return {"goal": str(self.task.goal or ""), "from": named} if named else None

    def _is_plain(self) -> bool:
        """Whether it was trained on the cached rows of the images as they are, where augmentation is no question."""
        is_live = self.info.regime is not None and not self.info.cached
        return not is_live and augmentation_of(self.info) == "none"

    def __repr__(self) -> str:
        try:
            scores = "".join(f", {split}={values.main:.4g}" for split, values in self.scores.items())
            return f"Run({self.name!r}, head={self.info.head!r}, base={self.info.recipe['base']!r}{scores})"
        except PipelineError:  # the folder is gone or damaged; a display must not fail
            return f"Run({self.name!r})"

    def _repr_html_(self) -> str:
        """For notebooks: how the run was made, its scores by split, and its plots."""
        info = self.info
        facts = {
            "run": self.name,
            "kind": kind_of(info),
            "head": info.head,
            "pool": info.head_pool,
            "base": info.recipe["base"],
            "size": f"{info.recipe['decoder']['size_px']} px" if "decoder" in info.recipe else None,
            "data": info.data,
            "augmentation": augmentation_of(info),
            "training seconds": info.seconds,
        }
        return show_table([facts]) + score_table(self.scores) + "".join(self._plots())

    def _plots(self) -> list[str]:
        """The plots in the folder, as images."""
        found = ((self.folder.path / name, f"{text} of {self.name}") for name, text in _PLOTS.items())
        return [show_png(path, text) for path, text in found if path.is_file()]


def load_run(name: str | Path, settings: Settings) -> Run:
    """Load a run from its folder. Nothing is unpickled, and Keras files are loaded in safe mode.

    Args:
        name: Name of the run, or its folder.
        settings: Folder of the runs, cache folder and compute.

    Raises:
        RunNotFoundError: There is no such run.
        DamagedStoreError: Its files are not those of a run.
    """
    folder = open_run(name, settings.paths.runs)
    return Run(folder, _load_head(folder), settings)


def _load_head(folder: RunFolder) -> Head:
    path = folder.head_path
    if path.suffix == ".npz":
        head: Head = head_from_arrays(load_arrays(path), path)
    else:
        from pipeline.stage_two.dense.build import load_dense

        head = load_dense(path, folder.task.link)
    if head.num_outputs != len(folder.info.classes):
        raise DamagedStoreError(
            f"{path} predicts {head.num_outputs} classes, and run.json names {len(folder.info.classes)}. They are not of one run."
        )
    return head
