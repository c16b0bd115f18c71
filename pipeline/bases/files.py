"""Paths of weights. Needs no TensorFlow."""

from pathlib import Path

from pipeline.bases.names import HUB
from pipeline.bases.table import BaseSpec
from pipeline.errors import SettingError, WeightsUnavailableError
from pipeline.surroundings import home_folder

__all__ = ["home_folder", "weights_path"]


def weights_path(spec: BaseSpec, weights: str, home: Path, *, include_top: bool = False) -> Path:
    """The file where fetched `imagenet` or `random` weights are kept, or the user's own file or model.

    That of joined bases names the digests of the parts' files.

    Raises:
        WeightsUnavailableError: The given file does not exist.
        SettingError: Joined bases, and a file.
    """
    if spec.is_file:
        return Path(weights if weights.startswith(HUB) else Path(weights).expanduser())
    if spec.parts and weights not in ("imagenet", "random"):
        raise SettingError(f"Joined bases have imagenet (or random) weights. Received: --weights {weights}.")
    if spec.parts:
        return home / "weights" / f"{spec.name}-{weights}.json"
    if weights in ("imagenet", "random"):
        return home / "weights" / f"{spec.name}{'-top' if include_top else ''}-{weights}.weights.h5"
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsUnavailableError(
            f"No such weights: {weights!r}. Expected imagenet, random, or a .weights.h5, .h5 or .keras file."
        )
    return path
