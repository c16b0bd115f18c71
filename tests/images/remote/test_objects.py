"""Objects of a web server as images: fetched once, many at a time, and never without a bound."""

import base64
import hashlib
import itertools
import re
from concurrent.futures import wait

import pytest

from pipeline.errors import UnreachableDataError
from pipeline.images.files.hashing import FileHashes
from pipeline.images.remote import objects as objects_module
from pipeline.images.remote.objects import Objects


@pytest.fixture
def photos_there(web, photos):
    """12 photos on the server: their paths."""
    web.add_tree(photos / "validation")
    return sorted(web.files)


def open_objects(web, paths, tmp_path, spool_bytes=10**9, query=""):
    return Objects([web.url(path) + query for path in paths], tmp_path, spool_bytes)


def digests(objects, table=None):
    found = objects.digests(FileHashes(table), progress=False)
    return [digest if isinstance(digest, bytes) else str(digest) for digest in found]


def sha256(data):
    return hashlib.sha256(data).digest()


def test_each_object_is_fetched_once(web, photos_there, tmp_path):
    """Hashes and later reads come from one fetch; an object that is listed twice is fetched once, too."""
    paths = [*photos_there, photos_there[3]]
    found = open_objects(web, paths, tmp_path)

    assert digests(found) == [sha256(web.files[path]) for path in paths]
    assert [found.read(row) for row in (0, 12, 3)] == [web.files[paths[row]] for row in (0, 12, 3)]
    assert sorted(web.asked()) == photos_there


def test_full_spool_keeps_what_fits(web, photos_there, tmp_path):
    """Objects that do not fit are fetched when they are read; the file is never larger than allowed."""
    first = len(web.files[photos_there[0]])
    found = open_objects(web, photos_there[:1] + photos_there[-3:], tmp_path, spool_bytes=first)
    digests(open_objects(web, photos_there[:1], tmp_path))  # nothing is shared
    for row in range(4):
        found.read(row)
    web.asked()
    again = [found.read(row) for row in range(4)]

    assert again == [web.files[path] for path in photos_there[:1] + photos_there[-3:]]
    assert web.asked() == photos_there[-3:]


def test_announced_objects_are_fetched_ahead(web, photos_there, tmp_path):
    """Without a spool, too, an object that was announced is fetched once, before it is read."""
    found = open_objects(web, photos_there, tmp_path, spool_bytes=0)
    for row in range(10):
        found.announce(row)

    assert [found.read(row) for row in range(10)] == [web.files[path] for path in photos_there[:10]]
    assert sorted(web.asked()) == photos_there[:10]
    assert found.read(3) == web.files[photos_there[3]]


@pytest.mark.parametrize("spool_bytes", [10**9, 0])
def test_what_was_read_is_not_held_any_more(web, tmp_path, monkeypatch, spool_bytes):
    """Of many more objects than may wait in memory, each is still fetched ahead."""
    monkeypatch.setattr(objects_module, "_HELD_BYTES", 3000)
    web.files |= {f"/{number}": bytes([number]) * 1000 for number in range(20)}
    found = Objects([web.url(path) for path in web.files], tmp_path, spool_bytes)
    for row in range(20):
        found.announce(row)
        assert row in found._coming
        wait([found._coming[row]], timeout=5)
        found.read(row)


def test_unchanged_objects_are_not_fetched_again(web, photos_there, tmp_path):
    """The next command asks for versions, and fetches what has changed; the table of hashes has no secrets."""
    table = tmp_path / "hashes.sqlite"
    query = "?X-Amz-Signature=5e5e5e5e"
    before = digests(open_objects(web, photos_there, tmp_path, query=query), table)
    web.asked()
    web.files[photos_there[5]] = b"other"
    after = digests(open_objects(web, photos_there, tmp_path, query="?X-Amz-Signature=6f6f6f"), table)

    assert [path for method, path in web.requests if method == "GET"] == [photos_there[5]]
    assert len(web.asked("HEAD")) == 12
    assert after == [*before[:5], sha256(b"other"), *before[6:]]
    assert b"5e5e" not in table.read_bytes()


def test_user_and_password_of_a_url_are_used_and_not_stored(web, photos_there, tmp_path):
    """They are sent, and what is remembered under the URL without them is found again."""
    web.password = base64.b64encode(b"me:pass5e5e").decode()
    table = tmp_path / "hashes.sqlite"
    url = web.url(photos_there[0])
    private = url.replace("http://", "http://me:pass5e5e@")
    for given, methods in ((private, ["GET"]), (private, ["HEAD"])):
        assert digests(Objects([given], tmp_path, 0), table) == [sha256(web.files[photos_there[0]])]
        assert [method for method, _ in web.requests] == methods
        web.asked()

    assert digests(Objects([url], tmp_path, 0)) == ["access is denied (status 401)"]
    assert b"5e5e" not in table.read_bytes()


def test_objects_without_a_version_are_fetched_again(web, photos_there, tmp_path):
    """A server that gives neither ETag nor time would not show a change; one that has no HEAD is not asked twice."""
    table = tmp_path / "hashes.sqlite"
    web.tags = False
    digests(open_objects(web, photos_there[:2], tmp_path), table)
    web.asked()
    digests(open_objects(web, photos_there[:2], tmp_path), table)
    assert sorted(web.asked()) == photos_there[:2]

    web.tags, web.has_head = True, False
    for _ in range(2):
        digests(open_objects(web, photos_there[:2], tmp_path), table)
        assert sorted(web.asked()) == photos_there[:2]


@pytest.mark.parametrize("faults", [[500, 503], ["cut", "gone"], [429, "cut"], ["stall"]])
def test_failing_servers_are_asked_again(web, photos_there, tmp_path, faults):
    """A status, a cut body, a closed connection or a silent server costs a try, and no image."""
    path = photos_there[0]
    web.faults[path] = [*faults]

    assert digests(open_objects(web, [path], tmp_path)) == [sha256(web.files[path])]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (500, r"the server fails, 3 times \(status 500\)"),
        (404, r"it does not exist, or not any more \(status 404\)"),
        (403, r"access is denied \(status 403\)"),
        ("cut", r"the server fails, 3 times \(.*payload.*\)"),
        ("endless", r"more than 1,048,576 bytes, which is the limit"),
        ("file:///etc/hostname", r"it is redirected to file:///etc/hostname"),
        ("/loop", r"it is redirected without end"),
    ],
)
def test_objects_that_cannot_be_fetched_have_a_reason(web, photos_there, tmp_path, monkeypatch, fault, words):
    """The others are fetched; what the reason says has no secrets."""
    monkeypatch.setattr(objects_module, "MAX_BYTES", 2**20)
    bad, good = photos_there[:2]
    web.faults[bad] = [fault] * 20
    web.faults["/loop"] = ["/loop"] * 20
    reason, digest = digests(open_objects(web, [bad, good], tmp_path, query="?token=abc"))

    assert digest == sha256(web.files[good])
    assert re.fullmatch(words, reason, re.IGNORECASE)
    assert "abc" not in reason


def test_a_server_that_gives_nothing_is_given_up(web, photos_there, tmp_path):
    """After many failures one after the other the command ends with the cure, and what was fetched before is remembered."""
    table = tmp_path / "hashes.sqlite"
    digests(open_objects(web, photos_there[:4], tmp_path), table)
    for path in photos_there[4:]:
        web.faults[path] = [403] * 9
    with pytest.raises(
        UnreachableDataError, match=r"The last 8 objects .*access is denied \(status 403\).* may have expired"
    ):
        digests(open_objects(web, photos_there, tmp_path), table)

    web.asked()
    web.faults.clear()
    digests(open_objects(web, photos_there, tmp_path), table)
    assert not set(photos_there[:4]) & set(web.asked())


@pytest.mark.parametrize("spool_bytes", [10**9, 0])
def test_objects_are_read_while_others_are_fetched(web, photos_there, tmp_path, spool_bytes):
    """Each is fetched once for its digest and its first reader, even if nothing is kept; an object that fails does not arrive."""
    web.faults[photos_there[2]] = [404] * 9
    seen = []

    def take(arrivals):
        assert arrivals.total == 12
        seen.extend((arrival.digest, arrivals.read(arrival.number)) for arrived in arrivals for arrival in arrived)

    found = open_objects(web, photos_there, tmp_path, spool_bytes)
    made = found.digests(FileHashes(), progress=False, while_fetching=take)

    assert sorted(digest for digest, _ in seen) == sorted(digest for digest in made if isinstance(digest, bytes))
    assert all(sha256(data) == digest for digest, data in seen)
    assert (len(seen), len(web.asked("GET"))) == (11, 12)


def test_a_reader_may_stop(web, photos_there, tmp_path):
    """The rest is fetched without it, and only what was fetched arrives."""
    table = tmp_path / "hashes.sqlite"
    digests(open_objects(web, photos_there[:4], tmp_path), table)
    totals = []

    def stop(arrivals):
        totals.append((arrivals.total, len(arrivals.known)))
        next(filter(None, arrivals))

    made = open_objects(web, photos_there, tmp_path).digests(FileHashes(table), progress=False, while_fetching=stop)

    assert made == [sha256(web.files[path]) for path in photos_there]
    assert totals == [(8, 4)]


def test_objects_wait_in_bounded_memory(web, tmp_path, monkeypatch):
    """A reader that is slow holds up the server: no more is fetched than fits, and one object for each connection."""
    monkeypatch.setattr(objects_module, "_HELD_BYTES", 10_000)
    monkeypatch.setattr(objects_module, "MANY", 2)
    web.files |= {f"/{number}": bytes([number]) * 1000 for number in range(60)}
    most = []

    def take(arrivals):
        for arrival in itertools.chain.from_iterable(arrivals):
            most.append(len(web.requests))
            arrivals.read(arrival.number)

    found = Objects([web.url(path) for path in web.files], tmp_path, 0)
    found.digests(FileHashes(), progress=False, while_fetching=take)

    assert len(most) == 60
    assert all(asked <= taken + 2 * 16 for taken, asked in enumerate(most) if taken < 10)


def test_an_error_of_the_reader_ends_the_fetching(web, photos_there, tmp_path, monkeypatch):
    """It is the caller's error; what was fetched is remembered."""
    monkeypatch.setattr(objects_module, "MANY", 1)
    web.faults[photos_there[5]] = ["stall"]
    table = tmp_path / "hashes.sqlite"

    def fail(arrivals):
        next(filter(None, arrivals))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        open_objects(web, photos_there, tmp_path).digests(FileHashes(table), progress=False, while_fetching=fail)
    web.faults.clear()
    web.asked()
    digests(open_objects(web, photos_there, tmp_path), table)

    assert photos_there[0] not in web.asked("GET")


def test_sources_show_no_urls():
    """What a debugger or a log shows of a source has no secrets."""
    assert repr(Objects(["https://h/1.jpg?sig=abc"], None, 0)) == "<1 objects>"
