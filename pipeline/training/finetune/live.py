"""Live images as a source: read, decoded and augmented in every epoch."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.bases.network import with_preprocessing
from pipeline.bases.table import Preprocessing
from pipeline.images.augment import Augmentation, view_rng
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.stage_two.dense.batches import Source
from pipeline.stage_two.dense.train import Forward
from pipeline.tasks.targets import Targets

_BATCHES_AHEAD = 4


@dataclass(frozen=True)
class LiveSource(Source):
    """Images of one split."""

    manifest: Manifest
    y: Targets
    decoder: Decoder
    augmentation: Augmentation | None
    """For training images; None for validation and test, which are never augmented."""

    seed: int
    weights: NDArray[np.float64] | None = None

    def blocks(self, order: NDArray[np.int64], batch_size: int, *, epoch: int) -> Iterator[NDArray[np.uint8]]:
        """Pixels, uint8 (B, H, W, 3), one batch at a time; threads decode a few batches ahead of the network."""
        parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:

            def submit(part: NDArray[np.int64]) -> list[Future[NDArray[np.uint8]]]:
                for row in part:
                    self.manifest.announce(int(row))
                return [pool.submit(self._load, int(row), epoch) for row in part]

            waiting = deque(submit(part) for part in parts[:_BATCHES_AHEAD])
            for number in range(len(parts)):
                if number + _BATCHES_AHEAD < len(parts):
                    waiting.append(submit(parts[number + _BATCHES_AHEAD]))
                yield np.stack([future.result() for future in waiting.popleft()])

    def _load(self, row: int, epoch: int) -> NDArray[np.uint8]:
        pixels = self.decoder.decode(self.manifest.read(row))
        if self.augmentation is None or epoch < 0:
            return pixels
        # The view depends on epoch and seed only, so a resumed training sees the same pixels as an uninterrupted one.
        rng = view_rng(self.manifest.digests[row], self.augmentation, view=epoch + 1, seed=self.seed)
        return self.augmentation(pixels, rng)


def live_forward(trunk: keras.Model, top: Forward, preprocessing: Preprocessing) -> Forward:
    """A forward pass from pixels, uint8 (B, H, W, 3): the frozen trunk in inference mode, then `top`."""
    on_pixels = with_preprocessing(trunk, preprocessing, "none")

    def forward(pixels: tf.Tensor, training: bool) -> tf.Tensor:
        rows = on_pixels(tf.cast(pixels, tf.float32), training=False)
        return top(tf.stop_gradient(rows), training=training)

    return forward
