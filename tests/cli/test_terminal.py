"""The terminal: colours, --verbose, errors, logs."""

import contextlib
import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import terminal
from pipeline.cli.terminal import open_missing_streams, write
from pipeline.runs import listing as runs
from tests import ready
from tests.cli.commands import BASE, PROJECT, call, imported, noise, start
from tests.runs.samples import read_curves

RED, BOLD = "\x1b[31m", "\x1b[1m"


def on_terminal(*arguments, **environment):
    """Output of the program on a terminal."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    subprocess.run(
        command,
        stdout=theirs,
        stderr=theirs,
        check=False,
        env=plain | {"TERM": "xterm", "PYTHONPATH": str(PROJECT)} | environment,
    )
    os.close(theirs)
    try:
        return os.read(ours, 4096).decode()
    finally:
        os.close(ours)


# Colours


def test_errors_and_the_best_run_stand_out_on_a_terminal(work, tmp_path):
    """The name before an error is red, and the row of the best run is bold."""
    best = call("runs", *work["places"], "--json").json[0]["run"]

    assert on_terminal("features", tmp_path / "nowhere").startswith(f"{RED}bottleneck:")
    assert f"{BOLD}{best} " in on_terminal("runs", *work["places"])


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colours_where_they_are_not_wanted(environment, work, tmp_path):
    """NO_COLOR and a terminal without colours are respected; an empty NO_COLOR has no effect."""

    assert "\x1b" not in on_terminal("features", tmp_path / "nowhere", **environment)
    assert "\x1b" not in on_terminal("runs", *work["places"], **environment)
    assert RED in on_terminal("features", tmp_path / "nowhere", NO_COLOR="")


def test_no_colours_in_a_pipe(work):
    """Output to a file or another program is plain text."""
    assert "\x1b" not in call("runs", *work["places"]).out


# --verbose


def test_verbose_says_what_is_reused_and_chosen(photos, own):
    """-v logs to standard error how many rows are new and what was chosen; without it nothing is logged."""
    command = ("-m", "pipeline", "head", photos, *BASE, *own, "--json", "--no-plots")
    silent, verbose = (start(*command, *more, python=ready.python()) for more in ([], ["-qv"]))

    assert noise(silent) == ""
    assert "INFO: " in verbose.stderr
    assert "48 rows needed, 0 of them new" in verbose.stderr
    assert "ridge: chose alpha = " in verbose.stderr
    assert json.loads(verbose.stdout)["head"] == "ridge"


# Errors


@pytest.fixture
def broken(monkeypatch):
    def list_runs(_):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(runs, "list_runs", list_runs)


@pytest.mark.usefixtures("broken")
def test_bug_is_one_line():
    """An unexpected error has exit code 1, no traceback, and says how to get one."""
    outcome = call("runs")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("bottleneck: This is a bug in bottleneck ")
    assert "ZeroDivisionError: division (the same command with --debug" in outcome.err
    assert outcome.err.count("\n") == 1
    assert call("runs", "--json").json["error"] == "ZeroDivisionError"


@pytest.mark.usefixtures("broken")
def test_debug_shows_where_the_bug_is():
    """With --debug it is raised as it is."""
    with pytest.raises(ZeroDivisionError):
        call("runs", "--debug")


def test_lack_of_memory_is_no_bug(monkeypatch):
    """An error without a message gets one."""

    def list_runs(_):
        raise MemoryError

    monkeypatch.setattr(runs, "list_runs", list_runs)
    outcome = call("runs")

    assert (outcome.code, outcome.err) == (2, "bottleneck: Memory ran out.\n")


@pytest.mark.parametrize(("library", "code"), [("libtensorflow_cc.so.2: failed to map segment", 2), ("no name 'x'", 1)])
def test_library_that_cannot_be_loaded_is_no_bug(library, code, monkeypatch):
    """Where memory is limited, or a file of a package is gone; a name that a module lacks is one."""

    def list_runs(_):
        raise ImportError(library)

    monkeypatch.setattr(runs, "list_runs", list_runs)
    outcome = call("runs")

    assert outcome.code == code
    assert ("ulimit -v" in outcome.err, "This is a bug" in outcome.err) == (code == 2, code == 1)


def test_closed_pipe_is_no_error(work):
    """If the reader closes the pipe, as `| head -1` does, the program ends without a message."""
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "pipeline", "runs", *map(str, work["places"])]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    outcome = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False, env=environment)
    os.close(theirs)

    assert (outcome.returncode, outcome.stderr) == (141, b"")


def test_error_that_nobody_reads_is_told_by_the_exit_code(tmp_path):
    """`bottleneck features nowhere --json | head -0`: no traceback on the terminal."""
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "pipeline", "features", str(tmp_path / "nowhere"), "--json"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    outcome = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False, env=environment)
    os.close(theirs)

    assert (outcome.returncode, outcome.stderr) == (2, b"")


# Logs


def test_log_of_a_linear_head_costs_no_tensorflow(photos, own, tmp_path):
    """A linear head on a warm cache writes a TensorBoard log without loading TensorFlow."""
    command = ("-m", "pipeline", "head", photos, "--name", "told", "--tensorboard", tmp_path / "logs", *BASE, *own)
    outcome = start("-X", "importtime", *command, "--json", "--no-plots")
    shown = read_curves(tmp_path / "logs" / "told")

    assert imported(outcome).isdisjoint({"tensorflow", "keras"})
    assert shown["test/accuracy"] == [(0, pytest.approx(json.loads(outcome.stdout)["test"]["accuracy"]))]
    assert len(shown["regularisation/leave_one_out"]) == 25


def test_every_trained_head_is_logged(photos, own, tmp_path):
    """Fine-tuning logs all epochs as one curve, a sweep each of its heads, a comparison each of its runs."""
    logs = ("--tensorboard", tmp_path)
    few = ("--epochs", 1, *BASE, *own, *logs, "--json")
    call("finetune", photos, "--last", 3, "--cached", "--head-epochs", 2, "--name", "tuned", *few)
    call("sweep", photos, "--head", "ridge:alpha=1", "--head", "knn:k=1|3", "--name", "best", *BASE, *own, *logs)
    call("compare", photos, "--regimes", "linear,dense", *few)

    assert [step for step, _ in read_curves(tmp_path / "tuned")["val_loss"]] == [1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "best-sweep").iterdir()) == ["001", "002", "003"]
    assert {path.name.rsplit("-", 1)[1] for path in tmp_path.glob("compare-*")} == {"linear", "dense"}


def test_streams_that_the_shell_has_closed_are_no_bug(monkeypatch):
    """`bottleneck runs >&-`: the result goes nowhere."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    open_missing_streams()

    write("a result")
    assert sys.stdin.read() == ""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_output_that_cannot_be_written_is_named(monkeypatch):
    """The disk that a result was redirected to is full."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OSError, match="standard output"):
            write("a result")
        with contextlib.suppress(OSError):
            full.close()


def test_a_message_is_shown_once():
    """A command that opens its data twice says only once which stored rows it uses; another message is another one."""
    once = terminal._Once()
    records = [logging.LogRecord("pipeline", logging.WARNING, "", 1, "size %d", (size,), None) for size in (1, 1, 2)]

    assert [once.filter(record) for record in records] == [True, False, True]
