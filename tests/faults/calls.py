"""A process whose system calls fail: it forks itself for each command that it is told on its standard input.

    LD_PRELOAD=calls.so python -m tests.faults.calls [COMMANDS.json]

A line is JSON: `cache`, `command`, and the `kind`, `number` and `errno` of the call that fails. The answer is a line with the exit
code and what was printed. Commands are those of `endings`, or `bottleneck` and the words of a command line. Those of COMMANDS.json
are run once, so that modules that are loaded late are loaded.
"""

import contextlib
import ctypes
import io
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline import api
from pipeline.cli.app import main as run_command_line
from tests.faults import child, endings

library = ctypes.CDLL(None)


def arm(given: dict[str, object]) -> None:
    """Let the n-th call of a kind fail from now on."""
    library.fail_at(str(given["kind"]).encode(), ctypes.c_long(given["number"]), given["errno"])


def disarm() -> None:
    """No call fails from now on."""
    library.fail_at(b"", ctypes.c_long(0), 0)


def arm_when_a_file_is_begun(given: dict[str, object]) -> None:
    """Let calls fail from the moment that an export begins its file: before it, TensorFlow imports itself."""
    from pipeline.exports import export, sample_images

    replacing, sample_images.NUM_IMAGES = export.replacing, 10

    @contextlib.contextmanager
    def armed(path: Path) -> object:
        arm(given)
        with replacing(path) as beside:
            yield beside

    export.replacing = armed


def run(command: Sequence[str], cache: Path) -> int:
    """Run a command of either kind in this process; the exit code."""
    if command[0] != "bottleneck":
        return endings.run(command, cache)
    try:
        run_command_line(list(command[1:]))
    except SystemExit as stopped:
        sys.stdout.flush()
        return int(stopped.code or 0)


def serve(begin: Callable[[dict[str, object]], None]) -> None:
    """Serve commands until the input ends."""
    for line in sys.stdin:
        given = json.loads(line)

        def armed(command: Sequence[str], cache: Path, given: dict[str, object] = given) -> int:
            begin(given)
            code = run(command, cache)
            disarm()
            return code

        ending = endings.end(given["command"], Path(given["cache"]), armed)
        print(json.dumps({"code": ending.code, "said": ending.said}), flush=True)  # noqa: T201


def main() -> None:
    """Load what commands load, then serve them."""
    commands = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else []
    api.extract = lambda data, *, cache, **_: child.run(Path(data), cache, child.Averages())  # no network
    if commands == "export":
        import keras  # noqa: F401
        import tensorflow as tf  # noqa: F401

        serve(arm_when_a_file_is_begun)
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for command in endings.COMMANDS:
            run(("features",), Path(folder) / "cache")
            run(command, Path(folder) / "cache")
        for words in commands:
            assert run(("bottleneck", *words), Path(folder)) == 0
    serve(arm)


if __name__ == "__main__":
    main()
