"""URLs of buckets that are signed: those of the library, with less work."""

import os
import sys
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from pipeline.images.remote import signing
from pipeline.images.remote.fetch import FetchError, fetch
from pipeline.images.remote.filesystems import open_filesystem
from pipeline.images.remote.loop import wait
from pipeline.images.remote.signing import Signers, sign_like

if "CI" not in os.environ:  # a fresh clone has it
    pytest.importorskip("s3fs")

NAMES = (
    "1.jpg",
    "a b/c  d.jpg",
    "ü/é/日本/😀.jpg",
    "e\u0301.jpg",
    "1+1=2&3;4,5.jpg",
    "100%/%20.jpg",
    "why?/x=1?y=2.jpg",
    "no#1.jpg",
    "~user/(1)!*'$@:|^`{}[]<>\\\".jpg",
    "a/./b/../c//d.jpg",
    " .jpg ",
)
QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
)
ARN = "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"


@pytest.fixture
def keys(monkeypatch, tmp_path):
    """An environment with credentials of S3 and nothing else of Amazon's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return monkeypatch


def count_asks(system):
    """A list that grows whenever the library signs a URL."""
    asked = []
    wait(system.fs.set_session()).meta.events.register("before-sign.s3.GetObject", lambda **_: asked.append(1))
    return asked


async def urls_of(system, bucket, name):
    """The URL that is used, and the library's, signed in the same second."""
    client = await system.fs.get_s3(bucket)
    wanted = {"Bucket": bucket, "Key": name}
    while True:
        own = await (await Signers().of(system.fs, bucket)).url(name)
        theirs = await client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=3600)
        if own.partition("X-Amz-Date")[2][:17] == theirs.partition("X-Amz-Date")[2][:17]:
            return own, theirs


async def url_of(system, name):
    """The URL that is used for an object of the bucket `photos`."""
    return await (await system.signers.of(system.fs, "photos")).url(name)


@pytest.mark.parametrize(
    ("bucket", "environment", "config", "start"),
    [
        ("photos", {}, "", "https://photos.s3.amazonaws.com/"),
        ("with.dots", {}, "", "https://s3.amazonaws.com/with.dots/"),
        ("photos", {"AWS_DEFAULT_REGION": "eu-west-1"}, "", "https://photos.s3.amazonaws.com/"),
        ("photos", {"AWS_SESSION_TOKEN": "to/k+en=="}, "addressing_style = path", "https://s3.amazonaws.com/photos/"),
        ("photos", {"AWS_ENDPOINT_URL": "http://h:9000"}, "", "http://h:9000/photos/"),
        ("photos", {"AWS_ENDPOINT_URL": "https://h:443/s3"}, "", "https://h:443/s3/photos/"),
        ("photos", {"AWS_ENDPOINT_URL": "http://[::1]:9000"}, "", "http://[::1]:9000/photos/"),
        ("photos", {"AWS_ENDPOINT_URL": "http://H.org"}, "addressing_style = virtual", "http://photos.H.org/"),
        (ARN, {}, "", "https://mine-123456789012.s3-accesspoint.us-west-2.amazonaws.com/"),
    ],
)
def test_urls_are_those_of_the_library(keys, tmp_path, bucket, environment, config, start):
    """Wherever a bucket is, and whatever its objects are called; the library is asked a few times, and not for each object."""
    for name, value in environment.items():
        keys.setenv(name, value)
    (tmp_path / "config").write_text(f"[default]\ns3 =\n    {config}\n" if config else "")
    system = open_filesystem("s3://photos/x")
    asked = count_asks(system)
    signer = wait(system.signers.of(system.fs, bucket))
    for name in NAMES:
        wait(signer.url(name))

    assert len(asked) == 1
    assert "testing-secret" not in repr(system) + repr(signer)
    for name in NAMES:
        own, theirs = wait(urls_of(system, bucket, name))
        assert own == theirs
        address, _, query = own.partition("?")
        assert unquote(address) == start + name
        region = "us-west-2" if bucket == ARN else os.environ["AWS_DEFAULT_REGION"]
        assert f"/{region}/s3/aws4_request" in parse_qs(query)["X-Amz-Credential"][0]
        assert ("X-Amz-Security-Token" in query) == ("AWS_SESSION_TOKEN" in environment)


def test_other_ways_of_signing_are_left_to_the_library(keys):
    """Where the library would give another URL, it gives each of them."""
    system = open_filesystem("s3://photos/x")

    def add_parameter(request, **_):
        request.params["x-id"] = "GetObject"

    wait(system.fs.set_session()).meta.events.register("before-sign.s3.GetObject", add_parameter)
    for name in NAMES:
        own, theirs = wait(urls_of(system, "photos", name))
        assert own == theirs
        assert parse_qs(urlsplit(own).query)["x-id"] == ["GetObject"]


def test_public_buckets_are_asked_without_a_signature(keys, web):
    """Without credentials a URL has no query; names are quoted in the same way."""
    keys.delenv("AWS_ACCESS_KEY_ID")
    keys.setenv("AWS_ENDPOINT_URL", web.url())
    system = open_filesystem("s3://photos/x")
    web.files = {f"/photos/{name}": name.encode() for name in NAMES}
    for name in NAMES:
        data, _ = wait(fetch(system, f"s3://photos/{name}", at_most=99))
        assert data.decode() == name

    assert web.asked() == [f"/photos/{name}" for name in NAMES]
    assert [wait(url_of(system, name)) for name in ("1.jpg", "a b?.jpg")] == [
        web.url("/photos/1.jpg"),
        web.url("/photos/a%20b%3F.jpg"),
    ]


def test_credentials_are_renewed(keys, web, tmp_path):
    """Each URL is signed with credentials that are valid then: those that end soon are exchanged for new ones."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        keys.delenv(name)
    script = tmp_path / "keys.py"
    script.write_text(
        "import datetime, json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = len(count.read_text()) if count.exists() else 0\n"
        "count.write_text('x' * (number + 1))\n"
        "end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 's', 'SessionToken': f't{number}', 'Expiration': end.isoformat()}))\n"
    )
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    system = open_filesystem("s3://photos/x")
    keys.setattr(signing, "_FRESH_SECONDS", 0)  # a minute is over
    found = [parse_qs(urlsplit(wait(url_of(system, "1.jpg"))).query) for _ in range(2)]
    credentials = wait(system.fs.session.get_credentials())
    keys.setattr(credentials, "_advisory_refresh_timeout", 2 * 3600)  # an hour is soon
    found.append(parse_qs(urlsplit(wait(url_of(system, "1.jpg"))).query))

    assert [query["X-Amz-Credential"][0].partition("/")[0] for query in found] == ["KEY1", "KEY1", "KEY2"]
    assert [query["X-Amz-Security-Token"][0] for query in found] == ["t1", "t1", "t2"]


def test_signature_is_that_of_the_example_of_amazon():
    """The page of Amazon that `sign_like` names has a key, a URL and its signature."""
    sign = signing._signing(
        "https://examplebucket.s3.amazonaws.com/", QUERY, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    )

    assert sign("test.txt") == (
        f"https://examplebucket.s3.amazonaws.com/test.txt?{QUERY}"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize(
    "example",
    [
        "https://h/photos/other.jpg",
        "https://h/photos/{name}?AWSAccessKeyId=testing&Signature=abc&Expires=1",
        f"https://examplebucket.s3.amazonaws.com/{{name}}?{QUERY}&X-Amz-Signature=abc",
    ],
)
def test_signatures_that_are_not_understood_are_not_imitated(example):
    """Another address, another way of signing, another key."""
    name = quote(signing._NAME, safe="/~")

    assert sign_like(example.format(name=name), "testing-secret") is None


def test_credentials_that_cannot_be_renewed_are_an_error(keys, tmp_path):
    """The reason names credentials, and none of them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        keys.delenv(name)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} -c 1/0\n")
    system = open_filesystem("s3://photos/x")
    with pytest.raises(FetchError, match=r"access is denied \(.*credentials.*\)") as caught:
        wait(fetch(system, "s3://photos/1.jpg", at_most=99))

    assert caught.value.kind == "denied"


def test_buckets_of_other_regions_are_found_once(keys, web):
    """The first object tells the region; all others are asked for there, once each."""
    keys.setenv("AWS_ENDPOINT_URL", web.url())
    web.region = "eu-central-1"
    web.files = {f"/photos/{number}.jpg": b"%d" % number for number in range(5)}
    system = open_filesystem("s3://photos/x")
    found = [wait(fetch(system, f"s3://photos/{number}.jpg", at_most=99))[0] for number in range(5)]

    assert found == [b"0", b"1", b"2", b"3", b"4"]
    asked = web.asked()
    assert asked[-4:] == [f"/photos/{number}.jpg" for number in range(1, 5)]
    assert set(asked[:-4]) == {"/photos/0.jpg"}

    web.region = "ap-south-1"  # the bucket was made again elsewhere
    assert wait(fetch(system, "s3://photos/2.jpg", at_most=99))[0] == b"2"
    web.asked()
    assert wait(fetch(system, "s3://photos/3.jpg", at_most=99))[0] == b"3"
    assert web.asked() == ["/photos/3.jpg"]
