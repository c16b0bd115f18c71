"""Data and shared rows in Google's and Azure's buckets through the public functions, against emulators of both."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

import pipeline
from pipeline.errors import DataNotFoundError, UnreachableDataError, UnwritableStoreError
from pipeline.images.remote import fetch, objects, providers
from pipeline.images.remote.fetch import Patience
from tests.clouds import serve_azure, serve_google
from tests.conftest import RANDOM, draw_tree
from tests.servers import serve_web

ODD = (
    "a b",
    "100%",
    "a%20b",
    "q?x=1",
    "hash#1",
    "plus+1",
    "star*",
    "br[1]",
    "ü-é",
    "日本",
    "amp&x",
    "quo'te",
    "back\\x",
)


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """Class folders with splits."""
    return draw_tree(tmp_path_factory.mktemp("pets"), {"train": 4, "validation": 2, "test": 2})


@pytest.fixture(scope="module", params=["google", "azure"])
def server(request, tmp_path_factory, pets):
    """An emulator with the images as a folder, a zip, a table and a Parquet file."""
    folder = tmp_path_factory.mktemp("cloud")
    with serve_google() if request.param == "google" else serve_azure(folder) as cloud:
        cloud.fill(pets, "pets")
        cloud.put("pets.zip", Path(shutil.make_archive(str(folder / "pets"), "zip", pets)).read_bytes())
        found = pipeline.scan(pets)
        said = {"label": found.labels, "split": found.splits}
        table = pd.DataFrame({"path": [f"pets/{name}" for name in found.names], **said})
        cloud.put("table.csv", table.to_csv(index=False).encode())
        images = [found.read(row) for row in range(len(found))]
        pd.DataFrame({"image": images, **said}).to_parquet(folder / "images.parquet")
        cloud.put("images.parquet", (folder / "images.parquet").read_bytes())
        yield cloud


@pytest.fixture
def cloud(server, monkeypatch):
    """The same emulator, which libraries ask."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def own(tmp_path):
    """Keywords of an empty cache and of no runs."""
    return {**RANDOM, "cache": tmp_path / "cache", "runs": tmp_path / "runs"}


@pytest.fixture
def fetched(monkeypatch):
    """The URLs of the images that were fetched."""
    urls, real = [], objects.fetch

    async def fetch_one(system, url, **keywords):
        urls.append(url)
        return await real(system, url, **keywords)

    monkeypatch.setattr(objects, "fetch", fetch_one)
    return urls


def test_all_kinds_of_data_are_the_same_images(cloud, pets, own, fetched):
    """A folder, a zip, a table, a Parquet file and a table of URLs give the rows of the folder here; nothing is fetched twice."""
    pipeline.extract(pets, **own)
    table = pd.DataFrame(
        {"path": [cloud.url(f"pets/train/{label}/{label}000.png") for label in ("red", "blue")], "label": ["a", "b"]}
    )

    for data in map(cloud.url, ("pets", "pets.zip", "table.csv", "images.parquet")):
        found = pipeline.extract(data, **own)
        assert (found.num_rows, found.num_new) == (16, 0)
    assert pipeline.extract(table, **own).num_rows == 2
    assert len(fetched) == len(set(fetched)) == 16


def test_changed_objects_alone_are_fetched(cloud, pets, own, fetched):
    """Their ETags or checksums say so."""
    pipeline.extract(cloud.url("pets"), **own)
    path = pets / "train" / "red" / "red000.png"
    fetched.clear()
    pipeline.extract(cloud.url("pets"), **own)
    assert fetched == []

    cloud.put("pets/train/red/red000.png", path.read_bytes() + b"more")
    found = pipeline.extract(cloud.url("pets"), **own)
    cloud.put("pets/train/red/red000.png", path.read_bytes())
    assert (found.num_new, fetched) == (1, [cloud.url("pets/train/red/red000.png")])


def test_odd_names_are_read(cloud, pets, own):
    """In a folder and one by one; objects of any size, and none, are read in ranges."""
    files = sorted(pets.rglob("*.png"))
    for path, name in zip(files, ODD, strict=False):
        cloud.put(f"odd/{name}.png", path.read_bytes())
    run = pipeline.fit(cloud.url("pets"), name="far", plots=False, **own)
    places = {"cache": own["cache"], "runs": own["runs"]}
    one_by_one = [cloud.url(f"odd/{name}.png") for name in ODD]

    assert all(found.label for found in pipeline.predict(run, one_by_one, **places))
    folder = [found.path for found in pipeline.predict(run, cloud.url("odd"), **places)]
    assert len(folder) == len(ODD)


def test_object_with_the_name_of_a_folder(cloud, pets):
    """Some tools leave one for each folder; as DATA it is none if nothing is below it."""
    cloud.fill(pets, "marked")
    cloud.put("marked", b"x")
    cloud.put("marked/train", b"x")
    cloud.put("alone", b"x")

    assert pipeline.scan(cloud.url("marked")).digests == pipeline.scan(pets).digests
    with pytest.raises(DataNotFoundError, match="nothing is there"):
        pipeline.scan(cloud.url("alone"))


def test_large_objects_come_in_ranges(cloud, monkeypatch, own):
    """An archive that is larger than a range is the same file."""
    monkeypatch.setattr(providers, "RANGE_BYTES", 5_000)

    assert len(pipeline.scan(cloud.url("pets.zip"), cache=own["cache"])) == 16


def test_rows_are_pushed_pulled_and_read_through(cloud, pets, own, tmp_path):
    """A shared cache in the bucket: what was pushed is pulled, fetched and shared."""
    rows = cloud.url("rows", bucket="team")
    pipeline.extract(pets, **own)
    assert pipeline.push_cache(rows, cache=own["cache"]).transfers[0].rows == 16
    assert pipeline.push_cache(rows, cache=own["cache"]).transfers[0].rows == 0
    assert pipeline.pull_cache(rows, cache=tmp_path / "second").transfers[0].rows == 16

    found = pipeline.extract(cloud.url("pets"), shared=rows, **own | {"cache": tmp_path / "third"})
    assert (found.num_new, found.num_fetched) == (0, 16)
    larger = {**own, "cache": tmp_path / "third", "size": 64}
    assert pipeline.extract(cloud.url("pets"), shared=rows, share=True, **larger).num_new == 16
    assert len(pipeline.pull_cache(rows, cache=tmp_path / "fourth").transfers) == 2


def test_what_does_not_exist_is_named(cloud, own):
    """A bucket, a path, an archive, a bucket to write to."""
    for url in (cloud.url("pets", bucket="nowhere"), cloud.url("none"), cloud.url("gone.zip")):
        with pytest.raises(DataNotFoundError, match=rf"{url} cannot be read: it does not exist \(\w[\w ]+\)\. Check"):
            pipeline.extract(url, **own)
    pipeline.extract(cloud.url("pets"), **own)
    with pytest.raises(UnwritableStoreError, match=r"cannot be written: .*Check the name of the bucket"):
        pipeline.push_cache(cloud.url("rows", bucket="nowhere"), cache=own["cache"])


@pytest.mark.parametrize("protocol", ["gs", "az"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (403, "access is denied .*(gcloud auth|AZURE_STORAGE_CONNECTION_STRING)"),
        (401, "access is denied .*(gcloud auth|AZURE_STORAGE_CONNECTION_STRING)"),
        (503, "the server fails or does not answer"),
    ],
)
def test_libraries_do_not_try_on_their_own(protocol, fault, words, monkeypatch, own, caplog):
    """The number of requests is that of our own tries, and what the libraries log has no traceback."""
    pytest.importorskip("gcsfs" if protocol == "gs" else "adlfs")
    monkeypatch.setattr(fetch, "PATIENCE", Patience(tries=2, wait_seconds=0.01, seconds=5))
    with serve_web() as web:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", web.root)
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING", f"AccountName=dev;AccountKey=a2V5;BlobEndpoint={web.root}/dev"
        )
        web.faults["*"] = [fault]
        with pytest.raises(UnreachableDataError, match=words):
            pipeline.extract(f"{protocol}://photos/pets", **own)

        assert len(web.requests) <= 4
    assert [record for record in caplog.records if record.exc_info] == []
