"""Paths of weights. Needs no TensorFlow."""

from pathlib import Path

from pipeline.bases.names import HUB
from pipeline.bases.table import BaseSpec
from pipeline.errors import WeightsUnavailableError
from pipeline.surroundings import home_folder

__all__ = ["home_folder", "weights_path"]


def weights_path(spec: BaseSpec, weights: str, home: Path, *, include_top: bool = False) -> Path:
    """The file where fetched `imagenet` or `random` weights are kept, or the user's own file or model.

    Raises:
        WeightsUnavailableError: The given file does not exist.
    """
    if spec.is_file:
        return Path(weights if weights.startswith(HUB) else Path(weights).expanduser())
    if weights in ("imagenet", "random"):
        return home / "weights" / f"{spec.name}{'-top' if include_top else ''}-{weights}.weights.h5"
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsUnavailableError(
            f"No such weights: {weights!r}. Expected imagenet, random, or a .weights.h5, .h5 or .keras file."
        )
    return path
