"""Live photographs as a source: read, decoded and augmented anew in every epoch."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.bases.network import with_preprocessing
from pipeline.bases.table import Preprocessing
from pipeline.images.augment import Augmentation, view_rng
from pipeline.images.decode import Decoder
from pipeline.images.manifest import Manifest
from pipeline.stage_two.dense.batches import Source
from pipeline.stage_two.dense.train import Forward

_BATCHES_AHEAD = 4


@dataclass(frozen=True)
class LiveSource(Source):
    """Photographs of one split."""

    manifest: Manifest
    y: NDArray[np.int64]
    decoder: Decoder
    augmentation: Augmentation | None
    """For training images; None for validation and test, which are never augmented."""

    seed: int

    def blocks(self, order: NDArray[np.int64], batch_size: int, *, epoch: int) -> Iterator[NDArray[np.uint8]]:
        """Pixels, uint8 (B, H, W, 3), a batch at a time; threads work a few batches ahead of the network."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
            waiting = [[pool.submit(self._load, int(row), epoch) for row in part] for part in parts[:_BATCHES_AHEAD]]
            for place in range(len(parts)):
                if place + _BATCHES_AHEAD < len(parts):
                    ahead = parts[place + _BATCHES_AHEAD]
                    waiting.append([pool.submit(self._load, int(row), epoch) for row in ahead])
                yield np.stack([future.result() for future in waiting[place]])
                waiting[place] = []

    def _load(self, row: int, epoch: int) -> NDArray[np.uint8]:
        pixels = self.decoder.decode(self.manifest.read(row))
        if self.augmentation is None or epoch < 0:
            return pixels
        # Epoch e of a seed is one fixed view, so a resumed training sees what an undisturbed one does.
        rng = view_rng(self.manifest.digests[row], self.augmentation, view=epoch + 1, seed=self.seed)
        return self.augmentation(pixels, rng)


def live_forward(trunk: keras.Model, top: Forward, preprocessing: Preprocessing) -> Forward:
    """Pixels, uint8 (B, H, W, 3), through the frozen trunk in inference mode and then the top's own forward pass."""
    on_pixels = with_preprocessing(trunk, preprocessing, "none")

    def forward(pixels: tf.Tensor, training: bool) -> tf.Tensor:
        rows = on_pixels(tf.cast(pixels, tf.float32), training=False)
        return top(tf.stop_gradient(rows), training=training)

    return forward
