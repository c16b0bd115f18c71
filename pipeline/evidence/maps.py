"""What each cell of the grid adds to a sum of a head: exact for linear heads, gradient times input for dense ones.

Letters
    N images, h w the grid, P = h w cells, C channels, D features of a row, K outputs.
    g (N, h, w, C): the cells. x (N, D): the row that the head takes: pooled cells, D = C, or all cells side by side, D = P C.
    z (N, K): the sums before the link: logits, or numbers. v (N, K): what is asked of them, one direction for each image.

Maps
    A head that is linear near a row is z v = (x / l - c) s + b v, with slopes s (N, D), a centre c (D,), the length l of the row
    (1 without norm=l2) and biases b. The map m (N, h, w) divides the first term among the cells, so that

        mean of m over the cells + rest = z v                                                                       (1)

    pooling | a cell's part
    avg     | (g / l - c) s                                    what z v would be without the rest if all cells were like this one
    max     | P times the sum over the channels that it wins of (x / l - c) s; cells that are equal share a channel
    none    | P (g / l - c) s, with the c and s of its place

    For linear heads c is the mean of the training rows (0 without centring): a cell like an average image adds nothing. The rest is b v.
    norm=l2 divides a row by its length, which depends on all cells: (1) is exact with the length as it is.
    For dense heads s is the gradient of z v at the row and c is 0, as in Shrikumar et al. (2016), arXiv:1605.01713; the rest is what is
    left of z v. Temperatures are part of z. Calibration and thresholds come after it and change no map.

Bases that are joined have a grid each. A map is then the sum of theirs, each cell repeated to the grid that all of them divide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.pooling import pool_rows
from pipeline.stage_two.linear.heads import LinearHead, unit_lengths

Array = NDArray[np.float32]
Double = NDArray[np.float64]
Parts = Sequence[Array]
"""The grids of the bases, float32 (N, h, w, C) each; one, unless bases are joined."""


@dataclass(frozen=True)
class Maps:
    """What the cells of N images add to the sums that were asked for."""

    cells: Double
    """(N, h, w)"""

    rest: Double
    """What belongs to no cell, (N,): the bias. With `blank` not part of the sum."""

    total: Double
    """z v, (N,)."""

    how: str
    """`exact`, `gradient` or `blank`; see `pipeline.evidence.explain`."""


def head_rows(parts: Parts, pooling: str) -> Array:
    """The rows that a head takes: pooled ones side by side, (N, D), or the grid as it is."""
    if pooling == "none":
        return parts[0]
    return np.concatenate([pool_rows(part, pooling) for part in parts], axis=1)


def linear_maps(head: LinearHead, parts: Parts, pooling: str, v: Double) -> Maps:
    """The maps of a linear head: exact.

    Args:
        head: The head.
        parts: The cells.
        pooling: `avg`, `max` or `none`.
        v: What is asked, (N, K).
    """
    flat = head_rows(parts, pooling).reshape(len(parts[0]), -1)
    slopes = head.temperature * (v @ (head.weights / head.scale[:, None]).T.astype(np.float64))
    cells = divide(parts, pooling, slopes, head.mean.astype(np.float64), unit_lengths(head, flat))
    total: Double = (v * head.temperature * head.scores(flat).astype(np.float64)).sum(axis=1)
    return Maps(cells, head.temperature * (v @ head.bias.astype(np.float64)), total, "exact")


def divide(parts: Parts, pooling: str, slopes: Double, centre: Double, lengths: Double) -> Double:
    """The map m, (N, h, w), of slopes (N, D), a centre (D,) and lengths (N,)."""
    if pooling == "none":
        return _cells_of_grid(parts[0], slopes, centre, lengths)
    ends = np.cumsum([part.shape[-1] for part in parts])[:-1]
    own = zip(parts, np.split(slopes, ends, axis=1), np.split(centre, ends), strict=True)
    by_cell = _cells_of_mean if pooling == "avg" else _cells_of_maximum
    return on_one_grid([by_cell(part, s, c, lengths) for part, s, c in own])


def on_one_grid(maps: Sequence[Double]) -> Double:
    """The sum of maps (N, h, w), repeated to the smallest grid that all of them divide; means over the cells stay."""
    height, width = (math.lcm(*(each.shape[axis] for each in maps)) for axis in (1, 2))
    together: Double = np.sum(
        [each.repeat(height // each.shape[1], axis=1).repeat(width // each.shape[2], axis=2) for each in maps], axis=0
    )
    return together


def _cells_of_mean(part: Array, slopes: Double, centre: Double, lengths: Double) -> Double:
    raw = np.einsum("nhwc,nc->nhw", part, slopes, optimize=True)
    cells: Double = raw / lengths[:, None, None] - (slopes @ centre)[:, None, None]
    return cells


def _cells_of_maximum(part: Array, slopes: Double, centre: Double, lengths: Double) -> Double:
    num_images, height, width, channels = part.shape
    flat = part.reshape(num_images, -1, channels)
    largest = flat.max(axis=1, keepdims=True)
    wins = (flat == largest).astype(np.float64)
    wins /= wins.sum(axis=1, keepdims=True)
    worth = (largest[:, 0] / lengths[:, None] - centre) * slopes
    cells: Double = height * width * np.einsum("npc,nc->np", wins, worth).reshape(num_images, height, width)
    return cells


def _cells_of_grid(part: Array, slopes: Double, centre: Double, lengths: Double) -> Double:
    num_images, height, width, _ = part.shape
    flat = (part.reshape(num_images, -1) / lengths[:, None] - centre) * slopes
    cells: Double = height * width * flat.reshape(part.shape).sum(axis=-1)
    return cells
