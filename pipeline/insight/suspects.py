"""Labels that may be wrong, and images that are far from all others.

Images are ranked by p(most likely other class) / p(label)^2. The ratio to the other class finds labels that were confused with a similar
class, 1 / p(label) finds those that are any other class; their product is close to the better of both in either case.
`benchmarks/studies/audit.py` compares it with other scores and other heads.

Letters: N images, K classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.insight.findings import Neighbour, Shown, Stranger, Suspect
from pipeline.insight.neighbours import Nearest, find_nearest, unit_length
from pipeline.insight.whole import Whole
from pipeline.tasks.targets import Outputs

NUM_NEAREST = 10
"""Neighbours that are asked about a label, and whose last one is how far an image is from the others."""

NUM_NEIGHBOURS = 3
"""Neighbours with another label that are listed."""

NUM_STRANGE = 24

NUM_ALIKE = 8
"""Images like another one that the page of an audit shows."""

_SMALLEST = 1e-30
"""Probability: neighbours give 0 to classes that none of them has."""

Doubles = NDArray[np.float64]


def suspicion(outputs: Outputs, y: NDArray[np.int64]) -> Doubles:
    """How suspect each label is, (N,): the log of p(most likely other class) / p(label)^2; larger is more suspect.

    Args:
        outputs: Probabilities by heads that have not seen the image, (N, K).
        y: The labels that are given, (N,).
    """
    p = np.maximum(outputs.astype(np.float64), _SMALLEST)
    images = np.arange(len(y))
    given = p[images, y].copy()
    p[images, y] = 0
    found: Doubles = np.log(p.max(axis=1)) - 2 * np.log(given)
    return found


def suspect_rows(whole: Whole, outputs: Outputs) -> NDArray[np.int64]:
    """Positions of the images whose label is not the most likely one, (n,), the most suspect first.

    Images whose class has no other group or content are not judged: nothing is known about that class without them.

    Args:
        whole: The images.
        outputs: Probabilities by heads that have not seen the image, (N, K).
    """
    suspect = suspicion(outputs, whole.y)
    rows = np.flatnonzero((outputs.argmax(axis=1) != whole.y) & ~whole.is_alone)
    return rows[np.argsort(-suspect[rows], kind="stable")]


def rank_suspects(whole: Whole, outputs: Outputs, show: Callable[[int], Shown]) -> tuple[Suspect, ...]:
    """The images of `suspect_rows`, each with the neighbours that disagree.

    Args:
        whole: The images.
        outputs: Probabilities by heads that have not seen the image, (N, K).
        show: A position as an image.
    """
    rows = suspect_rows(whole, outputs)
    unit = unit_length(whole.plain)
    near = find_nearest(unit[rows], unit, NUM_NEAREST, blocks=(whole.blocks[rows], whole.blocks))
    return tuple(
        describe_suspect(whole, outputs, int(row), near.images[place], near.cosines[place], show)
        for place, row in enumerate(rows)
    )


def describe_suspect(
    whole: Whole,
    outputs: Outputs,
    row: int,
    images: NDArray[np.int64],
    cosines: NDArray[np.float32],
    show: Callable[[int], Shown],
) -> Suspect:
    """One suspect label.

    Args:
        whole: The images.
        outputs: Probabilities by heads that have not seen the image, (N, K).
        row: Its position.
        images: Positions of its nearest images, (k,); -1 where there is none.
        cosines: Their cosines, (k,).
        show: A position as an image.
    """
    found = [(int(image), float(cosine)) for image, cosine in zip(images, cosines, strict=True) if image >= 0]
    others = [(image, cosine) for image, cosine in found if whole.y[image] != whole.y[row]]
    likely = int(outputs[row].argmax())
    return Suspect(
        show(row),
        whole.task.names[likely],
        float(outputs[row, whole.y[row]]),
        float(outputs[row, likely]),
        tuple(Neighbour(show(image), cosine) for image, cosine in others[:NUM_NEIGHBOURS]),
        len(others) / max(len(found), 1),
    )


def find_strange(
    whole: Whole, rows: NDArray[np.int64], show: Callable[[int], Shown], *, progress: bool = False
) -> tuple[Stranger, ...]:
    """The images with the largest distance to their k-th nearest image of another block.

    Args:
        whole: The images.
        rows: Those that are compared with each other.
        show: A position as an image.
        progress: Show a progress bar.
    """
    unit, blocks = unit_length(whole.plain[rows]), whole.blocks[rows]
    near = find_nearest(unit, unit, NUM_NEAREST, blocks=(blocks, blocks), progress=progress)
    distances = 1 - _last(near)
    order = np.argsort(-distances, kind="stable")[:NUM_STRANGE]
    return tuple(Stranger(show(int(rows[place])), float(distances[place])) for place in order)


def find_alike(whole: Whole, rows: Sequence[int], show: Callable[[int], Shown]) -> dict[int, tuple[Neighbour, ...]]:
    """The nearest images of some images, whatever their label; of one group and copies too.

    Args:
        whole: The images.
        rows: Positions of those that are asked about.
        show: A position as an image.
    """
    asked, numbers = np.array(sorted(set(rows)), np.int64), np.arange(len(whole))
    unit = unit_length(whole.plain)
    near = find_nearest(unit[asked], unit, NUM_ALIKE, blocks=(asked, numbers))
    return {
        int(row): tuple(
            Neighbour(show(int(image)), float(cosine))
            for image, cosine in zip(images, cosines, strict=True)
            if image >= 0
        )
        for row, images, cosines in zip(asked, near.images, near.cosines, strict=True)
    }


def _last(near: Nearest) -> Doubles:
    """The cosine to the k-th nearest image, or to the last one there is, (N,)."""
    counts = np.maximum((near.images >= 0).sum(axis=1), 1)
    last: Doubles = near.cosines[np.arange(len(counts)), counts - 1].astype(np.float64)
    return last
