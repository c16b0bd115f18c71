"""Pages that were sent and whose browsers have not connected yet: few at a time, and not for long.

NiceGUI builds a page for each request, and keeps it for the browser's socket. A program that only asks for the page never opens one.
"""

from functools import partial

from nicegui import Client, app
from starlette.responses import PlainTextResponse

MAX_WAITING = 16
"""Pages that wait for their sockets; the oldest is given up for a new one. A browser whose page was given up loads it again."""

MAX_PAGES = 64
"""Pages in all, with those in open tabs."""

WAIT_SECONDS = 20.0
"""Time in which a browser has to connect."""

_LOOK_SECONDS = 5.0

_FULL = f"{MAX_PAGES} pages are open, and no more are served at a time. Close some of them, then load this one again.\n"


class Visits:
    """The pages that wait for their sockets."""

    def __init__(self) -> None:
        self._waiting: dict[str, Client] = {}

    def watch(self) -> None:
        """Give up pages that wait for too long, again and again while the server runs."""
        app.timer(_LOOK_SECONDS, partial(Client.prune_instances, client_age_threshold=WAIT_SECONDS))

    def admit(self, client: Client) -> PlainTextResponse | None:
        """Take a page that is about to be built; an answer instead of it if there are too many."""
        if len(Client.instances) > MAX_PAGES:
            client.delete()
            return PlainTextResponse(_FULL, 503)
        self._waiting[client.id] = client
        client.on_connect(partial(self._forget, client.id))
        client.on_delete(partial(self._forget, client.id))
        while len(self._waiting) > MAX_WAITING:
            next(iter(self._waiting.values())).delete()
        return None

    def _forget(self, number: str) -> None:
        self._waiting.pop(number, None)
