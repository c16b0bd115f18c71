"""The files of weights. TensorFlow is needed only where one has to be fetched first."""

from pathlib import Path

from pipeline.bases.names import HUB
from pipeline.bases.parts import note_parts
from pipeline.bases.table import BaseSpec
from pipeline.errors import SettingError, WeightsUnavailableError
from pipeline.surroundings import home_folder

__all__ = ["home_folder", "weights_file", "weights_path"]


def weights_file(spec: BaseSpec, weights: str, home: Path, *, include_top: bool = False) -> Path:
    """The file of a base's weights, fetched first if need be.

    Args:
        spec: The base.
        weights: `imagenet`, `random` (always the same values, for tests), or a file.
        home: The project's own folder.
        include_top: With the 1000-class top.

    Raises:
        WeightsUnavailableError: The given file does not exist, or no route leads to the weights.
        SettingError: Joined bases, and a file; or the project's own folder cannot be written to.
        WeightsMismatchError: Fetched tensors do not have the expected digest.
    """
    path = weights_path(spec, weights, home, include_top=include_top)
    if spec.parts:
        return note_parts([weights_file(part, weights, home) for part in spec.parts], path)
    if spec.is_file or path.exists():
        return path
    from pipeline.bases.weights import fetch_weights

    return fetch_weights(spec, weights, path, include_top=include_top)


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
