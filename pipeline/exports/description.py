"""The description in an exported file: its labels, how its pixels are made, and which run it comes from."""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, SettingError, foreign_file
from pipeline.files import check_regular, parse_json, read_regular
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.decoding.formats import MAX_PIXELS
from pipeline.stage_two.novelty.detector import MAX_CALIBRATION
from pipeline.tasks.kinds import task_from_dict
from pipeline.tasks.task import Task

NAME = "bottleneck.json"
"""Name of the description in a `.keras` or `.tflite` file (both can be read as zip archives) and in a SavedModel folder."""

KEY = "bottleneck"
"""Key of the description in the metadata of an ONNX file."""

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""An exported network: RGB pixels in [0, 255], float32 (N, H, W, 3), to outputs, float32 (N, K); with p-values (N, K + 1), of which the last
column has these."""

P_VALUE = "p_value"
"""Name of the output that has the p-values, in every format."""

_SCHEMA = 1
_MAX_BYTES = 2**24


@dataclass(frozen=True)
class PValues:
    """That a file gives p-values, and what they can be; see `pipeline.stage_two.novelty.detector`."""

    num_validation: int
    """n, the number of validation images whose distances it holds."""

    @property
    def smallest(self) -> float:
        """The smallest p-value that it can give."""
        return 1 / (self.num_validation + 1)

    def exact(self, received: NDArray[np.float32]) -> NDArray[np.float64]:
        """The p-values that a file means, (N,): whole multiples of the smallest, which float32 cannot hold."""
        steps = self.num_validation + 1
        return np.asarray(np.maximum(np.round(received.astype(np.float64) * steps), 1) / steps)


@dataclass(frozen=True)
class Description:
    """All that is needed to use the file without this package."""

    task: Task
    """What the file answers, with the names of its K outputs in order."""

    decoder: Decoder
    """How an image becomes pixels."""

    origin: Mapping[str, str | None]
    """What the file was made from: run, head, base, cut and digests."""

    p_values: PValues | None = None
    """None: it gives answers alone."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs: that of the answers, and `p_value` where there is one."""
        return (self.task.output_name, P_VALUE) if self.p_values else (self.task.output_name,)

    def to_json(self) -> str:
        """The description as JSON text."""
        size_px = self.decoder.size_px
        content: dict[str, Any] = {
            "schema": _SCHEMA,
            "labels": list(self.task.names),
            "task": self.task.as_dict(),
            "pixels": f"float32 of shape (N, {size_px}, {size_px}, 3): RGB, 0 to 255, no other preprocessing",
            "outputs": f"float32 of shape (N, {len(self.task.names)}): {self.task.output_name} in the order of the labels",
            "decoder": self.decoder.as_dict(),
            "origin": dict(self.origin),
        }
        if self.p_values:
            content[P_VALUE] = {
                "output": f"float32 of shape (N, 1), named {P_VALUE}: the share of validation images that are at least as unlike the training images",
                "validation": self.p_values.num_validation,
            }
        return json.dumps(content, ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes, path: Path) -> "Description":
        """The description of `to_json`.

        Raises:
            DamagedStoreError: The text is not a description, or has impossible values.
        """
        with foreign_file(path, "has a description that cannot be read"):
            content = parse_json(text)
            labels, decoder, origin = content["labels"], _decoder_of(content["decoder"]), content["origin"]
            task = task_from_dict(tuple(labels), content.get("task"))
            p_values = _p_values_of(content[P_VALUE]) if P_VALUE in content else None
            is_sound = (
                content["schema"] == _SCHEMA
                and isinstance(labels, list)
                and all(isinstance(label, str) for label in labels)
                and isinstance(decoder.size_px, int)
                and 0 < decoder.size_px**2 <= MAX_PIXELS
                and isinstance(decoder.exif, bool)
                and isinstance(origin, dict)
            )
        if not is_sound or not labels:
            raise DamagedStoreError(f"The description in {path} is not of schema {_SCHEMA}, or has impossible values.")
        return cls(task, decoder, origin, p_values)


def _p_values_of(values: Any) -> PValues:
    """Those of a description.

    Raises:
        ValueError: The number of validation images is impossible.
    """
    count = values["validation"]
    if type(count) is not int or not 1 <= count <= MAX_CALIBRATION:
        raise ValueError(
            f"p-values among {count!r} validation images, which is no number from 1 to {MAX_CALIBRATION:,}"
        )
    return PValues(count)


def _decoder_of(values: Any) -> Decoder:
    """The decoder of a description; one that does not exist is an error of the file, and not of a setting."""
    try:
        return Decoder.from_dict(values)
    except SettingError as error:
        raise ValueError(str(error)) from error


def add_member(path: Path, description: Description) -> None:
    """Append the description, and the labels with one per line, to a zip archive or a TFLite file.

    A TFLite file can be read as a zip archive afterwards, as with the associated files of TFLite's own metadata: the network is
    read from the beginning of the file, the archive from its end.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAME, description.to_json())
        archive.writestr("labels.txt", "".join(f"{' '.join(label.splitlines())}\n" for label in description.task.names))


def read_member(path: Path) -> Description:
    """The description that `add_member` wrote.

    Raises:
        DamagedStoreError: The file has none.
    """
    with foreign_file(path, f"has no readable description ({NAME}), so it is no export of a run"):
        check_regular(path, follow_links=True)
        with zipfile.ZipFile(path) as archive, archive.open(NAME) as member:
            text = member.read(_MAX_BYTES)
    return Description.from_json(text, path)


def read_file(path: Path) -> Description:
    """The description in a separate file.

    Raises:
        DamagedStoreError: The file cannot be read.
    """
    with foreign_file(path, "is no readable description, so it is no export of a run"):
        text = read_regular(path, _MAX_BYTES)
    return Description.from_json(text, path)


def side_by_side(made: Mapping[str, Any], description: Description) -> NDArray[np.float32]:
    """The outputs of a network by name, as `Predict` gives them."""
    return np.concatenate([made[name] for name in description.output_names], axis=1)


def check_shapes(path: Path, description: Description, inputs: Any, *outputs: Any) -> None:
    """Check that a network has the input size and the number of labels that its description gives.

    Args:
        path: For the message.
        description: The description.
        inputs: Shape of the input, (batch, H, W, 3).
        outputs: Shape of each output: (batch, K), and (batch, 1) where there are p-values.

    Raises:
        DamagedStoreError: The network has other shapes.
    """
    size_px, num_labels = description.decoder.size_px, len(description.task.names)
    expected = [(num_labels,), (1,)][: len(description.output_names)]
    if tuple(inputs)[1:] != (size_px, size_px, 3) or [tuple(shape)[1:] for shape in outputs] != expected:
        raise DamagedStoreError(
            f"{path} describes {size_px} px and {num_labels} labels{' with p-values' * bool(description.p_values)}, "
            f"but its network goes from {tuple(inputs)} to {' and '.join(str(tuple(shape)) for shape in outputs)}."
        )
