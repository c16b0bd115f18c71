"""What is in files that have the name of an image and are none."""

import gzip

import pytest

from pipeline.images.files.kinds import unread_reason

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"\0" * 5000, "nothing but zero bytes"),
        (b'{"message":"Not Found"}', """not an image but text, which begins '{"message":"Not Found"}'"""),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "text, which begins"),
        (b"<!-- nginx --><html>", "a page of HTML"),
        (b"<head><title>403", "a page of HTML"),
        (b"data:image/png;base64,iVBOR", "a data URL"),
        (b"/9j/4AAQSkZJRgABAQ", "base64"),
        (PNG.replace(b"\r\n", b"\n"), "transferred as text"),
        (PNG.replace(b"\n", b"\r\n"), "transferred as text"),
        (PNG.decode("utf-8", "replace").encode(), "transferred as text"),
        (JPEG.decode("utf-8", "replace").encode(), "transferred as text"),
        (b"\n" + JPEG, "an image after 1 bytes of text"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + JPEG, "an image after 19 bytes of text"),
        (gzip.compress(JPEG), "compressed by gzip; unpack it"),
        (b"PK\3\4" + b"\0" * 40, "a zip archive; unpack it"),
        (b"\0" * 344 + b"n+1\0" + b"\1" * 9, "medical images"),
        (b"ZISRAWFILE" + b"\0" * 20, "microscopes"),
    ],
)
def test_content_is_named_with_a_cure(data, part):
    """Whatever a download, a copy or another program left there."""
    assert part in unread_reason(data)


@pytest.mark.parametrize("data", [b"", b"\x80\x81\x82", b"\x07\x80binary" + JPEG, b"\0\1\2" * 30])
def test_of_other_bytes_nothing_is_said(data):
    """Nothing is guessed."""
    assert unread_reason(data) == ""
