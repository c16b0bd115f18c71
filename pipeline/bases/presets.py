"""KerasHub's presets as bases: `hub:NAME`, or a folder that `save_to_preset` wrote."""

from pathlib import Path
from typing import Any

import keras

from pipeline.bases.names import HUB
from pipeline.bases.table import Preprocessing
from pipeline.errors import MissingExtraError, UnknownBaseError


def load_preset(source: str) -> keras.Model:
    """The network of a preset; of a model for images and texts, the part for images.

    Raises:
        MissingExtraError: KerasHub is not installed.
        UnknownBaseError: There is no such preset, or it cannot be downloaded or read.
    """
    model = _open(source, lambda hub: hub.models.Backbone)
    return getattr(model, "vision_encoder", model)


def preset_preprocessing(source: str) -> Preprocessing | None:
    """Scale and offset of the preset's own image converter; None if it has none."""
    try:
        converter = _open(source, lambda hub: hub.layers.ImageConverter)
    except UnknownBaseError:
        return None
    scale, offset = (_three(value, default) for value, default in ((converter.scale, 1.0), (converter.offset, 0.0)))
    return Preprocessing("native", scale=scale, offset=offset)


def num_patches(model: keras.Model, size_px: int) -> int | None:
    """Patches on each side of an image in a network whose rows are tokens; None if it has no patches."""
    patch = getattr(model, "patch_size", None)
    patch_px = patch[0] if isinstance(patch, list | tuple) else patch
    return size_px // int(patch_px) if patch_px else None


def _open(source: str, part: Any) -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise MissingExtraError(
            f"{source} is a preset of KerasHub, which needs its package: pip install 'bottleneck-pipeline[hub]'."
        ) from error
    name = source.removeprefix(HUB) if source.startswith(HUB) else str(Path(source).expanduser())
    try:
        return part(keras_hub).from_preset(name)
    except Exception as error:  # downloads and foreign files fail with errors of many libraries
        reason = " ".join(str(error).split())[:300]
        raise UnknownBaseError(
            f"The preset {source} cannot be loaded: {reason}. Expected the name of a preset of KerasHub and a network connection, or a "
            "folder that save_to_preset wrote."
        ) from error


def _three(value: Any, default: float) -> tuple[float, float, float]:
    """One number for each channel."""
    values = [default] if value is None else [value] if isinstance(value, int | float) else list(value)
    red, green, blue = (float(number) for number in (values * 3 if len(values) == 1 else values))
    return red, green, blue
