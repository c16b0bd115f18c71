"""Live images through the whole network against stored rows through tail and head: both must agree."""

import hashlib

import numpy as np

from pipeline.cache.store import row_keys
from pipeline.errors import DisagreementError
from pipeline.stage_two.dense.train import compile_inference
from pipeline.training.finetune.job import Job
from pipeline.training.finetune.live import live_forward

_NUM_IMAGES = 8
_TOLERANCE = {"float32": 1e-3, "float16": 2e-2, "mixed_float16": 2e-2, "mixed_bfloat16": 1e-1}
"""Of a probability, by the coarser one of the stored dtype and the arithmetic: float16 keeps 11 bits, bfloat16 keeps 8."""


def stitched_difference(job: Job) -> float | None:
    """Largest difference of an output between images through the whole network and stored rows through the top.

    Looked at on the first validation images, None if all of them were changed; the run's predictions are made from rows.
    """
    part = job.extraction.manifest.split("validation")
    files = [part.read(row) for row in range(min(len(part), _NUM_IMAGES))]
    # A image that was changed meanwhile says nothing about the rows.
    kept = [row for row, data in enumerate(files) if hashlib.sha256(data).digest() == part.digests[row]]
    if not kept:
        return None
    pixels = np.stack([job.recipe.decoder.decode(files[row]) for row in kept])
    rows = job.extraction.store.read(row_keys([part.digests[row] for row in kept]))
    stitched = live_forward(job.top.trunk, job.top.forward, job.recipe.preprocessing)
    difference = float(np.abs(compile_inference(stitched)(pixels) - compile_inference(job.top.forward)(rows)).max())
    if not difference <= max(_TOLERANCE[kind] for kind in (job.recipe.dtype, job.recipe.precision)):
        raise DisagreementError(
            f"On live images the trained network's probabilities differ by {difference:.2g} from those on stored rows, "
            "so the run is not kept. `bottleneck cache verify --recompute 20 --data DATA` finds rows that are wrong."
        )
    return difference
