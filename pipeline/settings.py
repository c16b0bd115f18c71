"""What all verbs share, and what it comes to: a recipe, weights, an engine.

TensorFlow is imported inside the functions that need it: with a warm store a linear head never does.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline.bases.digests import DigestMemory, TrunkInfo
from pipeline.bases.files import home_folder, weights_path
from pipeline.bases.table import BaseSpec, Preprocessing, choose_preprocessing, find_base
from pipeline.cache.own import check_no_links
from pipeline.cache.recipe import Recipe
from pipeline.errors import MissingExtraError, SettingError
from pipeline.execution.workers import Workers, num_threads
from pipeline.files import write_json
from pipeline.images.decode import Decoder
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import Manifest
from pipeline.images.statistics import ChannelStatistics, channel_statistics

if TYPE_CHECKING:
    from pipeline.stage_one.compute import Engine
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

logger = logging.getLogger(__name__)

ENGINES = ("auto", "tensorflow", "openvino")
_GPU_DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Of CUDA, ROCm, and either below WSL: found without loading TensorFlow."""

_WORTH_CONVERTING = 500
"""Rows from which on `auto` takes OpenVINO: converting and checking a trunk takes about as long as some hundred images."""

_SMALL_PARAMETERS = range(800_000, 5_000_001)
"""Of networks for which `auto` takes processes: small ones of depthwise convolutions; SqueezeNet, of plain ones, is smaller."""

_WORTH_PROCESSES = 4000
"""Rows from which on `auto` does so."""


@dataclass(frozen=True)
class Options:
    """What all verbs share."""

    base: str = "vgg16"
    """A name of `bottleneck bases`."""

    size: int | None = None
    """Input height and width in px; None is the base's native size."""

    cut: str | None = None
    """Last layer of the trunk; None is the base's last layer."""

    preprocess: str = "native"
    """`native`, `rescale` (1/255) or `standardize` (by the training split's channels)."""

    weights: str = "imagenet"
    """`imagenet`, `random`, or a file."""

    resize: str = "lanczos"
    """Resize filter; all but `nearest` average over the pixels that one becomes (no aliasing)."""

    exif: bool = True
    """Turn images upright."""

    dtype: str = "float32"
    """Stored dtype, `float32` or `float16`."""

    precision: str = "float32"
    """Arithmetic of the trunk."""

    cache: Path = Path("features_cache")
    runs: Path = Path("runs")
    engine: str = "auto"
    """What runs the trunk: `tensorflow`, `openvino` (an extra; CPU and float32 only), or `auto`, the faster one that is there."""

    device: str = "auto"
    batch_size: int = 32
    """Images a step in stage one."""

    workers: int | None = None
    """Processes, or decoding threads where all is done in this one; None: one a core."""

    backend: str = "auto"
    """Who works: `threading` (this process), `loky` (processes of this machine), `dask`; or `auto`: whatever is faster here."""

    scheduler: str | None = None
    """Address of Dask's scheduler."""

    gather: bool = False
    """Workers send their shards; otherwise they write them to the cache folder."""

    ship_images: bool = False
    """Photographs are sent to the workers; otherwise they read them."""

    memory_gb: float | None = None
    """Rows held in memory while a head is trained; more are read from the shards in blocks, which is another order.
    None: half of what is free, so give a number where a training must be the same on every day."""

    strict: bool = False
    """Raise when an image has to be skipped."""

    tensorboard: Path | None = None
    """Folder for TensorBoard's logs: those of each run in a folder of its name."""

    mlflow: str | None = None
    """An MLflow server's address, or a folder, that finished runs are told to."""

    progress: bool = False
    """Show bars on stderr."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise SettingError(f"The engine is one of {ENGINES}. Received: {self.engine!r}.")
        _ = self.who_works

    def memory_bytes(self, held: int = 0) -> float:
        """How many bytes of rows to hold in memory at most, beside those that are held already."""
        if self.memory_gb is None:
            return psutil.virtual_memory().available / 2
        return max(0.0, self.memory_gb * 1e9 - held)

    @property
    def who_works(self) -> Workers:
        """What runs tasks."""
        return Workers(self.backend, self.workers, self.scheduler)

    @property
    def hashes(self) -> FileHashes:
        """Remembered digests of files, in the cache folder.

        Raises:
            ForeignEntryError: The file, or one that SQLite writes beside it, is a symbolic link.
        """
        path = self.cache / "file_hashes.sqlite"
        check_no_links(path, *(path.with_name(f"{path.name}{ending}") for ending in ("-journal", "-wal", "-shm")))
        return FileHashes(path)


def make_recipe(manifest: Manifest, options: Options) -> tuple[Recipe, TrunkInfo]:
    """The recipe that options and data come to, and what is known of its trunk.

    Raises:
        UnknownBaseError: No such base, or the size is too small for it.
        InvalidCutError: The layer does not divide the base.
        WeightsUnavailableError: No route led to the weights.
    """
    spec = find_base(options.base, options.size)
    decoder = Decoder(options.size or spec.native_px, options.resize, options.exif)
    trunk, cut = trunk_of(options)
    recipe = Recipe(
        base=spec.name,
        decoder=decoder,
        preprocessing=_preprocessing(spec, manifest, decoder, options),
        trunk_digest=trunk.digest,
        cut=cut,
        dtype=options.dtype,
        precision=options.precision,
    )
    return recipe, trunk


def trunk_of(options: Options) -> tuple[TrunkInfo, str]:
    """What is known of the trunk, and its cut; the network is built only for a weights file never seen before."""
    spec = find_base(options.base)
    cut = options.cut or spec.last_layer
    file = weights_path(spec, options.weights, home_folder())
    known = DigestMemory(home_folder()).recall(file, spec.name, cut) if file.exists() else None
    if known is None:
        logger.info("%s, cut at %s: reading the weights for the first time.", spec.name, cut)
        from pipeline.bases.weights import learn_trunk

        known = learn_trunk(spec, weights_file(options), cut, home_folder())
    return known, cut


def weights_file(options: Options) -> Path:
    """The weights' file, fetched first if need be."""
    from pipeline.bases.weights import fetch_weights

    return fetch_weights(find_base(options.base), options.weights, home_folder())


def _preprocessing(spec: BaseSpec, manifest: Manifest, decoder: Decoder, options: Options) -> Preprocessing:
    if options.preprocess != "standardize":
        return choose_preprocessing(spec, options.preprocess)
    # The statistics of thousands of images take seconds, so they are kept by what they depend on.
    train = manifest.split("train")
    content = hashlib.sha256(repr(decoder).encode() + b"".join(sorted(train.digests))).hexdigest()
    kept = options.cache / "statistics" / f"{content[:32]}.json"
    check_no_links(kept.parent, kept)
    try:
        values = ChannelStatistics(**json.loads(kept.read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        values = channel_statistics(manifest, decoder, progress=options.progress)
        write_json(kept, asdict(values))
    return choose_preprocessing(spec, "standardize", mean=values.mean, std=values.std)


def make_engine(recipe: Recipe, options: Options, num_rows: int, *, earlier: Recipe | None = None) -> "Engine":
    """What runs the trunk, or its part after an earlier cut, for so many rows.

    Raises:
        MissingExtraError: OpenVINO is asked for and not installed.
        SettingError: OpenVINO is asked for where it cannot serve.
    """
    tensorflow = partial(make_tensorflow_engine, recipe, options, earlier=earlier)
    takes_openvino = _takes_openvino(recipe, options, num_rows)
    engine = "OpenVINO, if it agrees with TensorFlow and is faster" if takes_openvino else "TensorFlow"
    logger.info("%d rows to compute (--engine %s): %s.", num_rows, options.engine, engine)
    if not takes_openvino:
        return tensorflow()
    from pipeline.stage_one.engines.openvino import OpenVINOEngine

    return OpenVINOEngine(
        recipe,
        home_folder() / "engines",
        tensorflow,
        earlier=earlier,
        batch_size=options.batch_size,
        is_asked=options.engine == "openvino",
    )


@lru_cache(maxsize=1)
def kept_engine(recipe: Recipe, options: Options, num_rows: int) -> "Engine":
    """The engine of a worker, which makes one task after the other."""
    return make_engine(recipe, options, num_rows)


def make_tensorflow_engine(recipe: Recipe, options: Options, *, earlier: Recipe | None = None) -> "TensorFlowEngine":
    """TensorFlow's engine, which the others are compared with."""
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(
        recipe, weights_file(options), earlier=earlier, batch_size=options.batch_size, device=options.device
    )


def backend_for(recipe: Recipe, options: Options, num_rows: int) -> str:
    """Who makes so many rows: what was asked for, or `threading` or `loky`, whichever is the faster one here.

    One process keeps all cores busy with a large network, and OpenVINO does with any. TensorFlow does not with depthwise
    convolutions: there processes of one thread each make more rows a second, once they are started (MobileNetV2 1.16 times as
    many on two cores, SqueezeNet 0.87 times; `benchmarks/local_workers.py`).
    """
    if options.backend != "auto":
        return options.backend
    spec = find_base(recipe.base)
    is_small = spec.parameters in _SMALL_PARAMETERS
    is_worth_it = is_small and num_rows >= _WORTH_PROCESSES
    gains = (
        is_worth_it and num_threads() > 1 and not _has_gpu(options) and not _takes_openvino(recipe, options, num_rows)
    )
    return "loky" if gains else "threading"


def _has_gpu(options: Options) -> bool:
    is_cpu = options.device.lower().startswith("cpu")
    return not is_cpu and any(any(Path("/dev").glob(name)) for name in _GPU_DEVICES)


def _takes_openvino(recipe: Recipe, options: Options, num_rows: int) -> bool:
    is_there = find_spec("openvino") is not None
    is_cpu = options.device.lower() in ("auto", "cpu", "cpu:0") and recipe.precision == "float32"
    if options.engine == "openvino":
        if not is_there:
            raise MissingExtraError("OpenVINO needs its package: pip install 'bottleneck-pipeline[openvino]'.")
        if not is_cpu:
            raise SettingError(
                "OpenVINO runs on the CPU and in float32. "
                f"Received: --device {options.device} --precision {recipe.precision}; use --engine auto."
            )
        return True
    return options.engine == "auto" and is_there and is_cpu and not _has_gpu(options) and num_rows >= _WORTH_CONVERTING
