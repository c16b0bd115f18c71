"""Any system call may fail: every command ends in time and in order, no good shard is lost, and nothing unfinished is served.

A third of FAULTS_EXAMPLES says how many calls are tried with commands on a cache and with those of `NAMES` (`make faults`: 3,333 each),
a hundredth of it with `export`, which needs seconds.
"""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.cache.store import Store
from pipeline.exports import keras_file
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from tests.cache.samples import RECIPE, make_keys, make_rows
from tests.conftest import RANDOM
from tests.faults.child import SMALL
from tests.faults.conftest import PROJECT
from tests.faults.endings import COMMANDS, DOCUMENTED, ROWS, Ending, assert_in_order, good_shards, look
from tests.faults.test_any_cache import EXAMPLES, STORE, copy, often, original

__all__ = ["original"]

KINDS = ("open", "read", "write", "fsync", "close", "rename", "link", "unlink", "mkdir", "rmdir", "flock")
ERRORS = "EACCES EBUSY EDQUOT EFBIG EINTR EINVAL EIO EMFILE ENFILE ENOENT ENOLCK ENOMEM ENOSPC ENOTSUP EPERM EROFS ESTALE ETIMEDOUT"
Fail = Callable[..., Ending]

_NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)

numbers = st.integers(1, 8) | st.integers(1, 120)  # of most kinds there are few
kinds, errors = st.sampled_from(KINDS), st.sampled_from(ERRORS.split())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is loaded before the C library."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("system calls are made to fail by a library that a C compiler makes, on Linux")
    library = tmp_path_factory.mktemp("library") / "calls.so"
    source = Path(__file__).with_name("calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, timeout=60)
    return library


@contextmanager
def failing(library: Path, *words: object, **environment: str) -> Iterator[Fail]:
    """Runs commands in a process in which one system call fails."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "LD_PRELOAD": str(library)} | environment
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.calls", *map(str, words)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def call(*, error: str, cache: Path, **given: object) -> Ending:
            code = getattr(errno, error)
            server.stdin.write(json.dumps({**given, "errno": code, "cache": str(cache)}) + "\n")
            server.stdin.flush()
            return Ending(**json.loads(server.stdout.readline()))

        yield call
        server.stdin.close()


@pytest.fixture(scope="module")
def fail(library: Path) -> Iterator[Fail]:
    """Runs a command on a cache."""
    with failing(library) as call:
        yield call


@often
@given(command=st.sampled_from(COMMANDS), kind=kinds, number=st.integers(1, 40), error=errors)
def test_any_call_may_fail(original: Path, fail: Fail, command: tuple[str, ...], kind: str, number: int, error: str):
    """Whichever it is, and whatever the system says."""
    with copy(original) as cache:
        outside, before = look(cache.parent / "outside"), good_shards(cache)
        ending = fail(cache=cache, command=command, kind=kind, number=number, error=error)

        assert_in_order(ending, cache)
        assert look(cache.parent / "outside") == outside
        if command[:2] != ("prune", STORE):
            np.testing.assert_array_equal(Store(cache, RECIPE).read(make_keys(ROWS)), make_rows(ROWS))
            if command != ("compact",):
                assert before.items() <= good_shards(cache).items()


@pytest.fixture(scope="module")
def work(places: dict[str, Path], photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, a cache with their features, and a run. Read only."""
    import pipeline

    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(photos, folder / "photos")
    shutil.copytree(places["cache"], folder / "cache")
    pipeline.fit(folder / "photos", "ridge", name="first", plots=False, **RANDOM, **_places(folder))
    return folder


def _places(folder: Path) -> dict[str, Path]:
    return {"cache": folder / "cache", "runs": folder / "runs"}


def command_line(name: str, folder: Path) -> list[str]:
    """The words of a command on the files of a folder."""
    base = [word for key, value in RANDOM.items() for word in (f"--{key}", str(value))]
    cache, runs = ["--cache", str(folder / "cache")], ["--runs", str(folder / "runs")]
    data = str(folder / "photos")
    return {
        "features": ["features", data, "--cache", str(folder / "small")],
        "head": ["head", data, "--head", "ridge", "--name", "mine", "--no-plots", *base, *cache, *runs],
        "replace": [
            "head",
            data,
            "--head",
            "ridge",
            "--name",
            "first",
            "--replace",
            "--no-plots",
            *base,
            *cache,
            *runs,
        ],
        "cache export": ["cache", "export", data, str(folder / "rows.h5"), *base, *cache],
        "predict": ["predict", "first", f"{data}/test", "--out", str(folder / "labels.csv"), *cache, *runs],
        "evaluate": ["evaluate", "first", data, "--out", str(folder / "results"), *cache, *runs],
        "report": ["report", "first", "--out", str(folder / "page.html"), *cache, *runs],
        "export": ["export", "first", str(folder / "model.keras"), *cache, *runs],
    }[name]


NAMES = ("features", "head", "replace", "cache export", "predict", "evaluate", "report")


@contextmanager
def copy_of(work: Path) -> Iterator[Path]:
    """A copy of the folder, and one of its own for temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(work, Path(folder) / "copy")
        yield Path(folder) / "copy"


@pytest.fixture(scope="module")
def fail_at_work(library: Path, work: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fail]:
    """Runs a command line."""
    file = tmp_path_factory.mktemp("commands") / "commands.json"
    with copy_of(work) as folder:
        file.write_text(json.dumps([command_line(name, folder) for name in NAMES]))
        with failing(library, file, BOTTLENECK_HOME=str(home)) as call:
            yield call


def assert_ended_well(ending: Ending, folder: Path, before: dict[str, object]) -> None:
    """A documented exit code, an error that names a path; images and rows are as they were, and the old run is whole."""
    assert ending.code in DOCUMENTED, ending
    assert "This is a bug" not in ending.said, ending
    assert "Traceback" not in ending.said, ending
    assert ending.code == 0 or re.search(r"/\w", ending.said), ending
    after = look(folder)
    assert {name: after.get(name) for name in before if name.startswith("photos")} == {
        name: content for name, content in before.items() if name.startswith("photos")
    }
    assert {name for name in before if name.endswith(".h5")} <= set(after)
    runs = Settings.of(runs=folder / "runs", cache=folder / "cache")
    assert load_run("first", runs).classes == ("blue", "red")
    named = {"photos", "cache", "runs", "small", "rows.h5", "model.keras", "model.labels.json", "said"}
    named |= {"labels.csv", "results", "page.html"}
    assert {name.split("/")[0] for name in after if not name.startswith(".")} <= named


@often
@given(name=st.sampled_from(NAMES), kind=kinds, number=numbers, error=errors)
def test_any_call_of_a_command_may_fail(work: Path, fail_at_work: Fail, name: str, kind: str, number: int, error: str):
    """What it has written is whole, or it is not there; the next one without a fault makes it."""
    with copy_of(work) as folder:
        before = look(folder)
        words = command_line(name, folder)
        ending = fail_at_work(
            cache=folder / "cache", command=["bottleneck", *words], kind=kind, number=number, error=error
        )

        assert_ended_well(ending, folder, before)
        if name == "features":
            store = Store(folder / "small", SMALL)
            assert ending.code or len(store) == 48 - ending.said.count("cannot be read")
            assert np.isfinite(store.read(store.keys())).all()
        if name == "head" and (ending.code == 0 or (folder / "runs/mine").exists()):
            assert load_run("mine", Settings.of(runs=folder / "runs", cache=folder / "cache")).classes == (
                "blue",
                "red",
            )
        if name == "predict":
            written = (folder / "labels.csv").exists()
            assert written == (ending.code == 0)
            assert not written or len((folder / "labels.csv").read_text().splitlines()) == 13
        if name == "report":
            assert (folder / "page.html").exists() or ending.code
        if name == "cache export":
            assert (folder / "rows.h5").exists() == (ending.code == 0)


@settings(
    max_examples=max(2, EXAMPLES // 100), deadline=None, suppress_health_check=list(HealthCheck), phases=_NO_SHRINKING
)
@given(kind=kinds, number=st.integers(1, 60), error=errors)
def test_any_call_of_an_export_may_fail(work: Path, fail_at_export: Fail, kind: str, number: int, error: str):
    """The file has its name only when it is whole."""
    with copy_of(work) as folder:
        before = look(folder)
        words = command_line("export", folder)
        ending = fail_at_export(
            cache=folder / "cache", command=["bottleneck", *words], kind=kind, number=number, error=error
        )

        assert_ended_well(ending, folder, before)
        assert ending.code or (folder / "model.keras").exists()
        if (folder / "model.keras").exists():
            assert keras_file.load(folder / "model.keras")[0].task.names == ("blue", "red")


@pytest.fixture(scope="module")
def fail_at_export(library: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fail]:
    """Runs an export in which a call fails after its file was begun."""
    file = tmp_path_factory.mktemp("commands") / "export.json"
    file.write_text('"export"')
    with failing(library, file, BOTTLENECK_HOME=str(home), TF_CPP_MIN_LOG_LEVEL="3") as call:
        yield call
