"""What is done for the libraries of Google and Azure; tests/test_far_clouds.py has them themselves."""

import asyncio

import pytest

from pipeline.images.remote import providers
from pipeline.images.remote.providers import google_class, google_options, in_ranges, is_anonymous


class _StatusError(Exception):
    code = 416


class _Objects:
    """A file system with one object, which is replaced after some requests."""

    def __init__(self, data, changes_at=99):
        self.data, self.changes_at, self.asked = data, changes_at, []

    async def _cat_file(self, path, start, end):
        self.asked.append((start, end))
        if start >= len(self.data):
            raise _StatusError
        return self.data[start:end]

    async def _info(self, path):
        return {"size": len(self.data), "etag": "new" if len(self.asked) >= self.changes_at else "old"}


def read(system):
    """All pieces of its object."""

    async def gather():
        return [piece async for piece in in_ranges(system, "bucket/name")]

    return asyncio.run(gather())


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch):
    """Ranges of four bytes."""
    monkeypatch.setattr(providers, "RANGE_BYTES", 4)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 11])
def test_ranges_are_the_whole(size):
    """Of any size; a small object takes one request."""
    system = _Objects(bytes(range(size)))

    assert b"".join(read(system)) == bytes(range(size))
    assert len(system.asked) == max(1, -(-size // 4))


def test_object_that_changes_between_ranges():
    """Is not put together from two of them."""
    with pytest.raises(OSError, match="it changed while it was read"):
        read(_Objects(bytes(11), changes_at=2))


def test_errors_of_the_library_go_through():
    """A range that cannot be had later is no end of the object."""
    system = _Objects(bytes(11))
    system.data = bytes(4)
    system._info = lambda path: asyncio.sleep(0, {"size": 11})

    with pytest.raises(_StatusError):
        read(system)


class _Extended:
    """What stands where the class of gcsfs does: it says what happened in its words."""

    def __init__(self, error):
        self.error = error

    async def _request(self, method, path):
        raise self.error


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (FileNotFoundError("b/photos/o"), FileNotFoundError, "status 404"),
        (OSError("Forbidden: b/photos/o\nno right"), PermissionError, "no right"),
        (OSError("Forbidden: b/photos/o\n"), PermissionError, "status 403"),
        (OSError("a disk"), OSError, "a disk"),
    ],
)
def test_words_of_google_become_ours(given, kind, words):
    """The address that was asked is left out, and a denial is a denial."""
    with pytest.raises(kind, match=f"^{words}$"):
        asyncio.run(google_class(_Extended)(given)._request("GET", "b/photos/o"))


@pytest.mark.parametrize(("address", "token"), [("", None), ("default", None), ("http://127.0.0.1:9", "anon")])
def test_an_emulator_gets_no_credentials(address, token, monkeypatch):
    """Where the variable of Google's own libraries names one."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)

    assert google_options().get("token") == token


def test_who_is_anonymous():
    """Each library says it in another way."""
    named = {
        "anon": type("S3", (), {"anon": True}),
        "credentials": type("Google", (), {"credentials": type("C", (), {"method": "anon"})}),
    }

    assert all(map(is_anonymous, named.values()))
    assert not is_anonymous(object())
