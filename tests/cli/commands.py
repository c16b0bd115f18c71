"""Commands called in this process or in one of their own, and what they leave."""

import contextlib
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from pipeline.cli.app import app, main

PROJECT = Path(__file__).parents[2]
BASE = ("--base", "squeezenet", "--size", "48", "--weights", "random")
HEAVY = ("tensorflow", "keras", "sklearn", "numpy", "h5py", "scipy", "matplotlib")
HEAD_KEYS = {
    *("run", "head", "train", "validation", "test", "seconds", "seconds_per_epoch", "epochs"),
    *("trainable_params", "total_params", "trunk_digest_before", "trunk_digest_after"),
}


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output as the one JSON value that it must be."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def call(*arguments):
    """Run a command in this process; the handlers that it installs are taken away again."""
    out, err = io.StringIO(), io.StringIO()
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = list(logging.getLogger().handlers)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        logging.getLogger().handlers[:] = handlers
    return Outcome(caught.value.code, out.getvalue(), err.getvalue())


def start(*arguments, python=sys.executable, **settings):
    """Run the program in a process of its own."""
    command = [python, *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(PROJECT)}, **settings
    )


def noise(outcome):
    """Standard error without the warning that the small sets of the tests have few validation images."""
    err = outcome.stderr if isinstance(outcome.stderr, str) else outcome.stderr.decode()
    return "".join(line for line in err.splitlines(keepends=True) if not re.match(r"WARNING: .*validation", line))


def imported(outcome):
    """Top-level packages that a process started with -X importtime has loaded."""
    return {
        line.rsplit("|", 1)[1].strip().split(".")[0] for line in outcome.stderr.splitlines() if "import time:" in line
    }


def walk(command=app, path=()):
    """Every command that does something, by its words."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk(child, (*path, name))
    else:
        yield path, command


COMMANDS = dict(walk())
NAMES = [" ".join(path) for path in COMMANDS]
