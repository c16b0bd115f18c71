"""A Dask cluster without its processes; real ones are in tests/cluster."""

import importlib.util
import os

import pytest

from pipeline import __version__
from pipeline.errors import ClusterError, MissingExtraError
from pipeline.execution import cluster
from pipeline.execution.cluster import run_on_cluster, worker_name


class Client:
    """What a cluster tells: the version on each worker, and the machine of each."""

    def __init__(self, versions=(), hosts=(), error=None):
        self.versions, self.hosts, self.error = versions, hosts, error

    def run(self, function):
        if self.error:
            raise self.error
        return dict(enumerate(self.versions))

    def scheduler_info(self, n_workers):
        assert n_workers == -1  # by default Dask lists the first five only
        return {"workers": {number: {"host": host} for number, host in enumerate(self.hosts)}}


def test_workers_share_the_cores_of_the_fullest_machine():
    """Shares are equal, so none is larger than a machine can give; a cluster may still be empty."""
    assert cluster._max_workers_per_machine(Client(hosts=["a", "b", "b", "a", "b"])) == 3
    assert cluster._max_workers_per_machine(Client()) == 1


def test_worker_of_another_version_is_refused():
    """Rows of another version may differ; the message tells both."""
    cluster._check_versions(Client(versions=[__version__, __version__]), "tcp://head:8786")
    with pytest.raises(ClusterError, match=rf"tcp://head:8786 have version .*0\.0\.1.*, this is {__version__}\."):
        cluster._check_versions(Client(versions=[__version__, "0.0.1"]), "tcp://head:8786")


def test_worker_without_the_package_is_named():
    """Python's own error is part of the message."""
    client = Client(error=ModuleNotFoundError("No module named 'pipeline'"))

    with pytest.raises(ClusterError, match=r"lacks this package; install it there: No module named 'pipeline'"):
        cluster._check_versions(client, "tcp://head:8786")


def test_missing_dask_is_named(monkeypatch):
    """The message has the command that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else find(name))

    with pytest.raises(MissingExtraError, match=r"bottleneck-pipeline\[dask\]"):
        list(run_on_cluster(len, ["a"], (), str, address="tcp://head:8786", count=None))


def test_outside_a_cluster_a_worker_is_a_process():
    """Its number and its machine tell where to look."""
    assert worker_name().startswith(f"process {os.getpid()} on ")
