"""What a base may be called: a name of the table, a model file, or a preset."""

import re
from pathlib import Path

HUB = "hub:"
"""What comes before the name of a preset of KerasHub."""

ONNX = ".onnx"
_FILES = (".keras", ".h5", ONNX)
JOIN = "+"
"""Between the names of bases that are joined."""

JOINED = "joined"
"""The only cut of joined bases."""

CLASS_TOKEN = "class_token"  # noqa: S105 not a password
"""The cut at the first token of a transformer, which stands for the whole image."""

_PRESET = ".hub"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


def is_model(base: str) -> bool:
    """Whether a base is a model file or a preset of the user's, or has the name of one; files of weights alone are no bases."""
    name = base.lower()
    return is_preset(base) or (name.endswith((*_FILES, _PRESET)) and not name.endswith(".weights.h5"))


def is_onnx(base: str) -> bool:
    """Whether a base is an ONNX file, which Keras can neither build nor train."""
    return base.lower().endswith(ONNX)


def names_preset(base: str) -> bool:
    """Whether the name of a base, as recipes have it, is that of a preset."""
    return base.endswith(_PRESET)


def is_preset(source: str) -> bool:
    """Whether a base is a preset: by its prefix, or because it is a folder with a preset's files."""
    return source.startswith(HUB) or (Path(source).expanduser() / "config.json").is_file()


def name_of(source: str) -> str:
    """The name of a model in recipes and folders: `flowers.keras`, `dinov2_small.hub`."""
    name = Path(source.removeprefix(HUB)).name
    ending = _PRESET if is_preset(source) and not name.endswith(_PRESET) else ""
    return _NOT_IN_NAMES.sub("_", name + ending)[-96:]
