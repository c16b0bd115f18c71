"""A bucket, and a web server, which can only be read: their failures, and what of their URLs is shown."""

from collections.abc import Iterator

import pytest

import pipeline
from pipeline.cache.shared.layout import shard_path
from pipeline.cache.store import Store
from pipeline.errors import DataLayoutError, SettingError, UnreachableDataError, UnwritableStoreError
from pipeline.images.remote import fetch
from pipeline.images.remote.fetch import Patience
from tests.cache.samples import RECIPE, make_keys
from tests.cache.shared.conftest import Place
from tests.cache.shared.samples import counts, only, pull_all, push_all
from tests.cli.commands import call
from tests.servers import Web, serve_web

STORE = RECIPE.folder_name
SECRET = "X-Amz-Signature=topsecret&X-Amz-Expires=9"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """An empty web server, for which nobody waits long."""
    monkeypatch.setattr(fetch, "PATIENCE", Patience(tries=2, wait_seconds=0.01, seconds=2))
    with serve_web() as served:
        yield served


@pytest.fixture
def site(web, cache, shared_folder, tmp_path) -> Place:
    """A pushed folder on a web server."""
    push_all(shared_folder, cache)
    web.add_tree(shared_folder.folder, "/rows/")
    return Place(web.url("/rows"), tmp_path / "nobody")


def test_web_server_is_read(site, second):
    """One that lists its folders on pages."""
    assert sorted(counts(pull_all(site, second))) == [(5, 1), (20, 2)]


def test_web_server_takes_nothing(site, cache, second):
    """A push says where to push to."""
    Store(second, RECIPE).append(make_keys([77]), Store(cache, RECIPE).read(make_keys([3])), {})

    with pytest.raises(SettingError, match=r"can only be read\. Give the bucket itself"):
        push_all(site, second)


@pytest.mark.parametrize("fault", ["cut", "gone", 404])
def test_shard_that_a_server_breaks(fault, web, site, cache, second):
    """Cut off, or not there any more: it is not in the cache, and nothing else is left."""
    name = Store(cache, RECIPE).shard_paths()[0].name
    web.faults[f"/rows/{shard_path(STORE, name)}"] = [fault] * 9
    if fault == 404:
        done = pull_all(site, second, fits=only(RECIPE))
        assert [entry.path for entry in done.refused] == [shard_path(STORE, name)]
    else:
        with pytest.raises(UnreachableDataError, match="cannot be read"):
            pull_all(site, second, fits=only(RECIPE))
    assert name not in {path.name for path in second.rglob("*")}
    assert all(path.name == STORE for path in second.iterdir())


def test_objects_without_end_are_limited(web, site, cache, second, monkeypatch):
    """A web server does not say a size in its listing."""
    monkeypatch.setattr("pipeline.cache.shared.pull.MAX_BYTES", 2**16)
    name = Store(cache, RECIPE).shard_paths()[0].name
    web.faults[f"/rows/{shard_path(STORE, name)}"] = ["endless"]
    done = pull_all(site, second, fits=only(RECIPE))

    assert [entry.path for entry in done.refused] == [shard_path(STORE, name)]
    assert "more than 65,536 bytes" in done.refused[0].reason


def test_server_that_fails(web, site, second):
    """Is not taken for one with wrong rows."""
    web.faults["*"] = [503]

    with pytest.raises(UnreachableDataError, match="the server fails"):
        pull_all(site, second)


def test_signatures_are_not_shown(web, site, cache, second):
    """In results, warnings and errors."""
    name = Store(cache, RECIPE).shard_paths()[0].name
    web.files[f"/rows/{shard_path(STORE, name)}"] = b"broken"
    outcome = call("cache", "pull", f"{site.url}?{SECRET}", "--cache", second, "--json", "-q")

    assert outcome.code == 3
    assert [entry["path"] for entry in outcome.json["refused"]] == [shard_path(STORE, name)]
    assert outcome.json["url"] == site.url
    assert "topsecret" not in outcome.out + outcome.err
    outcome = call("cache", "pull", f"{web.url('/none')}?{SECRET}", "--cache", second)
    assert outcome.code == 2
    assert "topsecret" not in outcome.out + outcome.err


def test_other_protocols_are_refused(cache):
    """With the ones that are read."""
    with pytest.raises(DataLayoutError, match=r"expected s3://BUCKET"):
        pipeline.push_cache("ftp://host/rows", cache=cache)


@pytest.mark.slow
def test_bucket_that_does_not_exist(bucket, cache, second):
    """Names the cure, and no key."""
    bucket.url = "s3://there-is-no-such-bucket/rows"

    with pytest.raises(UnwritableStoreError) as caught:
        push_all(bucket, cache)
    assert "there-is-no-such-bucket" in str(caught.value)
    assert "testing" not in str(caught.value)


@pytest.mark.slow
def test_commands_on_a_bucket(bucket, cache, second):
    """Push, pull and what they print."""
    pushed = call("cache", "push", bucket.url, "--cache", cache, "-q")
    pulled = call("cache", "pull", bucket.url, "--cache", second, "--json", "-q")
    again = call("cache", "pull", bucket.url, "--cache", second, "-q")

    assert (pushed.code, pulled.code, again.code) == (0, 0, 0)
    assert sorted((store["rows"], store["shards"]) for store in pulled.json["stores"]) == [(5, 1), (20, 2)]
    assert pulled.json["url"] == bucket.url
    assert again.out == "Nothing to copy.\n"


@pytest.mark.slow
def test_rows_come_from_a_bucket(bucket, places, photos, tmp_path):
    """`--shared s3://...` instead of computing."""
    from tests.conftest import RANDOM

    pipeline.push_cache(bucket.url, cache=places["cache"], progress=False)
    done = pipeline.extract(photos, **RANDOM, cache=tmp_path / "cache", shared=bucket.url, progress=False)

    assert (done.num_new, done.num_fetched) == (0, 48)
