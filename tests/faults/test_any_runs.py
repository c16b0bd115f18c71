"""Any tree of bytes as a folder of runs: every command ends in time and in order, and touches nothing but the page that it writes.

A third of FAULTS_EXAMPLES says how many of each are tried (`make faults`: 3,333).
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.app import main
from pipeline.errors import PipelineError
from pipeline.files import remove
from pipeline.runs.folder import save_arrays, write_predictions
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.tasks.classification import Classification
from tests.faults.endings import THINGS, Ending, assert_in_order, end, look
from tests.faults.test_any_cache import often
from tests.faults.test_foreign_runs import HEAD, NOVELTY
from tests.faults.trees import write_tree
from tests.runs.samples import HISTORY, make_run

COMMANDS = (("runs",), ("report",), ("report", "bad"), ("load", "bad"), ("load", "good"))
FILES = ("run.json", "metrics.json", "history.csv", "predictions.csv", "head.npz", "novelty.npz")
PLACES = (
    "bad",
    *(f"bad/{name}" for name in (*FILES, "sweep.json", "exports.json", "head.keras")),
    "other",
    "report.html",
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good run and one to be spoiled, beside a folder of the user's. Read only."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "outside").mkdir()
    (folder / "outside" / "thesis.h5").write_bytes(b"years of work")
    (folder / "outside" / "other.sqlite").write_bytes(b"another program's")
    for name in ("good", "bad"):
        made = make_run(folder / "runs", name, history=HISTORY)
        save_arrays(made.path / "head.npz", HEAD)
        save_arrays(made.path / "novelty.npz", NOVELTY)
        p = np.array([0.25, 0.75], np.float32)
        write_predictions(
            made.path / "predictions.csv", [("a.png", "test", "ant", b"\1" * 32, p)] * 3, Classification(("ant", "bee"))
        )
    for command in COMMANDS:  # what commands import is imported once, and not in each process
        with copy(original=folder) as runs:
            end(command, runs, run)
            run(command, runs)
    return folder


@contextmanager
def copy(original: Path) -> Iterator[Path]:
    """A copy of the runs and of the user's folder."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(original, Path(folder) / "copy")
        yield Path(folder) / "copy/runs"


def run(command: Sequence[str], runs: Path) -> int:
    """Run a command in this process; the exit code."""
    settings = Settings.of(runs=runs, cache=runs.with_name("cache"))
    try:
        if command[0] == "load":
            loaded, X = load_run(command[1], settings), np.zeros((3, 4), np.float32)
            loaded.head.outputs(X)
            if loaded.detector is not None:
                loaded.detector.judge(X)
        else:
            main(
                [*command, "--runs", str(runs), *(["--cache", str(runs.with_name("cache"))] * (command[0] == "report"))]
            )
    except SystemExit as stopped:
        sys.stdout.flush()
        return int(stopped.code or 0)
    except PipelineError as error:
        print(error, flush=True)  # noqa: T201
        return error.exit_code
    return 0


def check_command(command: Sequence[str], runs: Path) -> Ending:
    """Run it; nothing changes but the pages, and the good run is read."""
    before = look(runs.parent)
    ending = end(command, runs, run)
    pages = ("runs/report.html", "runs/bad/report.html", "said")

    assert_in_order(ending, runs)
    after = look(runs.parent)
    assert {name: after.get(name) for name in before if name not in pages} == {
        name: content for name, content in before.items() if name not in pages
    }
    assert set(after) - set(before) <= {*pages, "cache"}
    if command[-1] == "good":
        assert ending.code == 0, ending
    return ending


@often
@given(place=st.sampled_from(PLACES), thing=st.sampled_from(sorted(THINGS)), command=st.sampled_from(COMMANDS))
def test_whatever_lies_in_the_place_of_a_file(original: Path, place: str, thing: str, command: tuple[str, ...]):
    """Pipes, devices, links, folders and endless files: nothing waits, and the good run is listed."""
    with copy(original) as runs:
        remove(runs / place)
        THINGS[thing](runs / place, runs.parent / "outside")
        ending = check_command(command, runs)

        if command == ("runs",):
            assert "good" in ending.said


@often
@given(data=st.data(), file=st.sampled_from(FILES), command=st.sampled_from(COMMANDS))
def test_any_byte_may_be_another_one(original: Path, data: st.DataObject, file: str, command: tuple[str, ...]):
    """In any file of a run."""
    with copy(original) as runs:
        path = runs / "bad" / file
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)

        check_command(command, runs)


_NAMES = st.sampled_from(
    (
        *("bad", "good", "comparison-a", "run.json", "head.npz", "head.keras"),
        *("metrics.json", "sweep.json", "comparison.json", "report.html"),
    )
)


@often
@given(
    entries=st.lists(
        st.tuples(st.lists(_NAMES, min_size=1, max_size=3), st.none() | st.binary(max_size=80)), max_size=8
    ),
    command=st.sampled_from(COMMANDS[:4]),
)
def test_any_tree_of_bytes(entries: list[tuple[list[str], bytes | None]], command: tuple[str, ...]):
    """Files with any content and folders, under the names that a folder of runs uses."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "copy/runs"
        runs.mkdir(parents=True)
        write_tree(runs, entries)

        check_command(command, runs)
