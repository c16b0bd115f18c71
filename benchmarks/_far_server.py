"""A server that is no bound: files in memory, answered over kept connections, and listed as S3 lists them.

It knows as much of HTTP and of S3 as clients need that read: GET, HEAD, and list-type=2 of one bucket. It runs in a process of its own.
It can wait before it gives an object, as servers do that are far away.

    python benchmarks/_far_server.py FOLDER BUCKET [SECONDS]
"""

import asyncio
import hashlib
import os
import sys
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

_PAGE = 1000


class Files:
    """Whole answers by path, and pages of the listing."""

    def __init__(self, folder: Path, bucket: str) -> None:
        self.answers: dict[bytes, tuple[bytes, bytes]] = {}
        self.names: list[str] = []
        self.entries: list[str] = []
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            name, body = path.relative_to(folder).as_posix(), path.read_bytes()
            tag = hashlib.md5(body).hexdigest()
            head = (
                f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: "{tag}"\r\nContent-Type: image/jpeg\r\n'
                f"Last-Modified: {formatdate(path.stat().st_mtime, usegmt=True)}\r\n\r\n"
            )
            self.answers[f"/{bucket}/{quote(name)}".encode()] = (head.encode(), body)
            self.names.append(name)
            self.entries.append(
                f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{tag}&quot;</ETag><Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )

    def listing(self, query: str) -> bytes:
        """A page of the names that begin with a prefix."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        prefix, start = asked.get("prefix", ""), int(asked.get("continuation-token", "0"))
        rows = [row for row in range(start, len(self.names)) if self.names[row].startswith(prefix)][: _PAGE + 1]
        is_cut = len(rows) > _PAGE
        following = f"<NextContinuationToken>{rows[_PAGE]}</NextContinuationToken>" if is_cut else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>b</Name><KeyCount>{len(rows[:_PAGE])}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
            f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{following}{''.join(self.entries[row] for row in rows[:_PAGE])}</ListBucketResult>"
        ).encode()
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )


class Connection(asyncio.Protocol):
    """One connection; requests without bodies, one after the other."""

    def __init__(self, files: Files, seconds: float) -> None:
        self.files, self.seconds, self.waiting = files, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            line, self.waiting = self.waiting[: self.waiting.index(b"\r\n")], self.waiting[end + 4 :]
            method, target, _ = line.split(b" ", 2)
            path, _, query = target.partition(b"?")
            found = self.files.answers.get(path)
            if found:
                self._write_later(found[0] if method == b"HEAD" else found[0] + found[1])
            elif b"list-type" in query:
                self.transport.write(self.files.listing(unquote(query.decode()) if b"%25" in query else query.decode()))
            else:
                self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _write_later(self, answer: bytes) -> None:
        if self.seconds:
            asyncio.get_running_loop().call_later(self.seconds, self.transport.write, answer)
        else:
            self.transport.write(answer)


async def main(folder: Path, bucket: str, seconds: float) -> None:
    """Listen, and print the port."""
    files, loop = Files(folder, bucket), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(files, seconds), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 nothing tells that a parent is gone
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float((*sys.argv, 0)[3])))
