"""A sweep on a cluster."""

from pathlib import Path

import pytest

from pipeline.errors import ClusterError
from pipeline.execution.workers import Workers
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.grid import Grid
from pipeline.stage_two.sweep import run_sweep
from tests.cluster.conftest import Cluster
from tests.stage_two.tasks import make_task

HEADS = (
    "logreg:C=0.001|0.01|0.1|1|10|100",
    "logreg:C=0.001|0.01|0.1|1|10|100,scale=none",
    "svm:C=0.001|0.01|0.1|1|10|100",
    "ridge:alpha=0.1|1|10|100|1000|10000",
    "ridge:alpha=0.1|1|10|100|1000|10000,scale=none",
    "knn:k=1|3|5|9|15|25|35",
    "lda:shrinkage=0.1|0.5",
    "softmax",
)


def test_forty_heads_give_the_local_table(cluster: Cluster, tmp_path: Path):
    """The same heads in the same order, with the same scores."""
    task = make_task(shape=(24,), num_train=300, num_classes=4, distance=0.7)
    cells = Grid(HEADS, Training(epochs=2)).cells(task.task)
    kept = {"task_digest": "of these rows"}
    there = run_sweep(cells, task, tmp_path / "a", workers=Workers("dask", scheduler=cluster.address), **kept)
    here = run_sweep(cells, task, tmp_path / "b", workers=Workers(count=1), **kept)

    assert len(cells) == len(there) == 40
    assert [row.head for row in there] == [row.head for row in here]
    for row, other in zip(there, here, strict=True):
        assert row.validation.main == other.validation.main
        assert row.validation.loss == pytest.approx(other.validation.loss, rel=1e-5, abs=1e-9)
        assert row.settings == other.settings


def test_scheduler_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The address is named."""
    monkeypatch.setattr("pipeline.execution.members.CONNECT_SECONDS", 0.5)
    workers = Workers("dask", scheduler="tcp://127.0.0.1:9")

    with pytest.raises(ClusterError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"):
        list(workers.run(len, ["abc"]))
