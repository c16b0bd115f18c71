"""Comparing a file with its run."""

import numpy as np
import pytest

from pipeline.errors import DisagreementError
from pipeline.exports.parity import Parity, compare, in_batches, synthetic_photographs
from pipeline.images.decode import Decoder

EXPECTED = np.array([[0.5004, 0.4996], [0.9, 0.1]], np.float32)


def test_agreement_is_measured():
    """The largest difference of any probability."""
    parity = compare(EXPECTED, EXPECTED + np.float32([[0, 0], [-5e-4, 5e-4]]), 1e-3, "It")

    assert parity == Parity(2, pytest.approx(5e-4, abs=1e-6), 0)


def test_a_tie_is_told_from_a_mistake():
    """Another label within the tolerance can only be one that the run held as likely; it is counted."""
    assert compare(EXPECTED, EXPECTED + np.float32([[-8e-4, 8e-4], [0, 0]]), 1e-3, "It").ties == 1


@pytest.mark.parametrize(
    "received",
    [
        EXPECTED + np.float32(0.002),
        EXPECTED[:, ::-1],
        np.full((2, 2), np.nan, np.float32),
        EXPECTED[:1],
        EXPECTED[:, :1],
    ],
    ids=["off", "exchanged", "no number", "images missing", "classes missing"],
)
def test_disagreement_is_an_error(received):
    """So is whatever cannot be compared."""
    with pytest.raises(DisagreementError, match=r"It disagrees with its run by .* over 2 images; the limit is 0\.001"):
        compare(EXPECTED, received, 1e-3, "It")


def test_batches_cover_all_images_in_order():
    """Whatever their number."""
    images = np.arange(70, dtype=np.float32)[:, None]

    np.testing.assert_array_equal(in_batches(lambda batch: batch * 2, images, desc="", progress=False), images * 2)


def test_synthetic_photographs_differ_and_are_always_the_same():
    """They have contrast of all degrees, need resizing, and fewer are the first of more."""
    files = synthetic_photographs(20, 24)
    pixels = np.stack([Decoder(24).decode(data) for data in files]).astype(float)
    contrast = pixels.std(axis=(1, 2)).mean(axis=1)

    assert synthetic_photographs(5, 24) == files[:5]
    assert len(set(files)) == 20
    assert contrast.min() < 15
    assert contrast.max() > 40
