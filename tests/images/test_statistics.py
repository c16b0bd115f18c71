"""Mean and deviation of the training images' channels."""

import os

import numpy as np
import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.sources.arrays.arrays import array_manifest
from pipeline.images.statistics import ChannelStatistics, channel_statistics, kept_statistics
from tests.calls import read as scan
from tests.conftest import draw_tree


def test_statistics_are_those_of_the_training_images_alone(photos):
    """Mean and deviation are numpy's over all training pixels at the base's size; other splits have no part in it."""
    manifest = scan(photos)
    decoder = Decoder(12)
    train = manifest.split("train")
    pixels = np.stack([decoder.decode(train.read(row)) for row in range(len(train))]).reshape(-1, 3).astype(np.float64)
    found = channel_statistics(manifest, decoder)

    assert found.mean == pytest.approx(pixels.mean(axis=0), abs=1e-6)
    assert found.std == pytest.approx(pixels.std(axis=0), abs=1e-6)
    assert channel_statistics(train, decoder) == found
    assert channel_statistics(manifest.split("train").select(range(12)), decoder) != found


def test_scale_and_offset_standardize_each_channel():
    """The mean becomes 0, and the deviation 1; the channels are in RGB order."""
    found = ChannelStatistics((100.0, 120.0, 140.0), (10.0, 20.0, 40.0))

    assert np.array([255, 128, 0]) * found.scale + found.offset == pytest.approx([15.5, 0.4, -3.5])


def test_channel_without_variation_does_not_divide_by_zero():
    """A data set of black images has finite features."""
    found = ChannelStatistics((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))

    assert np.isfinite(found.scale).all()
    assert not np.any(found.offset)


def test_order_of_the_images_does_not_matter(photos):
    """Sums of integers are exact, so the recipe is the same whatever the files are called."""
    manifest = scan(photos)

    assert channel_statistics(manifest.select(range(len(manifest))[::-1]), Decoder(9)) == channel_statistics(
        manifest, Decoder(9)
    )


def test_unreadable_images_are_left_out(tmp_path):
    """A damaged file among the training images changes nothing."""
    root = draw_tree(tmp_path, {"train": 2})
    before = channel_statistics(scan(root, split="100/0/0"), Decoder(8))
    (root / "train/red/broken.png").write_bytes(b"no image")
    manifest = scan(root, split="100/0/0")

    assert len(manifest) == 5
    assert channel_statistics(manifest, Decoder(8)) == before


def test_one_colour_has_no_deviation():
    """The deviation of a constant is zero, not the square root of a rounding error."""
    pixels = np.full((40, 6, 6, 3), (200, 77, 3), np.uint8)
    manifest = array_manifest(pixels, splits=["train", "validation"] * 20)

    assert channel_statistics(manifest, Decoder(6)) == ChannelStatistics((200.0, 77.0, 3.0), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "nothing that can be written"])
def test_short_cut_that_cannot_be_used_costs_only_time(kind, photos, tmp_path):
    """Nothing waits for a pipe in the place of remembered statistics."""
    manifest, decoder = scan(photos), Decoder(8)
    folder = tmp_path / "statistics"
    expected = kept_statistics(manifest, decoder, folder)
    (kept,) = folder.iterdir()
    kept.unlink()
    if kind == "a pipe":
        os.mkfifo(kept)
    elif kind == "a folder":
        (kept / "thesis").mkdir(parents=True)
    else:
        folder.rmdir()
        folder.touch()

    assert kept_statistics(manifest, decoder, folder) == expected


def test_no_readable_training_image_is_an_error(tmp_path):
    """There must be something to standardize by."""
    (tmp_path / "broken.png").write_bytes(b"no image")

    with pytest.raises(DataLayoutError, match=r"^None of the 1 training images can be read, so there is nothing to"):
        channel_statistics(scan(tmp_path, split="100/0/0"), Decoder(8))
