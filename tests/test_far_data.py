"""Data in buckets and on web servers through the public functions: a real server of S3, and a web server that fails."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pipeline
from pipeline.errors import DataLayoutError, DataNotFoundError, UnreachableDataError
from pipeline.images.remote import fetch
from pipeline.images.remote.fetch import Patience
from tests.conftest import RANDOM
from tests.ready import start_server
from tests.servers import serve_buckets, serve_web

if "CI" not in os.environ:  # a fresh clone has both
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")

SECRETS = ("Signature", "testing-secret", "Credential")


@pytest.fixture(scope="module")
def buckets(tmp_path_factory, photos):
    """A server with the photos in a bucket, and as a zip, and as a table beside them."""
    folder = tmp_path_factory.mktemp("buckets")
    with serve_buckets(folder) as server:
        server.fill("photos", photos, "pets/")
        archive = Path(shutil.make_archive(str(folder / "pets"), "zip", photos))
        found = pipeline.scan(photos)
        table = {"path": [f"pets/{name}" for name in found.names], "label": found.labels, "split": found.splits}
        text = pd.DataFrame(table).to_csv(index=False)
        for name, body in (("pets.zip", archive.read_bytes()), ("table.csv", text.encode())):
            server.client.put_object(Bucket="photos", Key=name, Body=body)
        yield server


@pytest.fixture
def bucket(buckets, monkeypatch):
    """The same server, which libraries ask; its log is empty."""
    for name, value in buckets.environment.items():
        monkeypatch.setenv(name, value)
    buckets.asked()
    return buckets


@pytest.fixture
def web(monkeypatch):
    """An empty web server, and little patience."""
    monkeypatch.setattr(fetch, "PATIENCE", Patience(tries=2, wait_seconds=0.01, seconds=5, failures=6))
    with serve_web() as served:
        yield served


@pytest.fixture
def own(tmp_path):
    """Keywords of an empty cache and of no runs."""
    return {**RANDOM, "cache": tmp_path / "cache", "runs": tmp_path / "runs"}


def gets(server):
    """The objects that were fetched since the last call."""
    return sorted(
        line.partition(" ")[2].partition("?")[0] for line in server.asked() if line.startswith("GET /photos/pets")
    )


def test_unchanged_objects_are_only_listed(bucket, photos, own):
    """The first extraction fetches each object once, and the second one none; a new object is fetched alone."""
    first = pipeline.extract("s3://photos/pets", **own)
    fetched = gets(bucket)
    assert len(fetched) == len(set(fetched)) == 48
    assert first.num_new == 48
    assert sorted(first.manifest.digests) == sorted(pipeline.scan(photos).digests)

    second = pipeline.extract("s3://photos/pets", **own)
    assert second.num_new == 0
    asked = bucket.asked()
    assert [line for line in asked if "/pets/" in line] == []
    assert len(asked) == 1

    body = next(photos.glob("train/red/*")).read_bytes() + b"more"
    bucket.client.put_object(Bucket="photos", Key="pets/train/red/new.png", Body=body)
    pipeline.extract("s3://photos/pets", **own)
    fetched = gets(bucket)
    bucket.client.delete_object(Bucket="photos", Key="pets/train/red/new.png")

    assert fetched == ["/photos/pets/train/red/new.png"]


def test_rows_are_computed_while_others_are_fetched(web, photos, own):
    """Without a spool, too, each object is fetched once; when the server fails, the rows of what had come are kept."""
    web.add_tree(photos, "/p/")
    far = {**own, "batch_size": 4, "spool_gb": 0}
    images = sorted(path for path in web.files)
    for path in images[24:]:
        web.faults[path] = [503] * 99
    with pytest.raises(UnreachableDataError, match=r"The last \d+ objects .*Rows made so far are kept"):
        pipeline.extract(web.url("/p/"), **far)
    web.faults.clear()
    web.asked()
    rest = pipeline.extract(web.url("/p/"), **far)
    here = pipeline.extract(photos, **{**own, "cache": own["cache"].with_name("here")})

    assert 0 < rest.num_new < 48
    assert len(web.asked("GET")) == 10 + rest.num_new, "ten pages, and the objects without a row"
    assert rest.engine == here.engine
    keys = here.keys()
    np.testing.assert_allclose(rest.store.read(keys), here.store.read(keys), atol=1e-4)


def test_odd_names_and_public_buckets(bucket, photos, tmp_path, monkeypatch):
    """Whatever an object is called, it is fetched once, with a signature; without credentials the same bucket is read without one."""
    files = sorted(photos.rglob("*.png"))
    names = [
        "a b.png",
        "ü/日本😀.png",
        "1+1=2&3;4.png",
        "100%/%20.png",
        "x=1?y=2.png",
        "no#1.png",
        "~(1)!*'$@:|^`{}[].png",
    ]
    client = bucket.client
    client.create_bucket(Bucket="odd")
    for name, file in zip(names, files, strict=False):
        client.put_object(Bucket="odd", Key=f"in/{name}", Body=file.read_bytes(), ACL="public-read")
    bucket.asked()
    signed = pipeline.scan("s3://odd/in", cache=tmp_path / "1")
    asked = [line for line in bucket.asked() if "/odd/in/" in line]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    public = pipeline.scan("s3://odd/in", cache=tmp_path / "2")
    unsigned = [line for line in bucket.asked() if "/odd/in/" in line]

    assert sorted(signed.names) == sorted(public.names) == sorted(names)
    digests = {name: hashlib.sha256(file.read_bytes()).digest() for name, file in zip(names, files, strict=False)}
    assert dict(zip(signed.names, signed.digests, strict=True)) == digests
    assert public.digests == signed.digests
    assert len(asked) == len(unsigned) == len(names)
    assert all("X-Amz-Signature=" in line for line in asked)
    assert not any("X-Amz" in line for line in unsigned)


def test_archives_and_tables_in_a_bucket_are_the_same_data(bucket, photos, own):
    """A zip and a table beside the images give the rows of the folder; what is kept is asked for its version alone."""
    pipeline.extract(photos, **own)
    for data in ("s3://photos/pets.zip", "s3://photos/table.csv"):
        assert pipeline.extract(data, **own).num_new == 0
        bucket.asked()
        assert pipeline.extract(data, **own).num_rows == 48
        assert [line for line in bucket.asked() if line.startswith("GET")] == []


def test_commands_work_on_far_images(bucket, photos, own, tmp_path):
    """Heads, predictions, evaluations, audits and searches take URLs; nothing that is written has a secret."""
    client = bucket.client
    signed = client.generate_presigned_url("get_object", {"Bucket": "photos", "Key": "pets.zip"})
    image = client.generate_presigned_url("get_object", {"Bucket": "photos", "Key": "pets/test/red/red000.png"})
    run = pipeline.fit(signed, name="far", plots=False, command=f"bottleneck head {signed.partition('?')[0]}", **own)
    places = {"cache": own["cache"], "runs": own["runs"]}
    one = pipeline.predict(run, [image, "s3://photos/pets/test/red/red001.png", "s3://photos/gone.png"], **places)
    many = pipeline.predict(run, "s3://photos/pets/test", **places)
    here = pipeline.predict(run, photos / "test", **places)

    assert one[0].path == image.partition("?")[0]
    assert (len(one), len(many)) == (3, 12)
    np.testing.assert_allclose(
        np.asarray([prediction.probability for prediction in many]),
        np.asarray([prediction.probability for prediction in here]),
        atol=1e-5,
    )
    assert pipeline.evaluate(run, "s3://photos/pets/test", **places).scores is not None
    pipeline.audit("s3://photos/pets", out=tmp_path / "audit.html", **own)
    pipeline.similar(image, "s3://photos/pets", **own)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in written)
    assert [path for path in written if any(word.encode() in path.read_bytes() for word in SECRETS)] == []


def test_report_fetches_what_it_shows(bucket, own, tmp_path):
    """Images that were read from there with this cache, each once; with another one the page says how to show them."""
    pipeline.fit("s3://photos/pets", name="far", plots=False, **own)
    gets(bucket)
    pipeline.report("far", cache=own["cache"], runs=own["runs"])
    assert len(fetched := gets(bucket)) == len(set(fetched)) == 48

    page = pipeline.report("far", cache=tmp_path / "other", runs=own["runs"]).path.read_text()
    assert "report --data DATA" in page
    assert gets(bucket) == []
    page = pipeline.report("far", cache=tmp_path / "other", runs=own["runs"], data="s3://photos/pets").path.read_text()
    assert "report --data DATA" not in page


def test_patterns_are_read(bucket, photos, own):
    """Of names in a bucket; as DATA they are none."""
    run = pipeline.fit("s3://photos/pets", name="far", plots=False, **own)
    found = pipeline.predict(run, "s3://photos/pets/test/*/*0.png", cache=own["cache"], runs=own["runs"])

    assert [one.path for one in found] == [
        f"s3://photos/pets/{path.relative_to(photos).as_posix()}" for path in sorted(photos.glob("test/*/*0.png"))
    ]
    with pytest.raises(DataLayoutError, match="give the folder s3://photos/pets/, or a table"):
        pipeline.extract("s3://photos/pets/*/red/*.png", **own)


def test_live_training_fetches_each_object_once(bucket, own):
    """All epochs read from the spool."""
    pipeline.end_to_end("s3://photos/pets", "dense:4,relu", epochs=2, plots=False, **own)

    assert len(fetched := gets(bucket)) == len(set(fetched)) == 48, "those of the test split are hashed, too"


def test_labels_are_checked_before_anything_is_fetched(bucket, own, tmp_path):
    """A training of one class fails in a moment, and not after hours of fetching; a table of URLs, too."""
    with pytest.raises(DataLayoutError, match="A head needs labels"):
        pipeline.fit("s3://photos/pets/train/red/", **own)
    table = tmp_path / "table.csv"
    table.write_text(
        "path,label\ns3://photos/pets/train/red/red000.png,red\ns3://photos/pets/train/red/red001.png,red\n"
    )
    with pytest.raises(DataLayoutError, match=r"at least two classes. Received: \['red'\]"):
        pipeline.sweep(table, **own)

    assert gets(bucket) == []


def test_missing_buckets_and_paths_are_named(bucket, own):
    """The message says what does not exist, and what to check."""
    for url in ("s3://nowhere/pets", "s3://photos/no/such", "s3://photos/gone.zip"):
        with pytest.raises(
            DataNotFoundError, match=rf"{url} cannot be read: it does not exist .* Check the name of the bucket"
        ):
            pipeline.extract(url, **own)


def test_denied_and_failing_servers_say_the_cure(web, own, monkeypatch):
    """Without credentials a public bucket is read; where access is denied, it says that none were found and how to set them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url())
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    web.faults["*"] = [403]
    with pytest.raises(
        UnreachableDataError, match=r"denied .*No credentials were found\. Set AWS_ACCESS_KEY_ID.*s3:ListBucket"
    ):
        pipeline.extract("s3://photos/pets", **own)
    web.faults["*"] = [503]
    with pytest.raises(UnreachableDataError, match="the server fails or does not answer"):
        pipeline.extract("s3://photos/pets", **own)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises((DataLayoutError, UnreachableDataError), match="nobody"):
        pipeline.extract("s3://photos/pets", **own)


def test_rows_are_kept_when_the_server_fails_meanwhile(web, photos, own):
    """A server that fails in stage one ends the command with the cure, and the next one computes what is missing."""
    web.add_tree(photos, "/p/")
    far = {**own, "batch_size": 4, "spool_gb": 0, "engine": "tensorflow", "backend": "threading"}
    manifest = pipeline.scan(web.url("/p/"), **far)
    order = np.argsort([digest.hex() for digest in manifest.digests])
    for row in order[24:]:
        web.faults[f"/p/{manifest.names[row]}"] = [503] * 99
    with pytest.raises(UnreachableDataError, match=r"The last \d+ objects .* the same command goes on from there"):
        pipeline.extract(manifest, **far)

    web.faults.clear()
    web.asked()
    again = pipeline.extract(web.url("/p/"), **far)
    assert 0 < again.num_new < 48
    assert len(web.asked("GET")) == 10 + again.num_new, "ten pages, and the objects without a row"


def test_objects_that_change_meanwhile_are_skipped(web, photos, own):
    """An object that is gone or has other bytes is skipped with the reason; with --strict it is an error."""
    web.add_tree(photos, "/p/")
    far = {**own, "spool_gb": 0}
    manifest = pipeline.scan(web.url("/p/"), **far)
    del web.files[f"/p/{manifest.names[0]}"]
    web.files[f"/p/{manifest.names[1]}"] = b"other"
    found = pipeline.extract(manifest, **far)

    assert [(entry.path, entry.reason) for entry in found.manifest.skipped] == [
        (manifest.names[0], "cannot be read: it does not exist, or not any more (status 404)"),
        (manifest.names[1], "cannot be read: it has 5 bytes, and the listing says 5,445: it changed meanwhile"),
    ]
    with pytest.raises(DataLayoutError, match="2 images had to be skipped, and --strict is set"):
        pipeline.extract(replace(manifest), **far, strict=True)


def test_workers_get_the_bytes(bucket, own, monkeypatch):
    """Processes that cannot read the data get the images with their tasks."""
    made = pipeline.extract("s3://photos/pets", backend="loky", workers=1, **own)

    assert made.num_new == 48
    assert len(fetched := gets(bucket)) == len(set(fetched)) == 48


def test_command_line_shows_no_secrets(bucket, tmp_path):
    """Results, errors, messages for debugging and run.json have no signature, whether the command works or not."""
    client = bucket.client
    words = ["--base", "squeezenet", "--size", "48", "--weights", "random", "--debug"]
    for key, code in (("pets.zip", 0), ("gone.zip", 1)):
        url = client.generate_presigned_url("get_object", {"Bucket": "photos", "Key": key})
        done = subprocess.run(
            [start_server() / "bottleneck", "head", url, "--name", "far", "--replace", "--no-plots", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == code, done.stderr
        text = done.stdout + done.stderr
        assert ("photos/gone.zip cannot be read: it does not exist" in text) == (key == "gone.zip"), "in a traceback"
        assert [word for word in SECRETS if word in text] == []
    command = json.loads((tmp_path / "runs" / "far" / "run.json").read_text())["command"]
    assert "photos/pets.zip " in command
