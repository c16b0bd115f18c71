"""What the benchmark of stage one on a GPU decides, without a GPU: the batch size, and what bounds the whole."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("gpu")
    for name in ("gpu", "_parts", "_turns"):
        sys.modules.pop(name, None)


class Device:
    """A made device: a call costs 1 ms, and each image 0.1 ms; more images than fit raise MemoryError."""

    def __init__(self, fits: int):
        self.fits, self.tried = fits, []

    def __call__(self, batch_size: int) -> float:
        self.tried.append(batch_size)
        if batch_size > self.fits:
            raise MemoryError
        return batch_size / (1e-3 + 1e-4 * batch_size)


def test_the_batch_size_is_doubled_while_that_is_worth_it(gpu):
    """From 128 to 256 images the speed grows by 3.8 %, which is less than 5 %."""
    device = Device(10**6)

    assert gpu.find_batch_size(device)[0] == 128
    assert device.tried == [16, 32, 64, 128, 256]


def test_the_largest_batch_that_fits_is_taken(gpu):
    """Memory that runs out ends the doubling; so does the largest size."""
    assert gpu.find_batch_size(Device(64)) == (64, pytest.approx(64 / 7.4e-3))
    assert gpu.find_batch_size(Device(64), largest=32)[0] == 32


def test_the_slower_part_bounds_the_whole(gpu):
    """Decoding and the network run at the same time."""
    assert gpu.bottleneck_of(decoding=2.0, forward=1.0) == "decoding"
    assert gpu.bottleneck_of(decoding=1.0, forward=2.0) == "the network"
