"""Where tests share rows: a folder, and a bucket of a server of S3 on the loopback address."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cache.shared.open import Shared, open_shared
from tests.servers import Buckets, serve_buckets

_NUMBERS = itertools.count()


@dataclass
class Place:
    """A shared cache, and what a test does to its files behind the back of the package."""

    url: str
    cache: Path
    """An own cache that is empty, for messages."""

    folder: Path | None = None
    client: Any = None
    bucket: str = ""

    def open(self) -> Shared:
        """As the package sees it."""
        return open_shared(self.url, self.cache)

    def files(self) -> dict[str, bytes]:
        """All files by their paths."""
        if self.folder is not None:
            return {
                path.relative_to(self.folder).as_posix(): path.read_bytes()
                for path in sorted(self.folder.rglob("*"))
                if path.is_file()
            }
        listed = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {
            entry["Key"].removeprefix("rows/"): self.client.get_object(Bucket=self.bucket, Key=entry["Key"])[
                "Body"
            ].read()
            for entry in listed
        }

    def put(self, path: str, data: bytes) -> None:
        """Write or replace a file."""
        if self.folder is not None:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(data)
        else:
            self.client.put_object(Bucket=self.bucket, Key=f"rows/{path}", Body=data)

    def remove(self, path: str) -> None:
        """Delete a file."""
        if self.folder is not None:
            (self.folder / path).unlink()
        else:
            self.client.delete_object(Bucket=self.bucket, Key=f"rows/{path}")

    def fill(self, cache: Path) -> None:
        """Copy a cache here, as other programs would: without lists of rows."""
        for path in sorted(cache.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                self.put(path.relative_to(cache).as_posix(), path.read_bytes())


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    """A server of S3; started once."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    with serve_buckets(tmp_path_factory.mktemp("buckets")) as served:
        yield served


@pytest.fixture
def bucket(buckets: Buckets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A new bucket."""
    for name, value in buckets.environment.items():
        monkeypatch.setenv(name, value)
    place = Place("", tmp_path / "nobody", client=buckets.client, bucket=f"team-{next(_NUMBERS)}")
    place.client.create_bucket(Bucket=place.bucket)
    place.url = f"s3://{place.bucket}/rows"
    return place


@pytest.fixture
def shared_folder(tmp_path: Path) -> Place:
    """A folder that does not exist yet."""
    folder = tmp_path / "share" / "rows"
    return Place(str(folder), tmp_path / "nobody", folder=folder)


@pytest.fixture(params=["shared_folder", pytest.param("bucket", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of both."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """The cache of another machine, empty."""
    shutil.rmtree(tmp_path / "second", ignore_errors=True)
    return tmp_path / "second"
