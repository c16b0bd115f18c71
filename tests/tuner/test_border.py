"""Requests and sockets of other sites are refused, and no answer can be shown in a frame."""

import pytest
from starlette.datastructures import Headers

from pipeline.tuner.border import HEADERS, is_own
from tests.tuner.serving import Server, serving

POLLING = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "another name of this machine": {"Origin": "http://localhost:1"},
    "a file or a sandbox": {"Origin": "null"},
    "no origin": {"Origin": ""},
    "nonsense": {"Origin": "http://[evil"},
    "a script of another site": {
        "Sec_Fetch_Site": "cross-site",
        "Sec_Fetch_Mode": "no-cors",
        "Sec_Fetch_Dest": "script",
    },
    "a page of another port": {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"},
    "a frame": {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
}
"""Headers that a browser sends with requests that come from elsewhere."""


@pytest.fixture(scope="module")
def server():
    with serving() as started:
        yield started


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_other_sites_are_refused(headers: dict[str, str], server: Server):
    """Whatever they ask for, and by whichever transport; no page is built for them."""
    before = server.pages()[0]

    assert server.open_socket(**headers) == 403
    for path, method in (("/", "GET"), (POLLING, "GET"), (POLLING, "POST"), ("/no-such-page", "GET")):
        answer = server.ask(path, method, **headers)
        assert (answer.status, b"another site" in answer.content) == (403, True), (path, method)
    assert server.pages()[0] == before


def test_own_page_is_served(server: Server):
    """Its sockets and polls have its origin, under each of its names; a program without an origin is no site."""
    for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}"):
        own = {"Host": host, "Origin": f"http://{host}"}
        assert server.open_socket(**own) == 101
        assert server.ask(POLLING, **own).status == 200
    assert server.open_socket() == 101
    assert server.open_socket(Sec_Fetch_Site="same-origin") == 101


def test_link_on_another_page_may_be_followed(server: Server):
    """The whole page is opened then, by the user; a form is not a link."""
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}

    assert server.ask("/", **link).status == 200
    assert server.ask("/", "POST", **link).status == 403


def test_other_names_are_refused_for_sockets_too(server: Server):
    """As after DNS rebinding, where host and origin agree."""
    for host in (f"evil.example:{server.port}", "evil.example", "127.0.0.1.evil.example"):
        named = {"Host": host, "Origin": f"http://{host}"}
        assert server.open_socket(**named) == 400
        assert server.ask(POLLING, **named).status == 400
        assert server.ask("/", **named).status == 400


@pytest.mark.parametrize(
    "path", ["/", "/no-such-page", "/image/none", POLLING, "/favicon.ico", "static", "/_nicegui/0/none"]
)
def test_no_answer_can_be_framed(path: str, server: Server):
    """Pages, images, scripts, polls and errors say so, whatever they are."""
    if path == "static":
        text = server.ask("/").content.decode()
        path = text[text.index("/_nicegui/") :].split('"')[0].split("'")[0]
    for headers in ({}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        answer = server.ask(path, **headers)
        assert [(name, answer.headers[name]) for name, _ in HEADERS] == HEADERS, (path, answer.status)


def test_scheme_may_be_that_of_a_proxy():
    """A proxy in front of the page may add TLS; host and port remain."""
    assert is_own(Headers({"host": "tuner.example", "origin": "https://tuner.example"}))
    assert not is_own(Headers({"host": "tuner.example", "origin": "ftp://tuner.example"}))
    assert not is_own(Headers({"host": "", "origin": "null"}))
