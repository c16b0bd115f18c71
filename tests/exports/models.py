"""A small network from pixels to probabilities with its description, and a way to build real ones only once."""

import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.bases.find import find_base
from pipeline.exports import export as module
from pipeline.exports.description import Description, add_member
from pipeline.exports.head_layers import head_of_arrays
from pipeline.exports.p_value_layers import with_p_value
from pipeline.exports.stitch import stitch
from pipeline.images.decoding.decoder import Decoder
from pipeline.stage_two.novelty.detector import Detector
from pipeline.tasks.classification import Classification

SIZE_PX = 12
LABELS = ("ä b", '"c"', "d\ne")


def make_model(head: str = "linear", detector: Detector | None = None) -> keras.Model:
    """Random weights, caffe preprocessing, average pooling, and a linear head or nearest neighbours; and p-values, with a detector."""
    keras.utils.set_random_seed(0)
    trunk = keras.Sequential(
        [keras.Input((SIZE_PX, SIZE_PX, 3)), keras.layers.Conv2D(6, 3, strides=2, activation="relu")]
    )
    made = head_of_arrays(_arrays(head), (6,))
    made = with_p_value(made, detector, "probabilities") if detector else made
    return stitch(trunk, find_base("vgg16").native_preprocessing, "avg", made)


def _arrays(head: str) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(1)
    scaling = {"mean": rng.normal(size=6).astype(np.float32), "scale": rng.uniform(20, 40, 6).astype(np.float32)}
    if head == "linear":
        weights = rng.normal(size=(6, 3)).astype(np.float32)
        return {**scaling, "weights": weights, "bias": np.zeros(3, np.float32), "temperature": np.ones(1, np.float32)}
    rows = rng.normal(size=(30, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {**scaling, "rows": rows, "labels": np.arange(30) % 3, "num_classes": np.array([3]), "k": np.array([5])}


def describe(**changes: object) -> Description:
    """The description of that network."""
    values = {"task": Classification(LABELS), "decoder": Decoder(SIZE_PX), "origin": {"run": "r", "cut": None}}
    return Description(**(values | changes))


def write_archive(path: Path) -> bytes:
    """An earlier Keras export, of which only the description is there; its bytes."""
    with zipfile.ZipFile(path, "w"):
        pass
    add_member(path, describe())
    return path.read_bytes()


def make_pixels(count: int) -> np.ndarray:
    """Whole numbers in [0, 255], float32 (N, 12, 12, 3), each image with its own mean colour."""
    rng = np.random.default_rng(2)
    colours = rng.integers(30, 226, (count, 1, 1, 3))
    return np.clip(np.round(colours + rng.normal(0, 50, (count, SIZE_PX, SIZE_PX, 3))), 0, 255).astype(np.float32)


def build_once(patch: pytest.MonkeyPatch) -> None:
    """Let all exports of a run use one engine and one stitched model, since building them takes most of an export's time."""
    make_engine, stitched = module.make_reference, module._stitched
    arguments = {}

    @cache
    def engine_of(fingerprint):
        return make_engine(*arguments[fingerprint])

    @cache
    def model_of(folder, has_p_value):
        return stitched(*arguments[folder, has_p_value])

    def share_engine(recipe, *rest):
        arguments[recipe.fingerprint] = (recipe, *rest)
        return engine_of(recipe.fingerprint)

    def share_model(run, *rest):
        key = run.folder.path, rest[-1] is not None  # the last argument is the detector of an export with p-values
        arguments[key] = (run, *rest)
        return model_of(*key)

    patch.setattr(module, "make_reference", share_engine)
    patch.setattr(module, "_stitched", share_model)
