"""Runs with and without some images, for tests of forgetting."""

import shutil
from pathlib import Path

import pipeline
from tests.conftest import RANDOM

TRAIN, VALIDATION, TEST = "train/red/red003.png", "validation/blue/blue001.png", "test/red/red002.png"


def copy_places(places: dict[str, Path], folder: Path) -> dict[str, Path]:
    """A cache with the same rows, and an empty folder of runs."""
    shutil.copytree(places["cache"], folder / "cache")
    return {"cache": folder / "cache", "runs": folder / "runs"}


def copy_without(photos: Path, folder: Path, *names: str) -> Path:
    """The same images without some, under the same title."""
    copied = shutil.copytree(photos, folder / photos.name)
    for name in names:
        (copied / name).unlink()
    return copied


def fit(data, head: str, where: dict[str, Path], **keywords):
    """Train a head on stored rows, without plots."""
    return pipeline.fit(data, head, plots=False, progress=False, **RANDOM, **where, **keywords)


def forget(images, where: dict[str, Path], **keywords):
    """Forget images, in runs too."""
    return pipeline.forget_images(images, with_runs=True, progress=False, **where, **({"yes": True} | keywords))


def files_of(run: Path) -> dict[str, bytes]:
    """What a training writes, except what has times or the folder of the images in it."""
    left_out = ("run.json", "history.csv", "head.keras")
    return {path.name: path.read_bytes() for path in run.iterdir() if path.name not in left_out}


def assert_gone(folders, digests) -> None:
    """No file below these folders has one of the digests, raw or in hexadecimal."""
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        assert not any(digest in data or digest.hex().encode() in data for digest in digests), path
