"""A check after the training: the whole network on images must agree with tail and head on stored rows."""

import hashlib

import numpy as np

from pipeline.cache.store import row_keys
from pipeline.errors import DisagreementError
from pipeline.images.manifest_file import has_pixels
from pipeline.training.finetune.assembly import Assembly
from pipeline.training.finetune.live import live_forward

_NUM_IMAGES = 8
_TOLERANCE = {"float32": 1e-3, "float16": 2e-2, "mixed_float16": 2e-2, "bfloat16": 1e-1, "mixed_bfloat16": 1e-1}
"""Largest allowed difference of a probability, or of a number in standard deviations, by stored dtype and arithmetic; the coarser of the two counts. float16 has a
significand of 11 bits, bfloat16 one of 8."""


def stitched_difference(assembly: Assembly) -> float | None:
    """Largest difference between the outputs of the whole network on images and of tail and head on stored rows.

    It is measured on the first validation images; None if all of these have changed since they were stored, or are not on this machine.

    Raises:
        DisagreementError: The difference is larger than rounding explains.
    """
    part = assembly.extraction.manifest.split("validation")
    if not has_pixels(part):
        return None
    files = [part.read(row) for row in range(min(len(part), _NUM_IMAGES))]
    # An image that has changed since cannot be compared with its row.
    kept = [row for row, data in enumerate(files) if hashlib.sha256(data).digest() == part.digests[row]]
    if not kept:
        return None
    pixels = np.stack([assembly.recipe.decoder.decode(files[row]) for row in kept])
    rows = assembly.extraction.store.read(row_keys([part.digests[row] for row in kept]))
    stitched = live_forward(assembly.top.trunk, assembly.top.forward, assembly.recipe.preprocessing)
    # Not compiled: that takes longer than eight images.
    on_images, on_rows = (
        forward(inputs, training=False) for forward, inputs in ((stitched, pixels), (assembly.top.forward, rows))
    )
    scaling = assembly.labelled.task.scaling(assembly.labelled.train.y)
    units = 1.0 if scaling is None else np.array(scaling.spread)
    difference = float((np.abs(on_images - on_rows) / units).max())
    if not difference <= max(_TOLERANCE[kind] for kind in (assembly.recipe.dtype, assembly.recipe.precision)):
        raise DisagreementError(
            f"On live images the trained network's probabilities differ by {difference:.2g} from those on stored rows, "
            "so the run is not kept. `bottleneck cache verify --recompute 20 --data DATA` finds rows that are wrong."
        )
    return difference
