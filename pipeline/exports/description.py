"""What an exported file says of itself: its labels, how pixels are made for it, and which run it came from."""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, SettingError
from pipeline.images.decode import MAX_PIXELS, Decoder

NAME = "bottleneck.json"
"""Of the member of a `.keras` or `.tflite` file (both may be read as zip archives), and of the file in a SavedModel."""

KEY = "bottleneck"
"""Of the same text in the metadata of an ONNX file."""

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""An exported network: RGB pixels in [0, 255], float32 (N, H, W, 3), to probabilities, float32 (N, K)."""

_SCHEMA = 1
_MAX_BYTES = 2**24


@dataclass(frozen=True)
class Description:
    """All that a stranger needs to use the file."""

    labels: tuple[str, ...]
    """Names of the K outputs, in order."""

    decoder: Decoder
    """How a photograph becomes pixels."""

    origin: Mapping[str, str | None]
    """Run, head, base, cut and digests: what the file was made from."""

    def to_json(self) -> str:
        """As text, with the pixels in words."""
        size_px = self.decoder.size_px
        content = {
            "schema": _SCHEMA,
            "labels": list(self.labels),
            "pixels": f"float32 of shape (N, {size_px}, {size_px}, 3): RGB, 0 to 255, no other preprocessing",
            "decoder": asdict(self.decoder),
            "origin": dict(self.origin),
        }
        return json.dumps(content, ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes, path: Path) -> "Description":
        """The description of `to_json`.

        Raises:
            DamagedStoreError: It is none, or its values are absurd.
        """
        try:
            content = json.loads(text)
            labels, decoder, origin = content["labels"], Decoder(**content["decoder"]), content["origin"]
            is_sound = (
                content["schema"] == _SCHEMA
                and all(isinstance(label, str) for label in labels)
                and isinstance(decoder.size_px, int)
                and decoder.size_px**2 <= MAX_PIXELS
                and isinstance(decoder.exif, bool)
                and isinstance(origin, dict)
            )
        except (ValueError, TypeError, LookupError, SettingError) as error:
            raise DamagedStoreError(f"The description in {path} cannot be read: {error!r}.") from error
        if not is_sound or not labels:
            raise DamagedStoreError(f"The description in {path} is not one of schema {_SCHEMA} with sound values.")
        return cls(tuple(labels), decoder, origin)


def add_member(path: Path, description: Description) -> None:
    """Append the description, and the labels one a line, to a file that may be read as a zip archive.

    A TFLite file becomes one by it, as with the associated files of TFLite's own metadata: readers of the network
    look at the beginning of the file, readers of archives at its end.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAME, description.to_json())
        archive.writestr("labels.txt", "".join(f"{' '.join(label.splitlines())}\n" for label in description.labels))


def read_member(path: Path) -> Description:
    """The description that `add_member` wrote.

    Raises:
        DamagedStoreError: There is none.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(NAME) as member:
            text = member.read(_MAX_BYTES)
    except (OSError, ValueError, LookupError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise _missing(path, error) from error
    return Description.from_json(text, path)


def read_file(path: Path) -> Description:
    """The description in a file of its own.

    Raises:
        DamagedStoreError: There is none.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES)
    except OSError as error:
        raise _missing(path, error) from error
    return Description.from_json(text, path)


def _missing(path: Path, error: Exception) -> DamagedStoreError:
    return DamagedStoreError(f"{path} has no readable description ({NAME}), so it is no export of a run: {error!r}.")


def check_shapes(path: Path, description: Description, inputs: Any, outputs: Any) -> None:
    """Check that a network takes the pixels and gives the labels that its description tells of.

    Args:
        path: For the message.
        description: What is told.
        inputs: Shape of the input; the first dimension is the batch.
        outputs: Shape of the output.

    Raises:
        DamagedStoreError: It does not.
    """
    size_px, num_labels = description.decoder.size_px, len(description.labels)
    if tuple(inputs)[1:] != (size_px, size_px, 3) or tuple(outputs)[1:] != (num_labels,):
        raise DamagedStoreError(
            f"{path} describes {size_px} px and {num_labels} labels, "
            f"but its network goes from {tuple(inputs)} to {tuple(outputs)}."
        )
