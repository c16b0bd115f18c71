"""Synthetic images."""

import io
import pickle

import pytest
from PIL import Image

from pipeline.errors import SettingError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.requirements import require_task
from pipeline.images.synthetic import synthetic_images


def test_synthetic_images_are_different_jpegs_of_the_given_size():
    """Each has its own digest; decoders read them; their size on the disk is about that of a photograph."""
    manifest = synthetic_images(40, 300, 200)
    data = manifest.read(33)

    assert len(set(manifest.digests)) == len(manifest) == 40
    assert Image.open(io.BytesIO(data)).size == (300, 200)
    assert Decoder(64).decode(data).shape == (64, 64, 3)
    assert 0.5 < 8 * len(data) / (300 * 200) < 4
    assert [manifest.splits.count(name) for name in ("train", "validation", "test")] == [32, 4, 4]
    assert synthetic_images(40, 300, 200).digests == manifest.digests
    require_task(manifest)


def test_synthetic_images_can_be_sent():
    """As bytes, to another process."""
    sent = pickle.loads(pickle.dumps(synthetic_images(3, 20, 10).detached(with_bytes=True)))

    assert sent.read(2) == synthetic_images(3, 20, 10).read(2)


def test_a_size_out_of_range_is_refused():
    """The message shows the form of a size."""
    with pytest.raises(SettingError, match="WIDTHxHEIGHT"):
        synthetic_images(1, 0, 10)
