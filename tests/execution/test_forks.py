"""Networks in processes that were forked."""

import multiprocessing

import pytest

from pipeline.errors import SettingError
from pipeline.execution import forks
from pipeline.execution.forks import may_run_network


def test_only_the_process_that_ran_a_network_runs_it_again(monkeypatch):
    """A fork of it is told what to do, and does not wait for ever; a fork of a process that has run none may run its own."""
    monkeypatch.setattr(forks, "_running", set())
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(may_run_network)
        pool.apply(may_run_network)
    may_run_network()
    may_run_network()
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(SettingError, match=r"for ever.*spawn"):
        pool.apply(may_run_network)
