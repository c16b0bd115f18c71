"""Sections of an archive's file."""

import io

import pytest

from pipeline.images.sources.archives.members import read_piece


def test_section_is_read_wherever_it_lies():
    """In any order, and none of no bytes."""
    file = io.BytesIO(b"0123456789")

    assert [read_piece(file, *piece) for piece in ((7, 3), (0, 2), (5, 0))] == [b"789", b"01", b""]


def test_section_beyond_the_end_is_an_error():
    """Fewer bytes are never taken for the whole."""
    with pytest.raises(OSError, match=r"the archive is truncated: 3 of 1,000 bytes"):
        read_piece(io.BytesIO(b"0123456789"), 7, 1000)
