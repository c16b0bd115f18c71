"""Stage one as a whole and in parts, on images of one manifest: what the benchmarks of stage one share."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.computing.in_process import extract_in_process
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import missing_items
from pipeline.stage_one.recipes import make_recipe

_MANY_ROWS = 4000
"""The engine is that of a long job: for so many rows a network is converted, which is then kept for shorter jobs."""


@dataclass
class StageOne:
    """One recipe with its engine, loaded and warm, as the network of the others is."""

    manifest: Manifest
    recipe: Recipe
    engine: Engine
    batch_size: int
    scratch: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def make(cls, manifest: Manifest, scratch: Path, *, pooling: str = "none", **keywords: object) -> "StageOne":
        """Load the network; keywords are those of the settings."""
        settings = Settings.of(cache=scratch / "cache", runs=scratch / "runs", **keywords)
        recipe = make_recipe(manifest, settings)[0].with_pooling(pooling)
        engine = make_engine(recipe, settings.features.weights, settings.compute, _MANY_ROWS)
        made = cls(manifest, recipe, engine, settings.compute.batch_size, scratch)
        engine.features(made.batch())  # compile, and choose the engine
        return made

    def whole(self) -> float:
        """Seconds from files to committed rows."""
        store = Store(self.scratch / f"store{next(self.numbers)}-{id(self)}", self.recipe)
        start = time.perf_counter()
        extract_in_process(
            self.manifest,
            missing_items(self.manifest, store, (0,)),
            store,
            lambda: self.engine,
            batch_size=self.batch_size,
        )
        return time.perf_counter() - start

    def decoding(self) -> None:
        """Read and decode all files, on all cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(self._decode, range(len(self.manifest))):
                pass

    def forward(self) -> None:
        """Run the network on as many images as there are, the first ones again and again."""
        batch, starts = self.batch(), range(0, len(self.manifest), self.batch_size)
        batches = [batch[: len(self.manifest) - start] for start in starts]
        with ThreadPoolExecutor(self.engine.concurrency) as calls:
            for _ in calls.map(self.engine.features, batches):
                pass

    def batch(self) -> NDArray[np.uint8]:
        """The first batch, decoded."""
        return np.stack([self._decode(row % len(self.manifest)) for row in range(self.batch_size)])

    def _decode(self, row: int) -> NDArray[np.uint8]:
        return self.recipe.decoder.decode(self.manifest.read(row))


def bound(seconds: dict[str, list[float]], decoding: str, forward: str) -> list[float]:
    """Seconds of decoding alone and the network alone, added, turn by turn: both want all cores."""
    return [a + b for a, b in zip(seconds[decoding], seconds[forward], strict=True)]


def has_bfloat16() -> bool:
    """Whether OpenVINO is installed, and computes in bfloat16 here."""
    if not find_spec("openvino"):
        return False
    from pipeline.stage_one.engines.compiled import has_bfloat16 as has

    return has()


def copy_images(manifest: Manifest, folder: Path) -> Path:
    """Class folders of the images, for Keras."""
    for row, name in enumerate(manifest.names):
        file = folder / str(manifest.labels[row]) / f"{row:06d}{Path(name).suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(manifest.read(row))
    return folder


def keras_network(base: str, size: int, weights: str) -> Callable[..., NDArray[np.float32]]:
    """A network of Keras with its weights; what the published ways call."""
    from pipeline.bases.weights import load_base

    spec = find_base(base)
    return load_base(spec, size, weights_file(spec, weights, home_folder()))
