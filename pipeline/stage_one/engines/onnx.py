"""The engine of ONNX bases: ONNX Runtime on the CPU, with preprocessing and pooling inside the graph."""

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.onnx_graph import INPUT, on_pixels
from pipeline.bases.onnx_model import OnnxBase, onnx_packages
from pipeline.cache.recipe import Recipe
from pipeline.errors import SettingError, WeightsMismatchError
from pipeline.execution.threads import num_threads


class OnnxEngine:
    """The trunk of an ONNX file, run in batches of one size; smaller ones are padded, as in `TensorFlowEngine`.

    Args:
        recipe: What to compute.
        file: The ONNX file.
        batch_size: Images per step; a file that takes a fixed number of images gets that.
        device: `auto` or `cpu`.

    Raises:
        WeightsMismatchError: The file has changed since the recipe was made.
        SettingError: The device is no CPU, or the recipe's arithmetic is Keras's.
    """

    concurrency = 1

    def __init__(self, recipe: Recipe, file: Path, *, batch_size: int, device: str = "auto") -> None:
        if device.lower() not in ("auto", "cpu", "cpu:0") or recipe.precision != "float32":
            raise SettingError(
                "ONNX files run on the CPU, in float32; or in bfloat16 by OpenVINO, where the processor can. "
                f"Received: --device {device} --precision {recipe.precision}."
            )
        _, runtime = onnx_packages()
        base = OnnxBase.open(file, recipe.decoder.size_px)
        if base.trunk_info(recipe.cut).digest != recipe.trunk_digest:
            raise WeightsMismatchError(
                f"{file} has changed, or is the wrong file: its rows would be others than the recipe's."
            )
        self.batch_size = base.batch_size or batch_size
        self._model = on_pixels(base, recipe.cut, recipe.preprocessing, recipe.pooling)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = num_threads()
        self._session = runtime.InferenceSession(
            self._model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        packages = ("onnxruntime", "onnx", "numpy", "pillow", "h5py")
        self.provenance = {
            "engine": "onnxruntime",
            "device": "cpu",
            **{name: importlib.metadata.version(name) for name in packages},
        }

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels, uint8 (n, H, W, 3), to float32 (n, h, w, C), (n, T, C) or (n, C); any n."""
        starts = range(0, max(len(inputs), 1), self.batch_size)
        parts = [self._step(inputs[start : start + self.batch_size]) for start in starts]
        return np.concatenate(parts)

    def save(self, folder: Path) -> Path:
        """Write the graph as an ONNX file; its path."""
        folder.mkdir()
        path = folder / "trunk.onnx"
        path.write_bytes(self._model.SerializeToString())
        return path

    def _step(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        full = np.zeros((self.batch_size, *batch.shape[1:]), batch.dtype)
        full[: len(batch)] = batch
        rows: NDArray[np.float32] = self._session.run(None, {INPUT: full})[0]
        return rows[: len(batch)]
