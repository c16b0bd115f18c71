"""The SavedModel folder: encoded images or pixels in, labels and scores out, for TensorFlow and its servers.

A SavedModel is a program. Call `load` and `load_serving` only on folders that `pipeline.exports.digests.check_known` accepts, or
that were written a moment ago.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import foreign_file
from pipeline.exports.description import NAME as DESCRIPTION
from pipeline.exports.description import P_VALUE, Description, Predict, check_shapes, read_file

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


NAME = "SavedModel"


def require() -> None:
    """Nothing is needed beside TensorFlow."""


def write(model: "keras.Model", path: Path, description: Description) -> None:
    """Write the folder, with two signatures.

    `serving_default` takes `image_bytes`, string (N,): JPEG, PNG, WebP or GIF; `pixels` takes `pixels`, float32 (N, H, W, 3). Both give
    `scores`, float32 (N, K): probabilities, or numbers; and `classes`, string (N, K): the class, label or column of each; and `p_value`,
    float32 (N, 1), if the model gives it.
    """
    import keras
    import tensorflow as tf

    from pipeline.exports.decoding import decode_batch

    def score(pixels: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        made = model(pixels, training=False)
        scores = made[description.task.output_name] if description.p_values else made
        classes = tf.broadcast_to(tf.constant(description.task.names), tf.shape(scores))
        given = {P_VALUE: made[P_VALUE]} if description.p_values else {}
        return {"scores": scores, "classes": classes, **given}

    def serve(image_bytes: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        return score(decode_batch(image_bytes, description.decoder))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serve, [tf.TensorSpec((None,), tf.string, name="image_bytes")])
    archive.add_endpoint("pixels", score, [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="pixels")])
    archive.write_out(str(path), verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / DESCRIPTION).write_text(description.to_json(), encoding="utf-8")


def describe(path: Path) -> Description:
    """The description in an exported folder.

    Raises:
        DamagedStoreError: It has none.
    """
    return read_file(path / "assets.extra" / DESCRIPTION)


def load(path: Path) -> tuple[Description, Predict]:
    """Load the signature `pixels`.

    Raises:
        DamagedStoreError: It is not an exported folder.
    """
    description, signatures = _load(path)
    signature = signatures["pixels"]

    def predict(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        made = signature(pixels=pixels)
        return np.concatenate([made[name].numpy() for name in _outputs(description)], axis=1)

    return description, predict


def load_serving(path: Path) -> Predict:
    """The signature `serving_default`: encoded images, bytes objects (N,), to probabilities, float32 (N, K)."""
    import tensorflow as tf

    _, signatures = _load(path)
    signature = signatures["serving_default"]

    def predict(encoded: Any) -> NDArray[np.float32]:
        scores: NDArray[Any] = signature(image_bytes=tf.constant(encoded))["scores"].numpy()
        return scores

    return predict


def _outputs(description: Description) -> tuple[str, ...]:
    """Names of the outputs that are numbers."""
    return ("scores", P_VALUE) if description.p_values else ("scores",)


def _load(path: Path) -> tuple[Description, Any]:
    description = describe(path)
    import tensorflow as tf

    with foreign_file(path, "cannot be loaded as a SavedModel"):
        signatures = tf.saved_model.load(str(path)).signatures
        pixels = signatures["pixels"]
        outputs = [pixels.structured_outputs[name].shape for name in _outputs(description)]
        shapes = pixels.structured_input_signature[1]["pixels"].shape, *outputs
    check_shapes(path, description, *shapes)
    return description, signatures
