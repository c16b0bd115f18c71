"""Photographs that are made."""

import io
import pickle

import pytest
from PIL import Image

from pipeline.errors import SettingError
from pipeline.images.decode import Decoder
from pipeline.images.synthetic import made_photos


def test_made_photographs_are_jpegs_of_the_stated_size_with_contents_of_their_own():
    """Each has another digest; decoders take them for photographs; the size on the disk is about that of one."""
    manifest = made_photos(40, 300, 200)
    data = manifest.read(33)

    assert len(set(manifest.digests)) == len(manifest) == 40
    assert Image.open(io.BytesIO(data)).size == (300, 200)
    assert Decoder(64).decode(data).shape == (64, 64, 3)
    assert 0.5 < 8 * len(data) / (300 * 200) < 4
    assert [manifest.splits.count(name) for name in ("train", "validation", "test")] == [32, 4, 4]
    assert made_photos(40, 300, 200).digests == manifest.digests
    manifest.require_task()


def test_made_photographs_can_be_sent():
    """As bytes, to another process."""
    sent = pickle.loads(pickle.dumps(made_photos(3, 20, 10).detached(with_bytes=True)))

    assert sent.read(2) == made_photos(3, 20, 10).read(2)


def test_a_size_that_no_photograph_has_is_refused():
    """The form of a size is told."""
    with pytest.raises(SettingError, match="WIDTHxHEIGHT"):
        made_photos(1, 0, 10)
