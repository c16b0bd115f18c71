"""A process whose system calls fail: it forks itself for each command that it is told on its standard input.

    LD_PRELOAD=calls.so python -m tests.faults.calls

A line is JSON: `cache`, `command`, and the `kind`, `number` and `errno` of the call that fails. The answer is a line with the exit
code and what was printed.
"""

import contextlib
import ctypes
import io
import json
import sys
import tempfile
from pathlib import Path

from tests.faults import endings


def main() -> None:
    """Serve commands until the input ends."""
    library = ctypes.CDLL(None)
    real = endings.run
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for command in endings.COMMANDS:  # modules that are loaded late are loaded now
            real(("features",), Path(folder) / "cache")
            real(command, Path(folder) / "cache")

    def armed(command: tuple[str, ...], cache: Path) -> int:
        library.fail_at(given["kind"].encode(), ctypes.c_long(given["number"]), given["errno"])
        code = real(command, cache)
        library.fail_at(b"", ctypes.c_long(0), 0)
        return code

    endings.run = armed
    for line in sys.stdin:
        given = json.loads(line)
        ending = endings.end(given["command"], Path(given["cache"]))
        print(json.dumps({"code": ending.code, "said": ending.said}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
