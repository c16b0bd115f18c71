"""The validation images that are farthest from the training images: they may not belong, and labels do not matter."""

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.novelty.fit import fit_detector
from pipeline.stage_two.rows import LabelledRows
from pipeline.tuner.refits import Numbers


def distances_by_row(labelled: LabelledRows, rows: Numbers, count: int) -> NDArray[np.float32]:
    """Distance of each image of the manifest to the centres of the training images, (count,); NaN for all but validation images.

    Args:
        labelled: Features of the splits.
        rows: Rows of the validation images in the manifest, in their order there.
        count: Images of the manifest.
    """
    distances = np.full(count, np.nan, np.float32)
    distances[rows] = fit_detector(labelled).novelty["validation"].distances
    return distances
