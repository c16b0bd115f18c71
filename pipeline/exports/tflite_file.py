"""The `.tflite` file: converted by TensorFlow, run by LiteRT's interpreter; description and labels are appended as an archive."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MissingExtraError, foreign_file
from pipeline.exports.description import Description, Predict, add_member, check_shapes, read_member
from pipeline.quiet import silent_stderr

if TYPE_CHECKING:
    import keras

NAME = "TFLite"


def require() -> None:
    """Check that LiteRT's interpreter is installed. TensorFlow's own interpreter is deprecated.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("ai_edge_litert") is None:
        raise MissingExtraError("TFLite files need a package of their own: pip install 'bottleneck-pipeline[tflite]'.")


def write(model: "keras.Model", path: Path, description: Description) -> None:
    """Write the file: input `pixels`, any batch size, float32, TFLite's own operations only, so that every interpreter runs it."""
    import tensorflow as tf

    builtin = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(path, format="litert", verbose=False, target_spec=builtin)
    add_member(path, description)


def describe(path: Path) -> Description:
    """The description in an exported file.

    Raises:
        DamagedStoreError: It has none.
    """
    return read_member(path)


def load(path: Path) -> tuple[Description, Predict]:
    """Load with LiteRT's interpreter.

    Raises:
        DamagedStoreError: It is not an exported file.
        MissingExtraError: The interpreter is not installed.
    """
    require()
    from ai_edge_litert.interpreter import Interpreter

    description = read_member(path)
    with foreign_file(path, "cannot be loaded by the TFLite interpreter"):
        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        with silent_stderr():  # the first allocation in a process prints that a delegate was made
            interpreter.allocate_tensors()
        [(signature, names)] = interpreter.get_signature_list().items()
        [pixels] = names["inputs"]
        wanted = description.output_names if description.p_values else tuple(names["outputs"][:1])
        if set(wanted) != set(names["outputs"]):
            raise ValueError(f"outputs {names['outputs']} instead of {wanted}")
        runner = interpreter.get_signature_runner(signature)
        inputs, outputs = runner.get_input_details()[pixels], runner.get_output_details()
    shapes = [outputs[name]["shape_signature"] for name in wanted]
    check_shapes(path, description, inputs["shape_signature"], *shapes)

    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        made = runner(**{pixels: images})
        return np.concatenate([made[name] for name in wanted], axis=1)

    return description, predict
