"""Which base a name or a file is."""

import re
from pathlib import Path

from pipeline.bases.known_files import KnownFiles
from pipeline.bases.table import BASES, BaseSpec
from pipeline.errors import UnknownBaseError, WeightsUnavailableError, did_you_mean
from pipeline.surroundings import home_folder

_ENDINGS = (".keras", ".h5")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


def is_model_file(base: str) -> bool:
    """Whether a base is a file of the user's, by its ending; files of weights alone are no bases."""
    name = base.lower()
    return name.endswith(_ENDINGS) and not name.endswith(".weights.h5")


def name_of_file(file: str) -> str:
    """The name under which a model file is known in recipes and folders, such as `flowers.keras`."""
    return _NOT_IN_NAMES.sub("_", Path(file).name)[-96:]


def find_base(name: str, size_px: int | None = None, *, weights: str = "imagenet") -> BaseSpec:
    """The base of this name, in whose spelling case, `-` and `_` do not count, or that of a model file.

    A model file is loaded with TensorFlow when it is seen for the first time; what was learnt is then remembered by its SHA-256.

    Args:
        name: A name of the table, or that of a model file or its path.
        size_px: The input size that is wanted.
        weights: The path of the model file, if the base is one and `name` is not that path.

    Raises:
        UnknownBaseError: There is none, or the size is below its smallest.
        WeightsUnavailableError: There is no such file.
    """
    if is_model_file(name):
        return _of_file(name, name) if weights == "imagenet" else _of_file(name, weights)
    key = name.lower().replace("-", "").replace("_", "")
    if key not in BASES:
        raise UnknownBaseError(
            f"Unknown base {name!r}.{did_you_mean(key, BASES)} Known bases (see `bottleneck bases`): {', '.join(BASES)}; "
            "or a model file, .keras or .h5."
        )
    spec = BASES[key]
    if size_px is not None and size_px < spec.smallest_px:
        raise UnknownBaseError(
            f"{spec.name} needs images of at least {spec.smallest_px} px. Received: --size {size_px}."
        )
    return spec


def _of_file(name: str, weights: str) -> BaseSpec:
    file = Path(weights).expanduser()
    if not file.is_file():
        raise WeightsUnavailableError(
            f"The base {name_of_file(name)!r} is a model file. Received: {weights!r}, which is no file. Give its path: --base FILE."
        )
    memory = KnownFiles(home_folder())
    known = memory.recall(file)
    if known is None:
        from pipeline.bases.model_file import describe_file

        known = describe_file(file)
        memory.remember(file, known)
    return BaseSpec(name=name_of_file(name), builder="", **known)
