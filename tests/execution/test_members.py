"""What is known of a cluster's workers from what its scheduler says; real ones are in tests/cluster."""

from types import SimpleNamespace

import pytest

from pipeline import __version__
from pipeline.errors import ClusterError
from pipeline.execution import members as module
from pipeline.execution.members import Members


class Scheduler:
    """Says who is there, on which machine, and when it heard of each."""

    def __init__(self, hosts=(), version=__version__):
        self.workers = {f"tcp://{number}": {"host": host, "last_seen": 100.0} for number, host in enumerate(hosts)}
        self.number, self.version, self.is_deaf = "Scheduler-1", version, False

    async def identity(self, n_workers):
        assert n_workers == -1  # by default Dask lists the first five only
        return {"id": self.number, "workers": {name: dict(worker) for name, worker in self.workers.items()}}

    async def versions(self, workers):
        if self.is_deaf:
            raise TimeoutError
        return dict.fromkeys(workers, self.version)


def members_of(scheduler):
    """The members; every coroutine is run at once."""

    def sync(question, callback_timeout):
        import asyncio

        return asyncio.run(question())

    client = SimpleNamespace(
        scheduler=scheduler,
        status="running",
        sync=sync,
        run=lambda *_, workers, on_error: scheduler.versions(workers),
    )
    return Members(client, "tcp://head:8786")


def test_workers_share_the_cores_of_the_fullest_machine():
    """Shares are equal, so none is larger than a machine can give; a cluster may still be empty."""
    crowd = members_of(Scheduler(["a", "b", "b", "a", "b"]))
    crowd.look()

    assert crowd.most_per_machine() == 3
    assert members_of(Scheduler()).most_per_machine() == 1


def test_worker_is_silent_by_the_clock_of_the_scheduler_or_by_this_one(monkeypatch):
    """One that fell behind the others is known at the first look; if all are silent, it is this clock that tells."""
    now, scheduler = 1000.0, Scheduler(["a", "a"])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    scheduler.workers["tcp://1"]["last_seen"] -= 2 * module.SILENT_SECONDS
    crowd = members_of(scheduler)
    crowd.look()
    assert (crowd.silent(), crowd.usable) == ({"tcp://1"}, {"tcp://0"})

    scheduler.workers["tcp://1"]["last_seen"] = 100.0
    crowd.look()
    assert (crowd.silent(), crowd.usable) == (set(), {"tcp://0", "tcp://1"})

    now += 2 * module.SILENT_SECONDS
    crowd.look()
    assert (crowd.silent(), crowd.usable) == ({"tcp://0", "tcp://1"}, set())


def test_worker_that_does_not_say_its_version_gets_no_task(monkeypatch):
    """It is asked again at the next look."""
    scheduler = Scheduler(["a"])
    scheduler.is_deaf = True
    crowd = members_of(scheduler)
    crowd.look()
    assert crowd.usable == set()

    scheduler.is_deaf = False
    crowd.look()
    assert crowd.usable == {"tcp://0"}


def test_scheduler_that_was_started_anew_has_lost_the_tasks():
    """Its name is another one, and so is the answer of one that does not answer."""
    scheduler = Scheduler(["a"])
    crowd = members_of(scheduler)
    crowd.look()
    scheduler.number = "Scheduler-2"
    with pytest.raises(ClusterError, match=r"tcp://head:8786 was lost .*: it was started anew\."):
        crowd.look()

    crowd.client.status = "connecting"
    with pytest.raises(ClusterError, match=r"was lost .*: the connection broke\. What is finished is kept\."):
        crowd.look()
