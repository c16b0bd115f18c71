"""Any system call may fail: every command ends in time and in order, no good shard is lost, and nothing unfinished is served.

A third of FAULTS_EXAMPLES says how many calls are tried (`make faults`: 3,333).
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cache.store import Store
from tests.cache.samples import RECIPE, make_keys, make_rows
from tests.faults.conftest import PROJECT
from tests.faults.endings import COMMANDS, ROWS, Ending, assert_in_order, good_shards, look
from tests.faults.test_any_cache import STORE, copy, often, original

__all__ = ["original"]

KINDS = ("open", "read", "write", "fsync", "close", "rename", "link", "unlink", "mkdir", "rmdir", "flock")
ERRORS = "EACCES EBUSY EDQUOT EFBIG EINTR EINVAL EIO EMFILE ENFILE ENOENT ENOLCK ENOMEM ENOSPC ENOTSUP EPERM EROFS ESTALE ETIMEDOUT"
Fail = Callable[..., Ending]


@pytest.fixture(scope="module")
def fail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fail]:
    """Runs a command on a cache in a process in which one system call fails."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("system calls are made to fail by a library that a C compiler makes, on Linux")
    library = tmp_path_factory.mktemp("library") / "calls.so"
    source = Path(__file__).with_name("calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, timeout=60)
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "LD_PRELOAD": str(library)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.calls"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def call(**given: object) -> Ending:
            server.stdin.write(json.dumps(given) + "\n")
            server.stdin.flush()
            return Ending(**json.loads(server.stdout.readline()))

        yield call
        server.stdin.close()


@often
@given(
    command=st.sampled_from(COMMANDS),
    kind=st.sampled_from(KINDS),
    number=st.integers(1, 40),
    error=st.sampled_from(ERRORS.split()),
)
def test_any_call_may_fail(original: Path, fail: Fail, command: tuple[str, ...], kind: str, number: int, error: str):
    """Whichever it is, and whatever the system says."""
    with copy(original) as cache:
        outside, before = look(cache.parent / "outside"), good_shards(cache)
        code = getattr(errno, error)
        ending = fail(cache=str(cache), command=command, kind=kind, number=number, errno=code)

        assert_in_order(ending, cache)
        assert look(cache.parent / "outside") == outside
        if command[:2] != ("prune", STORE):
            np.testing.assert_array_equal(Store(cache, RECIPE).read(make_keys(ROWS)), make_rows(ROWS))
            if command != ("compact",):
                assert before.items() <= good_shards(cache).items()
