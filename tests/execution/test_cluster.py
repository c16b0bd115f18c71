"""Tasks on a Dask cluster without its processes; real ones are in tests/cluster."""

import importlib.util
import os

import pytest

from pipeline.errors import MissingExtraError
from pipeline.execution.cluster import run_on_cluster, worker_name
from pipeline.execution.tasks import Work


def test_missing_dask_is_named(monkeypatch):
    """The message has the command that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else find(name))

    with pytest.raises(MissingExtraError, match=r"bottleneck-pipeline\[dask\]"):
        list(run_on_cluster(Work(len, ["a"], (), str), address="tcp://head:8786", count=None))


def test_outside_a_cluster_a_worker_is_a_process():
    """Its number and its machine tell where to look."""
    assert worker_name().startswith(f"process {os.getpid()} on ")
