"""Settings of a user, besides the data and the head: four small parts, each checked when it is made.

| part | what it sets |
|---|---|
| `FeatureSettings` | the values of the features: all of it is in the recipe |
| `Paths` | where things are kept |
| `Compute` | how the work is done: no result depends on it beyond rounding |
| `Tracking` | where finished and running trainings are logged |

`Settings` holds one of each. In Python and on the command line their fields are keywords of the same names.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from pipeline.bases.find import find_base
from pipeline.bases.names import is_model, name_of
from pipeline.bases.table import PRECISIONS, PREPROCESSING_NAMES, BaseSpec
from pipeline.cache.recipe import DTYPES
from pipeline.errors import SettingError, check_choice
from pipeline.execution.workers import BACKENDS, Workers
from pipeline.images.decoding.decoder import DECODERS, RESIZE_METHODS, Decoder
from pipeline.images.decoding.formats import MAX_PIXELS
from pipeline.images.decoding.pixels import FITS, parse_background
from pipeline.images.files.hashing import FileHashes
from pipeline.images.files.limits import free_memory
from pipeline.images.sources.reading import SPOOL_GB
from pipeline.progress import is_watched
from pipeline.surroundings import user_path

ENGINES = ("auto", "tensorflow", "openvino")


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """What the features are: base, input, layer and number format."""

    base: str = "vgg16"
    """A name of `bottleneck bases`."""

    size: int | None = None
    """Input height and width in px; None: the base's native size."""

    cut: str | None = None
    """Last layer of the trunk, or a block, which means its last layer; None: the base's last layer."""

    preprocess: str = "native"
    """`native`, `rescale` (1/255) or `standardize` (by the training images' channels)."""

    weights: str = "imagenet"
    """`imagenet`, `random`, or a `.weights.h5`, `.h5` or `.keras` file."""

    resize: str = "lanczos"
    """Resize filter. All but `nearest` average over the pixels that become one (antialiasing)."""

    exif: bool = True
    """Turn images upright as their EXIF orientation says."""

    fit: str = "stretch"
    """`stretch` changes the aspect ratio, `crop` takes the largest square in the middle, `pad` fills up with the background."""

    background: str | None = None
    """Colour behind transparent pixels and around padded images: `white`, `black`, `#rrggbb`; or `drop`: transparency is ignored.
    None: white, or `drop` with decoder 1."""

    decoder: int = 2
    """Version of the decoder; 1 makes the pixels of versions 0.1 and 0.2. See `pipeline.images.decoding.decoder.Decoder`."""

    dtype: str = "float32"
    """Stored dtype, `float32` or `float16`."""

    precision: str = "float32"
    """Arithmetic of the trunk: `float32`; `bfloat16` on CPUs that have it, through OpenVINO; on GPUs `mixed_float16` or
    `mixed_bfloat16`."""

    def __post_init__(self) -> None:
        if is_model(self.base) and self.weights == "imagenet":  # the file is both
            object.__setattr__(self, "weights", self.base)
            object.__setattr__(self, "base", name_of(self.base))
        find_base(self.base, weights=self.weights)
        check_choice("preprocessing", self.preprocess, PREPROCESSING_NAMES)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("resize method", self.resize, RESIZE_METHODS)
        check_choice("stored dtype", self.dtype, DTYPES)
        check_choice("fit", self.fit, FITS)
        if type(self.decoder) is not int or self.decoder not in DECODERS:
            raise SettingError(f"The decoder is one of {DECODERS}. Received: {self.decoder!r}.")
        if self.size is not None and self.size < 1:
            raise SettingError(f"The size is a positive number of pixels. Received: {self.size}.")
        self.make_decoder(native_px=1)

    @property
    def spec(self) -> BaseSpec:
        """The base.

        Raises:
            UnknownBaseError: The size is below its smallest.
        """
        return find_base(self.base, self.size, weights=self.weights)

    @property
    def last_layer(self) -> str:
        """The cut, or the block that it is given as; the base's own last layer where none is given."""
        return self.cut or self.spec.last_layer

    def make_decoder(self, native_px: int, max_pixels: int = MAX_PIXELS) -> Decoder:
        """How pixels are made.

        Args:
            native_px: Height and width where `size` is None.
            max_pixels: Images with more pixels are refused.

        Raises:
            SettingError: The background is no colour, or decoder 1 has no such fit or background.
        """
        background = self.background or ("drop" if self.decoder == 1 else "white")
        return Decoder(
            self.size or native_px,
            self.resize,
            self.exif,
            self.fit,
            parse_background(background),
            self.decoder,
            max_pixels,
        )

    def as_options(self) -> list[str]:
        """The settings that are not the defaults, as words of a command line: `["--size", "150", "--no-exif"]`."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        if is_model(self.base):
            values |= {"base": self.weights, "weights": "imagenet"}
        changed = {entry.name: values[entry.name] for entry in fields(self) if values[entry.name] != entry.default}
        named = ((name.replace("_", "-"), value) for name, value in changed.items())
        words = ([f"--no-{name}"] if value is False else [f"--{name}", str(value)] for name, value in named)
        return [word for pair in words for word in pair]


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where things are kept."""

    cache: Path = Path("features_cache")
    """Folder of the stores."""

    runs: Path = Path("runs")
    """Folder of the runs."""

    shared: str | Path | None = None
    """URL or folder of the shared cache that missing rows are fetched from; None: none."""

    share: bool = False
    """Offer new rows to the shared cache."""

    @property
    def hashes(self) -> FileHashes:
        """Remembered digests of files, in the cache folder."""
        return FileHashes(self.cache / "file_hashes.sqlite")


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How the work is done."""

    engine: str = "auto"
    """What runs the trunk: `tensorflow`, `openvino` (an extra; CPU only), or `auto`: the faster one of those installed."""

    device: str = "auto"
    """`auto`, or a TensorFlow device: `cpu`, `gpu`, `gpu:1`."""

    batch_size: int = 32
    """Images per step in stage one."""

    workers: int | None = None
    """Number of processes, or of decoding threads where all is done in this one; None: one per core."""

    backend: str = "auto"
    """Execution backend: `threading` (this process), `loky` (processes of this machine), `dask`; `auto`: the faster of the first two."""

    scheduler: str | None = None
    """Address of a Dask scheduler, such as `tcp://head:8786`."""

    gather: bool = False
    """Workers send their shards to this process; otherwise they write them to the cache folder."""

    ship_images: bool = False
    """Images are sent to the workers; otherwise workers read them."""

    memory_gb: float | None = None
    """Memory for rows while a head is trained, in GB. More rows are read from the shards in blocks, in another order.
    None: half of the free memory, so give a number where a training must be reproducible."""

    strict: bool = False
    """Raise an error if an image has to be skipped."""

    spool_gb: float = SPOOL_GB
    """Disk space for images that are fetched from buckets and web servers while a command runs, so that each is fetched once, in GB;
    and as much for fetched archives and tables, which are kept."""

    max_pixels: int = MAX_PIXELS
    """Images with more pixels are skipped, because they may fill the memory. 3 bytes are needed for each pixel, a JPEG that is
    much larger than needed takes less."""

    progress: bool = field(default_factory=is_watched)
    """Show progress bars; by default on a terminal and in a notebook."""

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, ENGINES)
        check_choice("backend", self.backend, BACKENDS)
        if type(self.max_pixels) is not int or self.max_pixels < 1:
            raise SettingError(f"The limit on pixels is a positive whole number. Received: {self.max_pixels!r}.")
        if self.batch_size < 1:
            raise SettingError(f"The batch size is a positive number. Received: {self.batch_size}.")
        if not self.spool_gb >= 0:
            raise SettingError(f"The spool has 0 GB or more. Received: {self.spool_gb}.")
        if self.memory_gb is not None and not self.memory_gb >= 0:
            raise SettingError(f"The memory is 0 GB or more. Received: {self.memory_gb}.")
        _ = self.executor

    @property
    def executor(self) -> Workers:
        """What runs tasks."""
        return Workers(self.backend, self.workers, self.scheduler)

    def memory_bytes(self, held: int = 0) -> float:
        """Bytes of rows to hold in memory at most, beside `held` bytes that are in memory already."""
        if self.memory_gb is None:
            return free_memory() / 2
        return max(0.0, self.memory_gb * 1e9 - held)


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where trainings are logged."""

    tensorboard: Path | None = None
    """Folder for TensorBoard logs; those of each run are in a folder of its name."""

    mlflow: str | None = None
    """Address of an MLflow server, or a folder."""


@dataclass(frozen=True)
class Settings:
    """One of each part."""

    features: FeatureSettings = field(default_factory=FeatureSettings)
    paths: Paths = field(default_factory=Paths)
    compute: Compute = field(default_factory=Compute)
    tracking: Tracking = field(default_factory=Tracking)
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """Names of the settings that the user gave; stored rows may decide the others (`stage_one/stored.py`)."""

    def make_decoder(self, native_px: int) -> Decoder:
        """How pixels are made, with the limit on pixels; see `FeatureSettings.make_decoder`."""
        return self.features.make_decoder(native_px, self.compute.max_pixels)

    @classmethod
    def of(cls, **keywords: Any) -> Self:
        """Settings from keywords of any of the parts.

        Raises:
            SettingError: A value is invalid, or no part has a keyword.
        """
        unknown = sorted(set(keywords) - set(KEYWORDS))
        if unknown:
            raise SettingError(f"Unknown setting {unknown[0]!r}. Expected some of: {', '.join(KEYWORDS)}.")
        return cls().with_changes(**keywords)

    def with_changes(self, **keywords: Any) -> Self:
        """The same settings with other values of these fields."""
        given = {
            name: user_path(value) if name in _FOLDERS and value is not None else value
            for name, value in keywords.items()
        }
        parts = {
            part.name: replace(
                getattr(self, part.name), **{name: given[name] for name in _names(part.type) if name in given}
            )
            for part in fields(self)
            if part.name != "given"
        }
        return replace(self, **parts, given=self.given.union(name for name in keywords if name in KEYWORDS))


def _names(part: Any) -> list[str]:
    return [entry.name for entry in fields(part)]


KEYWORDS = tuple(name for part in (FeatureSettings, Paths, Compute, Tracking) for name in _names(part))
"""All fields, in order."""

_FOLDERS = ("cache", "runs", "tensorboard")
