"""A command line whose stage one hangs in its third batch, on an engine without a network, so that it starts quickly.

    python -m tests.hanging {with,without} SECONDS features DATA [OPTIONS]

The engine hangs with or without the interpreter's lock; SECONDS is the limit of the watchdog.
"""

import ctypes
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import api, watchdog
from pipeline.cli.app import main
from pipeline.stage_one.extraction import Extraction
from tests.faults import child

PROJECT = Path(__file__).resolve().parents[1]


class Hanging(child.Averages):
    """The third call never ends."""

    num_calls = 0
    holds_lock = False

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        self.num_calls += 1
        if self.num_calls == 3:
            sys.stdout.write("hangs\n")
            sys.stdout.flush()
            ctypes.PyDLL(None).sleep(60) if self.holds_lock else threading.Event().wait()
        return super().features(inputs)


def start_hanging(how: str, data: Path, cache: Path, *, limit_seconds: float) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    words = (how, limit_seconds, "features", data, "--cache", cache, "--json")
    command = [sys.executable, "-m", "tests.hanging", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=PROJECT, **pipes)


def _main() -> None:
    Hanging.holds_lock = sys.argv.pop(1) == "with"
    watchdog.LIMIT_SECONDS, watchdog._BACKSTOP_SECONDS = float(sys.argv.pop(1)), 1
    child.SHARD_ROWS = 4

    def extract(data: Path, *, cache: Path, **_: object) -> Extraction:
        return child.run(Path(data), cache, Hanging())

    api.extract = extract
    main()


if __name__ == "__main__":
    _main()
