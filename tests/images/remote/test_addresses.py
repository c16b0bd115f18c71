"""URLs as texts."""

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.remote.addresses import (
    check_url,
    folder_of,
    is_url,
    join,
    name_in,
    refusal,
    sendable,
    shown,
    without_secrets,
)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://me:secret@host:80/a%20b/1.jpg#part", "https://host:80/a%20b/1.jpg"),
        ("https://me@evil@host/1.jpg", "https://host/1.jpg"),
        ("https://h/1.jpg?X-Amz-Credential=AK&X-Amz-Expires=9&X-Amz-Signature=5e&w=200", "https://h/1.jpg?w=200"),
        ("https://h/1.jpg?sv=2024&se=2026&sr=b&sp=r&sig=abc", "https://h/1.jpg"),
        ("https://h/1.jpg?Expires=1&Signature=x&Key-Pair-Id=K", "https://h/1.jpg"),
        ("https://h/1.jpg?access_token=x&API_KEY=y&password=z&auth=a", "https://h/1.jpg"),
        ("https://h?sig=x", "https://h"),
        ("s3://bucket/a#1?x.jpg", "s3://bucket/a#1?x.jpg"),
        ("s3://key:secret@bucket/1.jpg", "s3://bucket/1.jpg"),
        ("az://box/1.jpg?sv=1&sig=abc", "az://box/1.jpg"),
        ("abfs://box@account.dfs.core.windows.net/1.jpg", "abfs://box@account.dfs.core.windows.net/1.jpg"),
        ("photos/1.jpg", "photos/1.jpg"),
    ],
)
def test_shown_url_has_no_secrets(url, text):
    """User, password and signature are left out, and what tells images apart is kept."""
    assert shown(url) == text


def test_long_values_are_shown_as_digests():
    """A value that may be a key is not shown, but two of them are shown differently."""
    first, second = (shown(f"https://h/show?image={letter * 40}") for letter in "ab")

    assert "aaaa" not in first
    assert first != second


def test_secrets_in_texts_are_removed():
    """In a message or a command line each URL is shown without its secrets; the rest stays."""
    text = "bottleneck head 'https://me:pw@h/1.zip?sig=5e' --root=s3://a:b@c/d; GET https://h/x?token=t: status 403"

    assert without_secrets(text) == ("bottleneck head 'https://h/1.zip' --root=s3://c/d; GET https://h/x status 403")
    assert without_secrets("no address: a//b") == "no address: a//b"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://host/1.jpg", "the protocol ftp:// is not read"),
        ("file:///etc/passwd", "the protocol file:// is not read"),
        ("s3:///1.jpg", "a URL without a host or a bucket"),
        ("https://?x=1", "a URL without a host or a bucket"),
        ("https://h/a\n.jpg", "control characters"),
        ("s3://b/x::file:///etc/passwd", "control characters or `::`"),
        ("https://h/" + "x" * 5000, "too long"),
    ],
)
def test_urls_that_are_not_read_have_a_reason(url, reason):
    """Other protocols, chains of fsspec, and texts that are no URL are refused, before anything is opened."""
    assert reason in str(refusal(url))
    with pytest.raises(DataLayoutError, match=r"\."):
        check_url(url)


def test_urls_are_told_from_paths():
    """A drive, a data set's name and a path are none."""
    assert [is_url(text) for text in ("s3://b/x", "https://h", "C:\\x", "keras:mnist", "a/b", "a//b", b"s3://b")] == [
        True,
        True,
        *[False] * 5,
    ]


def test_names_and_folders_are_those_of_the_path():
    """The query is no part of the name, and a quoted name is read."""
    assert name_in("https://h/cats/1%20a.jpg?w=200") == "1 a.jpg"
    assert name_in("s3://bucket/cats/1%20a.jpg") == "1%20a.jpg"
    assert (name_in("s3://bucket"), name_in("https://h/x/")) == ("", "x")
    assert folder_of("https://h/data/table.csv?sig=1") == "https://h/data"
    assert folder_of("s3://bucket/table.csv") == "s3://bucket"


def test_relative_paths_are_joined_within_the_root():
    """Paths are names, so they are quoted for web servers; `..` leads nowhere above the root, and never out of the bucket."""
    assert join("https://h/data", "cats/1 #a?.jpg") == "https://h/data/cats/1%20%23a%3F.jpg"
    assert join("https://h/data", "cats/1%20a.jpg") == "https://h/data/cats/1%20a.jpg"
    assert join("s3://b/data", "./cats//1 a.jpg") == "s3://b/data/cats/1 a.jpg"
    assert join("s3://b/data", "cats/../1.jpg") == "s3://b/data/1.jpg"
    assert join("s3://b/data", "../1.jpg") is None
    assert join("s3://b/data", "../1.jpg", may_leave=True) == "s3://b/1.jpg"
    assert join("s3://b/data", "../../1.jpg", may_leave=True) is None


def test_urls_are_sent_as_they_are_signed():
    """What is quoted stays quoted, and the rest is quoted."""
    assert sendable("https://h/a%2Fb c/ä.jpg?sig=x%2By%3D&w=1") == "https://h/a%2Fb%20c/%C3%A4.jpg?sig=x%2By%3D&w=1"
