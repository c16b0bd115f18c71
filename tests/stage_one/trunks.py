"""Recipes and engines of small bases with random weights. A killed child process makes the same ones."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bases.digests import TrunkInfo
from pipeline.bases.files import weights_file
from pipeline.bases.table import BASES
from pipeline.bases.trunks import learn_trunk
from pipeline.cache.recipe import Recipe
from pipeline.images.decoding.decoder import Decoder
from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

BATCH_SIZE = 8


@functools.cache
def weights_and_trunk(home: Path, base: str, cut: str) -> tuple[Path, TrunkInfo]:
    """The random weights of a base, and the trunk below a cut."""
    file = weights_file(BASES[base], "random", home)
    return file, learn_trunk(BASES[base], file, cut, home)


def make_recipe(home: Path, base: str = "squeezenet", size_px: int = 32, **changes: Any) -> tuple[Recipe, Path]:
    """A recipe and the weights that belong to it."""
    spec = BASES[base]
    cut = changes.pop("cut", spec.last_layer)
    file, trunk = weights_and_trunk(home, base, cut)
    recipe = Recipe(base, Decoder(size_px), spec.native_preprocessing, trunk.digest, cut)
    return replace(recipe, **changes), file


@functools.cache
def make_engine(home: Path) -> TensorFlowEngine:
    """SqueezeNet at 32 px, compiled once."""
    recipe, file = make_recipe(home)
    return TensorFlowEngine(recipe, file, batch_size=BATCH_SIZE)


@dataclass
class Counting:
    """A real engine that counts how often it was made and how many images it saw."""

    engine: TensorFlowEngine
    num_made: int = 0
    num_images: int = 0

    concurrency: int = 1

    def __call__(self, num_rows: int) -> "Counting":
        self.num_made += 1
        return self

    @property
    def provenance(self) -> dict[str, str]:
        return self.engine.provenance

    def features(self, pixels: np.ndarray) -> np.ndarray:
        self.num_images += len(pixels)
        return self.engine.features(pixels)
