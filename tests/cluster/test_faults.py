"""What becomes of a cluster while it has tasks: words with a cure, within a time limit, and no worker that must not get a task gets one."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ClusterError
from pipeline.execution import members
from pipeline.execution.tasks import Lost
from pipeline.execution.workers import Workers
from tests.cluster.conftest import BARE, OLDER, Cluster, running
from tests.cluster.tasks import Signs, hold, wait_until

NUM_TASKS = 6


@pytest.fixture
def signs(tmp_path: Path) -> Signs:
    """Tasks wait for these signs."""
    (tmp_path / "signs").mkdir()
    return Signs(tmp_path / "signs")


def run(cluster: Cluster, signs: Signs, meanwhile: Callable[[], None], count: int | None = None) -> list[str | Lost]:
    """The results of six tasks, while something happens in another thread."""
    tasks = [(signs.folder, number) for number in range(NUM_TASKS)]
    other = threading.Thread(target=meanwhile)
    other.start()
    try:
        done = Workers("dask", count, cluster.address).run(hold, tasks)
        return [result for _, result in done]
    finally:
        signs.let_go()
        other.join()


def test_lost_scheduler_is_an_error_with_a_cure(cluster: Cluster, signs: Signs):
    """It is killed while all workers have tasks; the error comes within seconds."""

    def kill() -> None:
        wait_until(lambda: signs.begun() == 2)
        cluster.scheduler.kill()

    with pytest.raises(
        ClusterError, match=rf"scheduler at {cluster.address} was lost .*Start it and its workers again"
    ):
        run(cluster, signs, kill)


@pytest.mark.parametrize(
    ("first", "scheduler_first", "message"),
    [
        ("", BARE, r"The scheduler tcp://\S+ has no bottleneck-pipeline \(No module named 'pipeline'\)\. Install"),
        (
            BARE,
            "",
            r"Worker tcp://\S+ has no bottleneck-pipeline \(No module named 'pipeline'\)\. Install the same version",
        ),
        (OLDER, "", r"Worker tcp://\S+ has version 0\.0\.1\. Install the same version .* everywhere; this is "),
    ],
    ids=["scheduler without the package", "worker without the package", "worker of another version"],
)
def test_member_that_cannot_work_is_named_at_once(
    first: str, scheduler_first: str, message: str, signs: Signs, home: Path, tmp_path: Path
):
    """Before anything is sent, even if another worker could work."""
    with running(tmp_path / "cluster", home, "", first, scheduler_first=scheduler_first) as cluster:
        cluster.processes(2)
        with pytest.raises(ClusterError, match=message):
            run(cluster, signs, lambda: None)

    assert signs.begun() == 0


def test_late_workers_are_looked_at_before_they_get_a_task(
    signs: Signs, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """One of another version and one without the package are named and get none; one that can work helps."""

    def join() -> None:
        wait_until(lambda: signs.begun() == 1)
        cluster.start_worker(OLDER)
        cluster.start_worker(BARE)
        wait_until(lambda: caplog.text.count("It gets no tasks.") == 2)
        cluster.start_worker()
        wait_until(lambda: signs.begun() == 2)
        signs.let_go()

    with running(tmp_path / "cluster", home, "") as cluster:
        cluster.processes(1)
        done = run(cluster, signs, join)

    assert len(done) == NUM_TASKS
    assert len(set(done)) == 2
    assert "has version 0.0.1. It gets no tasks." in caplog.text
    assert "has no bottleneck-pipeline (No module named 'pipeline'). It gets no tasks." in caplog.text


def test_stopped_worker_holds_nothing(
    cluster: Cluster, signs: Signs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Its tasks come back as lost, for others to do; it is named, and gets no more."""
    monkeypatch.setattr(members, "SILENT_SECONDS", 4)
    processes = cluster.processes(2)
    stopped, *others = processes

    def stop() -> None:
        wait_until(lambda: signs.begun() == 2)
        os.kill(processes[stopped], signal.SIGSTOP)
        signs.let_go()

    done = run(cluster, signs, stop)

    assert len(done) == NUM_TASKS
    assert 1 <= done.count(Lost.LOST) <= 2
    assert {result for result in done if result is not Lost.LOST} == set(others)
    assert caplog.text.count(f"Worker {stopped} was not heard of for") == caplog.text.count("was not heard of") == 1


def test_no_worker_that_works_ends_the_job(
    cluster: Cluster, signs: Signs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """All of them have stopped: a warning at once, an error after the time limit."""
    monkeypatch.setattr(members, "SILENT_SECONDS", 4)
    monkeypatch.setattr(members, "WORKERS_SECONDS", 1)
    processes = cluster.processes(2)

    def stop() -> None:
        wait_until(lambda: signs.begun() == 2)
        for process in processes.values():
            os.kill(process, signal.SIGSTOP)

    with pytest.raises(ClusterError, match=r"had no worker that can be used for 1 s.*not heard of.*Start workers"):
        run(cluster, signs, stop)
    assert "no worker that can be used" in caplog.text


def test_cluster_without_workers_is_told_at_once(
    signs: Signs, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The job waits for a limited time; a worker that comes within it does all tasks."""
    with running(tmp_path / "cluster", home) as cluster:
        with monkeypatch.context() as patch:
            patch.setattr(members, "WORKERS_SECONDS", 0.5)
            with pytest.raises(ClusterError, match=r"had no worker that can be used for 0 s.*`dask worker tcp://"):
                run(cluster, signs, lambda: None)
        assert f"`dask worker {cluster.address}`" in caplog.text
        caplog.clear()

        def join() -> None:
            wait_until(lambda: "Waiting 300 s" in caplog.text)
            cluster.start_worker()

        assert len(run(cluster, signs, join)) == NUM_TASKS
