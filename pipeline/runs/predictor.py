"""What predicts, a run or an exported file, and how both label images."""

from typing import Protocol

from pipeline.images.given import Given, GivenImages
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.predictions import Predictions, check_top, label_given
from pipeline.runs.predict import Predicted
from pipeline.settings import Settings
from pipeline.tasks.task import Task


class Predictor(Protocol):
    """A run, or an exported file."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def task(self) -> Task:
        """What it answers."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K outputs, in their order."""
        ...

    @property
    def settings(self) -> Settings:
        """Cache folder and compute."""
        ...

    def check_abstain(self, abstain: float | None) -> None:
        """Check that images with a p-value up to this can be refused; None: none are.

        Raises:
            SettingError: They cannot.
        """
        ...

    def read(self, images: GivenImages, reading: Reading | None = None) -> Given:
        """The images, listed and hashed; see `pipeline.images.given.read_given`."""
        ...

    def predict_manifest(self, manifest: Manifest) -> Predicted:
        """The outputs for the images that can be read."""
        ...

    def training_digests(self) -> frozenset[bytes]:
        """SHA-256 of each training image, as far as they are known."""
        ...


def check_asked(predictor: Predictor, top: int, abstain: float | None) -> None:
    """Check what is asked of a predictor, before any image is read.

    Raises:
        SettingError: `top` is below 1, or `abstain` cannot be asked of it.
    """
    check_top(top)
    predictor.check_abstain(abstain)


def label_images(
    predictor: Predictor,
    images: GivenImages,
    *,
    top: int = 5,
    reading: Reading | None = None,
    abstain: float | None = None,
) -> Predictions:
    """Label images, from files or pixels.

    Args:
        predictor: A run or an exported file.
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        top: Number of classes to list for each image.
        reading: How tables, archives and other data sets among the images are read.
        abstain: Images with a p-value up to this get the label `unknown`; None: none do.

    Returns:
        One row for each image, in the order given.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
        SettingError: As `check_asked` raises it.
    """
    check_asked(predictor, top, abstain)
    strict = predictor.settings.compute.strict
    given = predictor.read(images, reading)
    given.check(given.manifest, need_all=strict)
    done = predictor.predict_manifest(given.manifest)
    return label_given(
        given,
        done.manifest,
        done.outputs,
        predictor.task,
        top=top,
        strict=strict,
        p_values=done.p_values,
        abstain=abstain,
    )
