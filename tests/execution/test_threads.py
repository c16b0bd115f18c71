"""How many threads a process may use."""

import os

import pytest

from pipeline.execution import threads
from pipeline.execution.threads import is_worker, num_cores, num_threads, take_share


@pytest.fixture
def _no_share(monkeypatch):
    """This process is no worker, and is none afterwards."""
    monkeypatch.setattr(threads, "_share", [])
    monkeypatch.setattr(threads, "quiet_tensorflow", lambda: None)  # it would stay for all later tests
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "")  # so that what a test sets is taken back
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("_no_share")
def test_process_that_is_no_worker_may_use_every_core():
    """All cores that the operating system lets it run on."""
    assert (num_threads(), is_worker()) == (num_cores(), False)
    assert 1 <= num_cores() <= os.cpu_count()


@pytest.mark.usefixtures("_no_share")
def test_worker_keeps_to_its_share(monkeypatch):
    """The last share counts; TensorFlow is told of it, but for what the user has set."""
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    take_share(7)
    take_share(3)

    assert (num_threads(), is_worker()) == (3, True)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "7"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "1"
