"""Servers on the loopback address: one of the web with faults, and one of S3."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_PIECE = b"x" * 2**16


@dataclass
class Web:
    """A web server of files in memory. `faults` has what goes wrong, by path: the next answers, one after the other.

    A fault is a status, or `cut` (fewer bytes than promised), `stall` (nothing until the test ends), `endless` (bytes until the client
    goes away), `gone` (the connection is closed), or the target of a redirect.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    tags: bool = True
    """Answers have ETags."""

    has_head: bool = True
    password: str = ""
    """User and password in base 64; empty if none is needed."""

    region: str = ""
    """As S3 does, requests that are signed for another region are refused, with the name of this one; empty: all are answered."""

    root: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/") -> str:
        """The URL of a path."""
        return f"{self.root}{path}"

    def add_tree(self, folder: Path, below: str = "/") -> None:
        """Serve the files of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.files[f"{below}{path.relative_to(folder).as_posix()}"] = path.read_bytes()

    def asked(self, method: str = "GET") -> list[str]:
        """The paths of the requests so far, which are forgotten."""
        found = [path for given, path in self.requests if given == method]
        self.requests.clear()
        return found


@contextlib.contextmanager
def serve_web() -> Iterator[Web]:
    """A `Web` that listens."""
    web = Web()
    server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"web": web}))
    web.root = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of a connection that does not fit, the system tries the next second
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    web: Web

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        web, path = self.web, unquote(urlsplit(self.path).path)
        web.requests.append((self.command, path))
        with contextlib.suppress(ConnectionError):
            faults = web.faults.get(path) or web.faults.get("*")
            if faults and not (self.command == "HEAD" and faults[0] not in (401, 403, 500, 503)):
                self._fail(faults.pop(0) if len(faults) > 1 or path in web.faults else faults[0], path)
            elif web.password and self.headers.get("Authorization") != f"Basic {web.password}":
                self._send(401, b"")
            elif web.region and f"/{web.region}/s3/" not in unquote(self.path) + self.headers.get("Authorization", ""):
                self._refuse_region()
            elif self.command == "HEAD" and not web.has_head:
                self._send(405, b"")
            elif path in web.files:
                self._send(200, web.files[path], tag=web.tags)
            elif page := self._page(path):
                self._send(200, page, kind="text/html")
            else:
                self._send(404, b"no such file")

    def _page(self, folder: str) -> bytes:
        """A page that links to what is in a folder, as servers make them; empty if nothing is."""
        if not folder.endswith("/"):
            return b""
        below = {path.removeprefix(folder) for path in self.web.files if path.startswith(folder)}
        names = sorted({re.sub("/.*", "/", path) for path in below})
        links = "".join(f'<a href="{name}">{name}</a>' for name in names)
        return f'<a href="../">..</a> <a href="?C=M">sort</a>{links}'.encode() if names else b""

    def _send(self, status: int, body: bytes, *, kind: str = "application/octet-stream", tag: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse_region(self) -> None:
        body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
        self.send_response(301)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-bucket-region", self.web.region)
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, fault: Any, path: str) -> None:
        if isinstance(fault, int):
            self._send(fault, b"")
        elif fault == "gone":
            self.close_connection = True
        elif fault == "stall":
            self.close_connection = True
            self.web.over.wait()
        elif fault == "cut":
            body = self.web.files[path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault == "endless":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            while not self.web.over.is_set():
                self.wfile.write(_PIECE)
        else:
            self.send_response(302)
            self.send_header("Location", fault)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@dataclass
class Buckets:
    """A server of S3: moto's."""

    address: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes libraries ask it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def client(self) -> Any:
        """A client of boto3."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
            region_name="us-east-1",
        )

    def fill(self, bucket: str, folder: Path, below: str = "") -> None:
        """Make a bucket of a folder's files."""
        client = self.client
        client.create_bucket(Bucket=bucket)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                client.put_object(
                    Bucket=bucket, Key=f"{below}{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
                )

    def asked(self) -> list[str]:
        """The requests since the last call: `GET /bucket/key`."""
        text = re.sub("\x1b\\[[0-9;]*m", "", self.log.read_text())
        os.truncate(self.log, 0)
        return re.findall(r'"([A-Z]+ [^" ]+)', text)


@contextlib.contextmanager
def serve_buckets(folder: Path) -> Iterator[Buckets]:
    """A server of S3 in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "moto.log"
    code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    with log.open("ab") as file:
        server = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file, cwd=folder)
    try:
        while "Running on" not in log.read_text():
            assert server.poll() is None, log.read_text()
            threading.Event().wait(0.05)
        yield Buckets(f"http://127.0.0.1:{port}", log)
    finally:
        server.terminate()
        server.wait()
