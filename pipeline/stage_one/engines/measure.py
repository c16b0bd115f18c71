"""How two ways to run a network compare: by their rows and by their time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TURNS, _TURNS_SECONDS = 5, 2.0
"""Measurements of each way, at most so many, and no more after so many seconds."""

Way = tuple[Callable[[NDArray[Any]], object], int]
"""A function that runs a network, and how many of its calls run at the same time."""


def largest_difference(rows: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest difference of a feature, relative to the largest feature."""
    return float(np.abs(rows - expected).max() / max(float(np.abs(expected).max()), 1e-30))


def gain(first: Way, second: Way, inputs: NDArray[Any]) -> float:
    """How many times as fast the second way is. Both run in turns, and the best of each counts: other programs only slow them down."""
    begin = time.perf_counter()
    seconds: list[list[float]] = []
    while len(seconds) < _TURNS and (not seconds or time.perf_counter() - begin < _TURNS_SECONDS):
        seconds.append([seconds_per_call(run, inputs, concurrency) for run, concurrency in (first, second)])
    before, after = np.min(seconds, axis=0)
    return float(before / after)


def seconds_per_call(run: Callable[[NDArray[Any]], object], inputs: NDArray[Any], concurrency: int) -> float:
    """When `concurrency` calls run at the same time."""
    with ThreadPoolExecutor(concurrency) as calls:
        start = time.perf_counter()
        list(calls.map(run, [inputs] * concurrency))
        return (time.perf_counter() - start) / concurrency
