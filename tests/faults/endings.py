"""Commands on a cache in a process of their own: how they end, within a time limit, and what they must leave as it was."""

import contextlib
import hashlib
import os
import signal
import socket
import sqlite3
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.cache.shard import check_bytes
from pipeline.cache.store import Store
from pipeline.cli.app import main
from pipeline.errors import PipelineError
from pipeline.images.files.hashing import FileHashes
from tests.cache.samples import RECIPE, make_keys, make_rows

SECONDS = 20
DOCUMENTED = (0, 2, 3)
ROWS = range(12)
COMMANDS = (
    ("ls",),
    ("info", RECIPE.folder_name),
    ("verify",),
    ("repair",),
    ("compact",),
    ("prune", "--yes"),
    ("prune", RECIPE.folder_name, "--yes"),
    ("import", RECIPE.folder_name),
    ("features",),
    ("hash",),
)


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    code: int
    """Exit code; negative: the number of the signal that ended it."""

    said: str
    """All that it printed."""


def end(command: Sequence[str], cache: Path, run_it: Callable[[Sequence[str], Path], int] | None = None) -> Ending:
    """Run a command in a forked process, which is ended after `SECONDS`.

    Args:
        command: One of `COMMANDS`.
        cache: The cache.
        run_it: Runs the command; None: `run`.
    """
    said = cache.parent / "said"
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = sys.stderr = os.fdopen(1, "w")
            os._exit((run_it or run)(command, cache))
        os._exit(99)
    return Ending(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.read_text())


def run(command: Sequence[str], cache: Path) -> int:
    """Run a command in this process; the exit code."""
    arguments = [str(cache / word) if command[0] == "import" and word != "import" else word for word in command]
    target = cache.with_name("here") if command[0] == "import" else cache
    try:
        if command[0] in ("features", "hash"):
            (add_missing if command[0] == "features" else hash_files)(cache)
        else:
            main(["cache", *arguments, "--cache", str(target)])
    except SystemExit as stopped:
        sys.stdout.flush()
        return int(stopped.code or 0)
    except (PipelineError, OSError, MemoryError) as error:
        print(error, flush=True)  # noqa: T201
        return error.exit_code if isinstance(error, PipelineError) else 2
    return 0


def add_missing(cache: Path) -> None:
    """What stage one does with a store: the missing rows are added, and all are read."""
    keys, store = make_keys(ROWS), Store(cache, RECIPE)
    with store.adding(keys):
        missing = [number for number in ROWS if not store.has(make_keys([number]))[0]]
        if missing:
            store.append(make_keys(missing), make_rows(missing), {"engine": "test"})
        np.testing.assert_array_equal(store.read(keys), make_rows(ROWS))


def hash_files(cache: Path) -> None:
    """What a scan does with remembered hashes: they are read, used and written."""
    files = sorted(path for path in cache.parent.glob("outside/*") if path.is_file())
    later = 10**20
    for _ in range(2):
        found = FileHashes(cache / "file_hashes.sqlite", clock_ns=lambda: later).digests(files)
        for path, digest in zip(files, found, strict=True):
            with contextlib.suppress(OSError):
                assert isinstance(digest, OSError) or digest == hashlib.sha256(path.read_bytes()).digest()


def assert_in_order(ending: Ending, cache: Path) -> None:
    """The command ended in time, with a documented exit code, and an error names a path."""
    assert ending.code in DOCUMENTED, ending
    assert "This is a bug" not in ending.said, ending
    assert "Traceback" not in ending.said, ending
    assert ending.code == 0 or str(cache.parent) in ending.said, ending


def good_shards(cache: Path) -> dict[str, bytes]:
    """The shards of all stores whose bytes are those that their names say."""
    found = {}
    for path in cache.glob("*/shards/*.h5"):
        with contextlib.suppress(Exception):
            check_bytes(path)
            found[f"{path.parent.parent.name}/{path.name}"] = path.read_bytes()
    return found


def look(folder: Path) -> dict[str, object]:
    """All that lies below a folder, with the bytes of regular files, the targets of links and the kinds of all else."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        found[str(path.relative_to(folder))] = (
            path.read_bytes()
            if stat.S_ISREG(mode) and path.stat().st_size < 2**20
            else path.readlink()
            if stat.S_ISLNK(mode)
            else stat.S_IFMT(mode)
        )
    return found


RECURSIVE_VIEW = """CREATE VIEW digests AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
    SELECT x AS path, x AS size, x AS mtime_ns, x AS ctime_ns, x AS inode, x AS sha256, x AS crc32 FROM n"""


def _data_base(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _socket(path: Path, _: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path.name)
    os.chdir(here)


def _device(path: Path, _: Path) -> None:
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except OSError:
        path.symlink_to("/dev/zero")


def _endless(path: Path, _: Path) -> None:
    path.touch()
    os.truncate(path, 2**43)


def _folder(path: Path, _: Path) -> None:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "thesis.txt").write_text("years of work")


THINGS = {
    "a pipe": lambda path, _: os.mkfifo(path),
    "a device": _device,
    "a socket": _socket,
    "a link to a device": lambda path, _: path.symlink_to("/dev/zero"),
    "a link to a file": lambda path, outside: path.symlink_to(outside / "thesis.h5"),
    "a link to a data base": lambda path, outside: path.symlink_to(outside / "other.sqlite"),
    "a link to itself": lambda path, _: path.symlink_to(path),
    "a hard link": lambda path, outside: path.hardlink_to(outside / "thesis.h5"),
    "a hard link to a data base": lambda path, outside: path.hardlink_to(outside / "other.sqlite"),
    "a folder": _folder,
    "nothing": lambda path, _: None,
    "no bytes": lambda path, _: path.touch(),
    "eight terabytes of zeros": _endless,
    "deep JSON": lambda path, _: path.write_bytes(b"[" * 100_000 + b"]" * 100_000),
    "deep objects": lambda path, _: path.write_bytes(b'{"a":' * 900 + b"1" + b"}" * 900),
    "a huge number": lambda path, _: path.write_bytes(b'{"schema": ' + b"9" * 6_000 + b"}"),
    "another schema": lambda path, _: path.write_text('{"schema": 2, "base": "vgg16"}'),
    "no UTF-8": lambda path, _: path.write_bytes(b'{"schema": "\xff\xfe"}'),
    "half a letter": lambda path, _: path.write_text('{"schema": 1, "base": "\\ud800"}'),
    "a view that never ends": lambda path, _: _data_base(path, RECURSIVE_VIEW),
    "a newer layout": lambda path, _: _data_base(path, "CREATE TABLE digests (file TEXT, blake3 BLOB)"),
    "a trigger": lambda path, _: _data_base(
        path,
        "CREATE TABLE digests (path, size, mtime_ns, ctime_ns, inode, sha256, crc32)",
        "CREATE TRIGGER t AFTER INSERT ON digests BEGIN DELETE FROM digests; END",
    ),
}
"""What may lie where a file of the cache should: made by a function of the path and the user's folder."""
