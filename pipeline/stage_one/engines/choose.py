"""Which engine runs the trunk, and where: what was asked for, or whatever is faster here."""

import logging
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bases.files import home_folder
from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.errors import MissingExtraError, SettingError
from pipeline.execution.threads import num_threads
from pipeline.settings import Compute
from pipeline.stage_one.recipes import weights_file

if TYPE_CHECKING:
    from pipeline.stage_one.compute import Engine
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

logger = logging.getLogger(__name__)

_GPU_DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Of CUDA, ROCm, and either below WSL: found without loading TensorFlow."""

_WORTH_CONVERTING = 500
"""Rows from which on `auto` takes OpenVINO: converting and checking a trunk takes about as long as some hundred images."""

_WORTH_PROCESSES = 4000
"""Rows from which on `auto` does so."""


def make_engine(
    recipe: Recipe, weights: str, compute: Compute, num_rows: int, *, earlier: Recipe | None = None
) -> "Engine":
    """What runs the trunk, or its part after an earlier cut, for so many rows.

    Args:
        recipe: What to compute.
        weights: `imagenet`, `random`, or a file.
        compute: Engine, device and batch size.
        num_rows: How many rows: converting a network is not worth it for a few.
        earlier: Recipe of stored rows to start from; None: start from pixels.

    Raises:
        MissingExtraError: OpenVINO is asked for and not installed.
        SettingError: OpenVINO is asked for where it cannot serve.
    """
    tensorflow = partial(make_tensorflow_engine, recipe, weights, compute, earlier=earlier)
    takes_openvino = _takes_openvino(recipe, compute, num_rows)
    engine = "OpenVINO, if it agrees with TensorFlow and is faster" if takes_openvino else "TensorFlow"
    logger.info("%d rows to compute (--engine %s): %s.", num_rows, compute.engine, engine)
    if not takes_openvino:
        return tensorflow()
    from pipeline.stage_one.engines.openvino import OpenVINOEngine

    return OpenVINOEngine(
        recipe,
        home_folder() / "engines",
        tensorflow,
        earlier=earlier,
        batch_size=compute.batch_size,
        is_asked=compute.engine == "openvino",
    )


@lru_cache(maxsize=1)
def kept_engine(recipe: Recipe, weights: str, compute: Compute, num_rows: int) -> "Engine":
    """The engine of a worker, which makes one task after the other."""
    return make_engine(recipe, weights, compute, num_rows)


def make_tensorflow_engine(
    recipe: Recipe, weights: str, compute: Compute, *, earlier: Recipe | None = None
) -> "TensorFlowEngine":
    """TensorFlow's engine, which the others are compared with."""
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(
        recipe,
        weights_file(recipe.base, weights),
        earlier=earlier,
        batch_size=compute.batch_size,
        device=compute.device,
    )


def choose_backend(recipe: Recipe, compute: Compute, num_rows: int) -> str:
    """The execution backend for so many rows: the one asked for, or `threading` or `loky`, whichever is faster here.

    One process keeps all cores busy with a large network, and OpenVINO does with any. TensorFlow does not with depthwise
    convolutions: there processes of one thread each make more rows a second, once they are started (MobileNetV2 1.16 times as
    many on two cores, SqueezeNet 0.87 times; `benchmarks/local_workers.py`).
    """
    if compute.backend != "auto":
        return compute.backend
    is_worth_it = find_base(recipe.base).gains_from_processes and num_rows >= _WORTH_PROCESSES
    gains = (
        is_worth_it and num_threads() > 1 and not _has_gpu(compute) and not _takes_openvino(recipe, compute, num_rows)
    )
    return "loky" if gains else "threading"


def _has_gpu(compute: Compute) -> bool:
    is_cpu = compute.device.lower().startswith("cpu")
    return not is_cpu and any(any(Path("/dev").glob(name)) for name in _GPU_DEVICES)


def _takes_openvino(recipe: Recipe, compute: Compute, num_rows: int) -> bool:
    is_there = find_spec("openvino") is not None
    is_cpu = compute.device.lower() in ("auto", "cpu", "cpu:0") and recipe.precision == "float32"
    if compute.engine == "openvino":
        if not is_there:
            raise MissingExtraError("OpenVINO needs its package: pip install 'bottleneck-pipeline[openvino]'.")
        if not is_cpu:
            raise SettingError(
                "OpenVINO runs on the CPU and in float32. "
                f"Received: --device {compute.device} --precision {recipe.precision}; use --engine auto."
            )
        return True
    return compute.engine == "auto" and is_there and is_cpu and not _has_gpu(compute) and num_rows >= _WORTH_CONVERTING
