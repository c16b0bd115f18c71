"""What the tests of far data share: a web server, and a short patience."""

from collections.abc import Iterator

import pytest

from pipeline.images.remote import fetch
from pipeline.images.remote.fetch import Patience
from tests.servers import Web, serve_web


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """An empty web server; a fetch that fails is tried again at once, and no one waits for longer than half a second."""
    monkeypatch.setattr(fetch, "PATIENCE", Patience(tries=3, wait_seconds=0.01, seconds=0.5, failures=8))
    with serve_web() as served:
        yield served
