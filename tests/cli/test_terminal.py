"""What the command line does for those who sit before it: colours, completion, more words or fewer, errors."""

import json
import os
import pty
import subprocess
import sys

import pytest

from pipeline.runs import folder as runs
from tests.cli.test_app import BASE, HEAVY, PROJECT, call, imported, start
from tests.runs.test_logs import curves, make_run

RED, BOLD = "\x1b[31m", "\x1b[1m"


@pytest.fixture(scope="module")
def places(tmp_path_factory, photos, home):
    """Folders in which the features of the photographs are in the cache."""
    folder = tmp_path_factory.mktemp("places")
    found = ("--cache", folder / "cache", "--runs", folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        call("features", photos, *BASE, *found)
    return found


def on_terminal(*arguments, **environment):
    """What the program writes where standard output and standard error are a terminal."""
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


def test_errors_and_the_best_run_stand_out_on_a_terminal(tmp_path):
    """The name before an error is red, and the row of the best run is bold."""
    make_run(tmp_path / "runs")

    assert on_terminal("features", tmp_path / "nowhere").startswith(f"{RED}bottleneck:")
    assert f"{BOLD}mine" in on_terminal("runs", "--runs", tmp_path / "runs")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colours_where_they_are_not_wanted(environment, tmp_path):
    """NO_COLOR, and a terminal that has none, are respected; an empty NO_COLOR says nothing."""
    make_run(tmp_path / "runs")

    assert "\x1b" not in on_terminal("features", tmp_path / "nowhere", **environment)
    assert "\x1b" not in on_terminal("runs", "--runs", tmp_path / "runs", **environment)
    assert RED in on_terminal("features", tmp_path / "nowhere", NO_COLOR="")


def test_no_colours_in_a_pipe(tmp_path):
    """What goes to a file or another program is plain text."""
    make_run(tmp_path / "runs")

    assert "\x1b" not in call("runs", "--runs", tmp_path / "runs").out


# More words


def test_verbose_says_what_is_reused_and_chosen(photos, places):
    """-v tells on standard error how many rows were there, and what was chosen; without it there is silence."""
    command = ("-m", "pipeline", "head", photos, *BASE, *places, "--json", "--no-plots")
    silent, verbose = start(*command), start(*command, "-qv")

    assert silent.stderr == ""
    assert "INFO: " in verbose.stderr
    assert "48 rows wanted, 0 of them new" in verbose.stderr
    assert "ridge: alpha " in verbose.stderr
    assert json.loads(verbose.stdout)["head"] == "ridge"


# Errors


@pytest.fixture
def broken(monkeypatch):
    def list_runs(_):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(runs, "list_runs", list_runs)


@pytest.mark.usefixtures("broken")
def test_bug_is_one_line_that_says_so():
    """What nobody expected has exit code 1, no traceback, and the way to one."""
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
    """An error without words gets some."""

    def list_runs(_):
        raise MemoryError

    monkeypatch.setattr(runs, "list_runs", list_runs)
    outcome = call("runs")

    assert (outcome.code, outcome.err) == (2, "bottleneck: Memory ran out.\n")


def test_reader_that_has_seen_enough_is_no_error(tmp_path):
    """Where nobody reads any more, as after `| head -1`, the program ends without a word."""
    make_run(tmp_path / "runs")
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "pipeline", "runs", "--runs", tmp_path / "runs"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    outcome = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False, env=environment)
    os.close(theirs)

    assert (outcome.returncode, outcome.stderr) == (141, b"")


# Logs


def test_log_of_a_linear_head_costs_no_tensorflow(photos, places, tmp_path):
    """A linear head on a warm cache leaves its curves for TensorBoard, and TensorFlow is not loaded."""
    command = ("-m", "pipeline", "head", photos, "--name", "told", "--tensorboard", tmp_path / "logs", *BASE, *places)
    outcome = start("-X", "importtime", *command, "--json", "--no-plots")
    shown = curves(tmp_path / "logs" / "told")

    assert imported(outcome).isdisjoint({"tensorflow", "keras"})
    assert shown["test/accuracy"] == [(0, pytest.approx(json.loads(outcome.stdout)["test"]["accuracy"]))]
    assert len(shown["regularisation/leave_one_out"]) == 25


def test_every_trained_head_is_told_of(photos, places, tmp_path):
    """Fine-tuning shows all its epochs in one curve, a sweep each of its heads, a comparison each of its runs."""
    logs = ("--tensorboard", tmp_path)
    few = ("--epochs", 1, *BASE, *places, *logs, "--json")
    call("finetune", photos, "--last", 3, "--cached", "--head-epochs", 2, "--name", "tuned", *few)
    call("sweep", photos, "--head", "ridge:alpha=1", "--head", "knn:k=1|3", "--name", "best", *BASE, *places, *logs)
    call("compare", photos, "--regimes", "linear,dense", *few)

    assert [step for step, _ in curves(tmp_path / "tuned")["val_loss"]] == [1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "best-sweep").iterdir()) == ["001", "002", "003"]
    assert {path.name.rsplit("-", 1)[1] for path in tmp_path.glob("compare-*")} == {"linear", "dense"}


# Completion


def complete(line, **settings):
    """What the Tab key offers after a line, as (type, value), and the process that offered it."""
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "_BOTTLENECK_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    command = [sys.executable, "-X", "importtime", "-m", "pipeline"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, **settings)
    return [tuple(entry.split(",", 1)) for entry in outcome.stdout.split()], outcome


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bottleneck fea", {("plain", "features")}),
        ("bottleneck cache in", {("plain", "info")}),
        ("bottleneck predict m", {("plain", "mine")}),
        ("bottleneck report mi", {("plain", "mine")}),
        ("bottleneck finetune photos --on ", {("plain", "mine"), ("plain", "other")}),
        ("bottleneck predict --runs elsewhere ", {("plain", "third")}),
        ("bottleneck cache info ", {("plain", "vgg16-64px-block5_pool-0123456789ab")}),
        ("bottleneck bases efficientnetb", {("plain", f"efficientnetb{number}") for number in range(8)}),
        ("bottleneck head photos --base squ", {("plain", "squeezenet")}),
        ("bottleneck head photos --head l", {("plain", "logreg"), ("plain", "lda")}),
        ("bottleneck sweep photos --head den", {("plain", "dense:256,relu,dropout:0.5")}),
        ("bottleneck recipe r0", {("plain", "r0a"), ("plain", "r0b"), ("plain", "r0c")}),
        ("bottleneck head photos --tens", {("plain", "--tensorboard")}),
        ("bottleneck features skl", {("plain", "sklearn:digits")}),
        ("bottleneck features pho", {("file", "pho")}),
        ("bottleneck predict mine pho", {("file", "pho")}),
        ("bottleneck head photos --tensorboard log", {("dir", "log")}),
    ],
)
def test_tab_completes(line, expected, tmp_path):
    """Commands, options, runs, stores, bases, heads, recipes and files are offered, without anything heavy."""
    for folder, name in (("runs", "mine"), ("runs", "other"), ("elsewhere", "third")):
        make_run(tmp_path / folder, name)
    store = tmp_path / "features_cache" / "vgg16-64px-block5_pool-0123456789ab"
    store.mkdir(parents=True)
    (store / "recipe.json").touch()
    offered, outcome = complete(line, cwd=tmp_path)

    assert set(offered) == expected
    assert imported(outcome).isdisjoint(set(HEAVY) - {"numpy"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell):
    """The line in the documentation prints a script for each of the shells."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "_BOTTLENECK_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "pipeline"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    if shell == "bash" and "Bash" in outcome.stderr:
        pytest.skip(outcome.stderr)
    assert f"_BOTTLENECK_COMPLETE={shell}_complete" in outcome.stdout
