"""Servers of Google Cloud Storage and Azure Blob Storage on the loopback address: emulators."""

import contextlib
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Those of every Azurite; they are no secret."""

BUCKETS = ("photos", "team")


@dataclass
class Cloud:
    """A running emulator with empty buckets, or containers."""

    protocol: str
    environment: dict[str, str]
    """What makes libraries ask it."""

    put: Callable[[str, bytes], None]
    """Write an object into the bucket `photos`."""

    def url(self, path: str, bucket: str = "photos") -> str:
        """The URL of an object."""
        return f"{self.protocol}://{bucket}/{path}"

    def fill(self, folder: Path, below: str) -> None:
        """Write the files of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{below}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serve_google() -> Iterator[Cloud]:
    """gcp-storage-emulator, in a thread of this process."""
    pytest.importorskip("gcsfs")
    made = pytest.importorskip("gcp_storage_emulator.server")
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    server = made.create_server("127.0.0.1", port, in_memory=True)
    server.start()

    def post(path: str, body: bytes, kind: str) -> None:
        request = urllib.request.Request(f"{root}{path}", body, {"Content-Type": kind}, method="POST")
        urllib.request.urlopen(request).close()

    def put(name: str, body: bytes) -> None:
        post(f"/upload/storage/v1/b/photos/o?uploadType=media&name={quote(name, safe='')}", body, "image/png")

    try:
        for bucket in BUCKETS:
            post("/storage/v1/b?project=p", f'{{"name": "{bucket}"}}'.encode(), "application/json")
        yield Cloud("gs", {"STORAGE_EMULATOR_HOST": root}, put)
    finally:
        server.stop()


@contextlib.contextmanager
def serve_azure(folder: Path) -> Iterator[Cloud]:
    """Azurite, where it is installed (`npm install --global azurite`): it is no package of Python."""
    pytest.importorskip("adlfs")
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite is not installed")
    port, log = free_port(), folder / "azurite.log"
    words = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    with log.open("wb") as file:
        # Its table of versions of the protocol is often older than the library's.
        server = subprocess.Popen([*words, "--skipApiVersionCheck", "--disableTelemetry"], stdout=file, stderr=file)
    try:
        while "successfully listens" not in log.read_text():
            assert server.poll() is None, log.read_text()
            threading.Event().wait(0.05)
        yield _filled(f"http://127.0.0.1:{port}/{_ACCOUNT}")
    finally:
        server.terminate()
        server.wait()


def _filled(address: str) -> Cloud:
    from azure.storage.blob import BlobServiceClient

    text = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};BlobEndpoint={address};"
    client = BlobServiceClient.from_connection_string(text)
    for bucket in BUCKETS:
        client.create_container(bucket)

    def put(name: str, body: bytes) -> None:
        client.get_blob_client("photos", name).upload_blob(body, overwrite=True)

    return Cloud("az", {"AZURE_STORAGE_CONNECTION_STRING": text}, put)
