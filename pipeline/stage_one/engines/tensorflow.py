"""The TensorFlow engine. An engine is provenance, not part of the recipe: engines agree up to rounding."""

import importlib.metadata
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.bases.cut import divide
from pipeline.bases.digests import growing_digests
from pipeline.bases.find import find_base
from pipeline.bases.network import pool, with_preprocessing
from pipeline.bases.table import BFLOAT16
from pipeline.bases.weights import load_base
from pipeline.cache.recipe import Recipe
from pipeline.errors import SettingError, WeightsMismatchError

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 32


class TensorFlowEngine:
    """The trunk as one compiled TensorFlow function of a fixed batch size.

    Smaller batches are padded. With one batch size, the row of an image does not depend on its position or on
    the other images of the batch, so a store that was interrupted and resumed equals an undisturbed one. Without
    oneDNN (`TF_ENABLE_ONEDNN_OPTS=0`) it does, by rounding: up to 2e-6 of the row's largest value with SqueezeNet at 32 px.

    Args:
        recipe: What to compute.
        weights_file: The base's weights.
        earlier: Recipe of stored rows to start from; None: start from pixels.
        batch_size: Images per step; halved if the device runs out of memory.
        device: `auto`, or a TensorFlow device such as `cpu`, `gpu`, `gpu:1`.

    Raises:
        WeightsMismatchError: The file's trunk differs from the one in the recipe.
        SettingError: The device does not exist, the batch size is not positive, or the recipe's arithmetic is OpenVINO's.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights_file: Path,
        *,
        earlier: Recipe | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        device: str = "auto",
    ) -> None:
        if batch_size < 1:
            raise SettingError(f"The batch size is a positive number. Received: {batch_size}.")
        if recipe.precision == BFLOAT16:
            raise SettingError(
                "TensorFlow does not compute rows in bfloat16. Use OpenVINO, or --precision mixed_bfloat16."
            )
        self.batch_size = batch_size
        self._device = _device_name(device)
        with tf.device(self._device):
            model = _model_of(recipe, weights_file, earlier)
        # On a GPU, the next batch is copied while this one is computed.
        self.concurrency = 2 if _is_gpu(self._device) else 1
        self._row_shape = tuple(model.output_shape[1:])
        self._model = model
        self._input_dtype = tf.uint8 if earlier is None else tf.float32
        self._run = tf.function(self._forward, autograph=False)
        self.provenance = {
            "engine": "tensorflow",
            "device": self._device or "auto",
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy", "pillow", "h5py")},
        }

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels, uint8 (n, H, W, 3), or earlier rows, float32 (n, h, w, C), to float32 (n, h, w, C) or (n, C); any n."""
        parts: list[NDArray[np.float32]] = []
        done = 0
        while done < len(inputs):
            batch = inputs[done : done + self.batch_size]
            try:
                parts.append(self._step(batch))
            except tf.errors.ResourceExhaustedError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
                logger.warning("Out of device memory: the batch size is now %d.", self.batch_size)
                continue
            done += len(batch)
        return np.concatenate(parts) if parts else np.empty((0, *self._row_shape), np.float32)

    def save(self, folder: Path) -> Path:
        """Write the function as a SavedModel, for any batch size; its folder."""
        shape = (None, *self._model.input_shape[1:])
        archive = keras.export.ExportArchive()
        archive.track(self._model)
        archive.add_endpoint("features", self._forward, [tf.TensorSpec(shape, self._input_dtype, name="inputs")])
        archive.write_out(str(folder), verbose=False)
        return folder

    def _forward(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._model(tf.cast(inputs, tf.float32), training=False)

    def _step(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        full = np.zeros((self.batch_size, *batch.shape[1:]), batch.dtype)
        full[: len(batch)] = batch
        with tf.device(self._device):
            features: NDArray[np.float32] = self._run(tf.constant(full)).numpy()
        return features[: len(batch)]


def _model_of(recipe: Recipe, weights_file: Path, earlier: Recipe | None) -> keras.Model:
    spec = find_base(recipe.base, weights=str(weights_file))
    base = load_base(spec, recipe.decoder.size_px, weights_file, precision=recipe.precision, cut=recipe.cut)
    trunk, _ = divide(base, recipe.cut)
    _check_digest(trunk, recipe, weights_file, with_graph=spec.is_file)
    if earlier is not None:
        first, _ = divide(base, earlier.cut)
        _check_digest(first, earlier, weights_file, with_graph=spec.is_file)
        rows = keras.Input(first.output_shape[1:], dtype="float32", name="rows")
        features = keras.Model(first.output, trunk.output)(rows, training=False)
        return keras.Model(rows, keras.ops.cast(pool(features, recipe.pooling), "float32"))
    return with_preprocessing(trunk, recipe.preprocessing, recipe.pooling)


def _check_digest(trunk: keras.Model, recipe: Recipe, weights_file: Path, *, with_graph: bool) -> None:
    *_, received = growing_digests(trunk.layers, with_graph=with_graph)
    if received != recipe.trunk_digest:
        raise WeightsMismatchError(
            f"{weights_file} has the trunk digest {received[:12]}, the recipe {recipe.trunk_digest[:12]}: "
            "the file has changed, or it is the wrong one."
        )


def _is_gpu(device: str | None) -> bool:
    return "GPU" in device if device else bool(tf.config.list_physical_devices("GPU"))


def _device_name(device: str) -> str | None:
    """TensorFlow's name for a device; None lets TensorFlow choose (a GPU if there is one).

    Raises:
        SettingError: There is no such device.
    """
    if device == "auto":
        return None
    names = [found.name.removeprefix("/physical_device:") for found in tf.config.list_physical_devices()]
    kind, _, number = device.upper().partition(":")
    name = f"{kind}:{number or 0}"
    if name not in names:
        raise SettingError(f"No device {device!r}. Expected auto or one of: {', '.join(n.lower() for n in names)}.")
    return f"/{name}"
