"""What is below a URL of a bucket, page by page."""

import os
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest

from pipeline.images.remote.filesystems import open_filesystem
from pipeline.images.remote.listing import list_below

if "CI" not in os.environ:  # a fresh clone has it
    pytest.importorskip("s3fs")

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def page(names, time):
    """A page of a listing as S3 gives it."""
    entries = "".join(
        f"<Contents><Key>{escape(name)}</Key><LastModified>{time}</LastModified><ETag>&quot;tag&quot;</ETag><Size>7</Size></Contents>"
        for name in names
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()


@pytest.mark.parametrize("time", ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05Z", "Fri, 02 Jan 2026 03:04:05 GMT"])
def test_listing_of_a_bucket_has_names_and_versions(web, monkeypatch, time):
    """Size, tag and time in whole seconds, however the time is written; a name that is no path is skipped."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    names = ["pets/a b+%?#&.jpg", "pets/ü/1.jpg", "pets/../1.jpg", "pets/folder/", "other/1.jpg"]
    web.files["/photos"] = page(names, time)
    found = list_below(open_filesystem("s3://photos/pets"), "s3://photos/pets")

    assert found.urls == {
        "a b+%?#&.jpg": "s3://photos/pets/a b+%?#&.jpg",
        "ü/1.jpg": "s3://photos/pets/ü/1.jpg",
    }
    assert {(version.size, version.tag, version.mtime_ns) for version in found.versions.values()} == {
        (7, "tag", int(MOMENT.timestamp()) * 10**9)
    }
    assert [entry.path for entry in found.skipped] == ["../1.jpg"]
