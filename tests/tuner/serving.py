"""A process that serves the page of a synthetic session, without TensorFlow: `python -m tests.tuner.serving PORT KIND`.

`/pages` answers how many pages it holds, and its memory in bytes.
"""

import contextlib
import gc
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

from tests.stage_two.tasks import HARD, make_label_task, make_task, make_value_task

PROJECT = Path(__file__).parents[2]

TASKS = {
    "classification": make_task,
    "hard": partial(make_task, **HARD),
    "multilabel": make_label_task,
    "regression": make_value_task,
}


class Server:
    """The served page, and what is asked of it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """The answer to a request; names of headers have underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.content = answer.read()
        connection.close()
        return answer

    def open_socket(self, **headers: str) -> int:
        """The status of a websocket's handshake: 101 if it was opened."""
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
        path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in (upgrade | headers).items()}
        connection.request("GET", path, headers={"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **named})
        status = connection.getresponse().status
        connection.close()
        return status

    def pages(self) -> tuple[int, int]:
        """Number of pages that are held, and the memory of the process in bytes."""
        count, memory = self.ask("/pages").content.split()
        return int(count), int(memory)


@contextlib.contextmanager
def serving(kind: str = "classification", **changes: float) -> Iterator[Server]:
    """A server of a task of this kind, in a process of its own; `changes` are constants of `pipeline.tuner.visits`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    words = [f"{name}={value}" for name, value in changes.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tuner.serving", str(port), kind, *words],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        wait_until(lambda: _listens(port))
        yield Server(port)
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition) -> None:
    """Ask again and again, for at most 20 s."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _main() -> None:
    from fastapi.responses import PlainTextResponse
    from nicegui import Client, app

    from pipeline.interrupts import stopping_in_order
    from pipeline.tuner import page, visits
    from pipeline.tuner.labels import LabelFile
    from tests.tuner.sessions import session_of

    port, kind, *changes = sys.argv[1:]
    for change in changes:
        name, _, value = change.partition("=")
        setattr(visits, name, type(getattr(visits, name))(float(value)))

    @app.get("/pages")
    def pages() -> PlainTextResponse:
        gc.collect()
        return PlainTextResponse(f"{len(Client.instances)} {psutil.Process().memory_info().rss}")

    def say(*_: object) -> None:
        print("ready", flush=True)  # noqa: T201

    where = {"host": "127.0.0.1", "port": int(port), "is_local": True}
    with stopping_in_order(print), tempfile.TemporaryDirectory() as folder:
        labels = LabelFile(Path(folder, "labels.csv"))
        page.serve(session_of(TASKS[kind](), labels)[0], None, title="A title", on_start=say, **where)


if __name__ == "__main__":
    _main()
