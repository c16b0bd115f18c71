"""Files that are cut off, in a program that has told Pillow to read them all the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import ImageFile

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from tests.images.decoding.test_decoder import draw_photograph


def test_what_is_missing_is_never_gray(monkeypatch):
    """The program keeps its setting, and its images that are whole are read, by many threads at a time."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    photo, decoder = draw_photograph((64, 48)), Decoder(32)

    def refused(number):
        if number % 2:
            return decoder.decode(photo) is None
        with pytest.raises(UnreadableImageError, match=r"^damaged: .*truncated"):
            decoder.decode(photo[: len(photo) // 2])
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(refused, range(20))) == [True, False] * 10
    assert ImageFile.LOAD_TRUNCATED_IMAGES
