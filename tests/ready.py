"""Python processes that have their libraries loaded already.

TensorFlow, scikit-learn and matplotlib take about four seconds of a processor to import: most of what a small command costs. A server
imports them once, and forks. Each program still runs in a process of its own, with its own arguments, environment, folder and
streams, from the first line of its main program to its exit code. What a process imports, how it starts and how it is killed
is tested on processes of the usual kind.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

PROJECT = Path(__file__).parents[1]
LIBRARIES = (
    *(
        "distributed",
        "h5py",
        "hdf5plugin",
        "joblib",
        "keras",
        "matplotlib.pyplot",
        "pandas",
        "PIL.Image",
        "psutil",
        "pyarrow.parquet",
    ),
    *(
        "scipy.optimize",
        "sklearn.datasets",
        "sklearn.discriminant_analysis",
        "sklearn.linear_model",
        "sklearn.neighbors",
    ),
    *("sklearn.svm", "tensorflow", "pipeline.api", "pipeline.cli.app"),
)

_CLIENT = """
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({socket!r})
    request = {{"words": {words!r} + sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    content = json.dumps(request).encode()
    socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(content)
    code = int.from_bytes(server.recv(8), "big", signed=True)
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
"""The executables: they hand over what they were given, wait, and end as the process did."""


def python() -> str:
    """What takes the place of `sys.executable` in a command: `-m module`, `-c text` and a file are understood."""
    return str(start_server() / "python")


@functools.cache
def start_server() -> Path:
    """The folder with the executables `python` and `bottleneck`; the server ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="ready-"))
    for name, words in {"python": [], "bottleneck": ["-m", "pipeline"]}.items():
        text = _CLIENT.format(socket=str(folder / "socket"), words=words)
        (folder / name).write_text(f"#!{sys.executable} -ISE\n{text}")
        (folder / name).chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, folder / "socket"],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
    )
    assert server.stdout.read() == b"", "the server closes its output when it is ready"

    def end() -> None:
        server.stdin.close()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return folder


@dataclass(frozen=True)
class Request:
    """A program to run, and how its process was called."""

    words: list[str]
    folder: str
    environment: dict[str, str]

    def run(self) -> None:
        """Run the program, as Python runs its main program; in a process of its own."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        importlib.reload(sys.modules["pipeline"])  # it sets variables of the environment
        first, *rest = self.words
        if first == "-m":
            sys.argv, sys.path[0] = rest, self.folder
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
            sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), sys.modules["__main__"].__dict__)
        else:
            sys.argv, sys.path[0] = self.words, str(Path(first).resolve().parent)
            runpy.run_path(first, run_name="__main__")


class Server:
    """Forks a process for each request, and tells the client how it ended; the process is killed if the client is."""

    def __init__(self, place: str) -> None:
        self.selector, self.listening = selectors.DefaultSelector(), socket.socket(socket.AF_UNIX)
        self.listening.bind(place)
        self.listening.listen()
        self.selector.register(self.listening, selectors.EVENT_READ)
        self.selector.register(0, selectors.EVENT_READ)
        os.dup2(2, 1)  # the end of standard output says that the server is ready

    def serve(self) -> Request:
        """Go on until standard input ends; returns in the forked processes alone, with their requests."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj == 0:
                    os._exit(0)
                elif key.fileobj is self.listening:
                    request = self.accept()
                    if request is not None:
                        return request
                elif isinstance(key.data, int):
                    self.selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
                else:
                    self.tell(key.fd, *key.data)

    def accept(self) -> Request | None:
        """Fork; the request in the new process, None in this one."""
        client, _ = self.listening.accept()
        begin, streams, _, _ = socket.recv_fds(client, 8, 3)
        with client.makefile("rb") as file:
            request = Request(**json.loads(file.read(int.from_bytes(begin, "big"))))
        child = os.fork()
        if child == 0:
            client.close()
            self.listening.close()
            self.selector.close()
        for number, stream in enumerate(streams):
            if child == 0:
                os.dup2(stream, number)
            os.close(stream)
        if child == 0:
            return request
        self.selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, client))
        self.selector.register(client, selectors.EVENT_READ, child)
        return None

    def tell(self, process: int, child: int, client: socket.socket) -> None:
        """The process has ended."""
        self.selector.unregister(process)
        os.close(process)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(KeyError):
            self.selector.unregister(client)
        with contextlib.suppress(OSError):
            client.sendall(code.to_bytes(8, "big", signed=True))
        client.close()


def load_libraries() -> None:
    """Import what programs of the tests use; extras may be missing."""
    quiet = importlib.import_module("pipeline.quiet")
    quiet.quiet_tensorflow()
    os.environ["MPLBACKEND"] = "agg"
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def end(code: int | str | None) -> NoReturn:
    """End this process as Python does, but for the destruction of all objects: it would copy the memory of the server."""
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    load_libraries()
    request = Server(sys.argv[1]).serve()
    try:
        request.run()
    except SystemExit as error:
        end(error.code)
    except BaseException:  # noqa: BLE001 a program of a test may raise anything
        traceback.print_exc()
        end(1)
    end(0)
