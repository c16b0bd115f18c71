"""Which engine runs the trunk, and on which backend: the one that the user names, or the fastest one here."""

import logging
from dataclasses import replace
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.find import find_base
from pipeline.bases.names import is_onnx
from pipeline.bases.table import BFLOAT16
from pipeline.cache.recipe import Recipe
from pipeline.errors import MissingExtraError, SettingError
from pipeline.execution.forks import may_run_network
from pipeline.execution.threads import num_threads
from pipeline.images.files.hash_table import Stamp
from pipeline.images.files.hashing import file_stamp
from pipeline.settings import Compute
from pipeline.stage_one.engines.engine import Engine, Reference

logger = logging.getLogger(__name__)

_GPU_DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Device files of CUDA, of ROCm, and of either under WSL, which show a GPU without importing TensorFlow."""

_INSTALL = "pip install 'bottleneck-pipeline[openvino]'"

_WORTH_CONVERTING = 500
"""Number of rows from which `auto` chooses OpenVINO: converting and checking a trunk costs as much as a few hundred images."""

_WORTH_PROCESSES = 4000
"""Number of rows from which `auto` chooses several processes."""

_KEPT_PARAMETERS = 30_000_000
"""Size up to which TensorFlow's engine is kept in memory, 120 MB, for the next call that needs it."""


def make_engine(
    recipe: Recipe, weights: str, compute: Compute, num_rows: int, *, earlier: Recipe | None = None
) -> Engine:
    """The engine for the trunk, or for its part after an earlier cut.

    Args:
        recipe: What to compute.
        weights: `imagenet`, `random`, or a file.
        compute: Engine, device and batch size.
        num_rows: Number of rows to compute; for a few, converting a network is not worth it, but one that was converted before is used.
        earlier: Recipe of stored rows to start from; None: start from pixels.

    Raises:
        MissingExtraError: The user names OpenVINO, and it is not installed.
        SettingError: The user names OpenVINO or bfloat16, and they cannot run on this device, in this precision or on this
            processor.
    """
    may_run_network()
    takes_openvino = _takes_openvino(recipe, compute, num_rows, earlier)
    usual = "ONNX Runtime" if is_onnx(recipe.base) else "TensorFlow"
    engine = f"OpenVINO, if it agrees with {usual} and is faster" if takes_openvino else usual
    logger.info("%d rows to compute (--engine %s): %s.", num_rows, compute.engine, engine)
    if not takes_openvino:
        return make_reference(recipe, weights, compute, earlier=earlier)
    from pipeline.stage_one.engines.openvino import OpenVINOEngine

    return OpenVINOEngine(
        recipe,
        _conversions(),
        partial(make_reference, replace(recipe, precision="float32"), weights, compute, earlier=earlier),
        earlier=earlier,
        batch_size=compute.batch_size,
        is_asked=compute.engine == "openvino" or recipe.precision == BFLOAT16,
        num_rows=num_rows,
    )


@lru_cache(maxsize=1)
def kept_engine(recipe: Recipe, weights: str, compute: Compute, num_rows: int) -> Engine:
    """The engine of a worker, made once for all of its tasks."""
    return make_engine(recipe, weights, compute, num_rows)


def make_reference(recipe: Recipe, weights: str, compute: Compute, *, earlier: Recipe | None = None) -> Reference:
    """The engine that OpenVINO is compared with: TensorFlow, or ONNX Runtime for an ONNX file.

    The last two are kept, except large ones: predicting again in the same program does not load and compile the network again. A
    weights file that has changed since is read again.

    Raises:
        SettingError: The user names TensorFlow, and the base is an ONNX file.
    """
    may_run_network()
    spec = find_base(recipe.base, weights=weights)
    file = weights_file(spec, weights, home_folder())
    if spec.is_onnx and compute.engine == "tensorflow":
        raise SettingError(
            f"{spec.name} is run by ONNX Runtime or OpenVINO. Received: --engine tensorflow; use --engine auto."
        )
    is_small = spec.parameters <= _KEPT_PARAMETERS
    make = _kept_reference if is_small else _make_reference
    return make(recipe, file, file_stamp(file), earlier, compute.batch_size, compute.device)


def _make_reference(
    recipe: Recipe,
    file: Path,
    stamp: Stamp | None,  # noqa: ARG001 part of the key of the kept engines
    earlier: Recipe | None,
    batch_size: int,
    device: str,
) -> Reference:
    if is_onnx(recipe.base):
        from pipeline.stage_one.engines.onnx import OnnxEngine

        return OnnxEngine(recipe, file, batch_size=batch_size, device=device)
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(recipe, file, earlier=earlier, batch_size=batch_size, device=device)


_kept_reference = lru_cache(maxsize=2)(_make_reference)


def choose_backend(recipe: Recipe, weights: str, compute: Compute, num_rows: int) -> str:
    """The execution backend for so many rows: the one that the user names, or the faster of `threading` and `loky`.

    With a large network, and with OpenVINO always, one process keeps all cores busy. With depthwise convolutions, TensorFlow does
    not: several processes of one thread each compute more rows per second, once they have started (on two cores 1.16 times as
    many with MobileNetV2, 0.87 times with SqueezeNet; `benchmarks/local_workers.py`).
    """
    if compute.backend != "auto":
        return compute.backend
    is_worth_it = find_base(recipe.base, weights=weights).gains_from_processes and num_rows >= _WORTH_PROCESSES
    gains = (
        is_worth_it and num_threads() > 1 and not _has_gpu(compute) and not _takes_openvino(recipe, compute, num_rows)
    )
    return "loky" if gains else "threading"


def may_use_bfloat16(precision: str, compute: Compute) -> bool:
    """Whether settings in float32 could be changed to `--precision bfloat16` on this machine."""
    is_cpu = compute.device.lower() in ("auto", "cpu", "cpu:0")
    if precision != "float32" or compute.engine == "tensorflow" or not is_cpu or _has_gpu(compute):
        return False
    if find_spec("openvino") is None:
        return False
    from pipeline.stage_one.engines.compiled import has_bfloat16

    return has_bfloat16()


def _has_gpu(compute: Compute) -> bool:
    is_cpu = compute.device.lower().startswith("cpu")
    return not is_cpu and any(any(Path("/dev").glob(name)) for name in _GPU_DEVICES)


def _conversions() -> Path:
    return home_folder() / "engines"


def _takes_openvino(recipe: Recipe, compute: Compute, num_rows: int, earlier: Recipe | None = None) -> bool:
    is_there = find_spec("openvino") is not None
    is_cpu = compute.device.lower() in ("auto", "cpu", "cpu:0")
    if recipe.precision == BFLOAT16:
        _check_bfloat16(compute, is_there=is_there, is_cpu=is_cpu)
        return True
    if compute.engine == "openvino":
        if not is_there:
            raise MissingExtraError(f"OpenVINO needs its package: {_INSTALL}.")
        if not is_cpu or recipe.precision != "float32":
            raise SettingError(
                "OpenVINO runs on the CPU, in float32 or bfloat16. "
                f"Received: --device {compute.device} --precision {recipe.precision}; use --engine auto."
            )
        return True
    can_run = is_there and is_cpu and recipe.precision == "float32"
    if compute.engine != "auto" or not can_run or _has_gpu(compute):
        return False
    return num_rows >= _WORTH_CONVERTING or _was_approved(recipe, earlier)


def _was_approved(recipe: Recipe, earlier: Recipe | None) -> bool:
    from pipeline.stage_one.engines.openvino import is_approved

    return is_approved(recipe, _conversions(), earlier=earlier)


def _check_bfloat16(compute: Compute, *, is_there: bool, is_cpu: bool) -> None:
    """Raise unless OpenVINO may compute in bfloat16 here; whether the processor can is the engine's to know."""
    what = "--precision bfloat16 is computed by OpenVINO on the CPU"
    if compute.engine == "tensorflow":
        raise SettingError(f"{what}. Received: --engine tensorflow; use --engine auto, or --precision mixed_bfloat16.")
    if not is_cpu or _has_gpu(compute):
        found = "this machine has a GPU" if is_cpu else f"received --device {compute.device}"
        raise SettingError(f"{what}, and {found}. Use --precision mixed_bfloat16, or --device cpu.")
    if not is_there:
        raise MissingExtraError(f"{what}, which needs its package: {_INSTALL}. Or use --precision float32.")
