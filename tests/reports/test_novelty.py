"""How far the images of a run are from its training images, for the page."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError
from pipeline.reports.novelty import describe_novelty, judged_rows, strange_rows
from pipeline.reports.prediction_table import SPLITS, read_prediction_table
from pipeline.stage_two.novelty.detector import Novelty
from tests.reports.samples import PREDICTED, make_run

NAN = np.nan
NOVELTY = np.array([[0.1, 0.8], [0.5, 0.02], [0.3, 0.5], [NAN, NAN], [0.25, 1], [NAN, NAN], [NAN, NAN]])
TABLE = replace(PREDICTED, novelty=NOVELTY)


def test_the_farthest_images_are_listed_first():
    """Only those that were judged, test images before validation images."""
    assert judged_rows(TABLE, "test").tolist() == [1, 2, 0]
    assert list(strange_rows(TABLE)) == [1, 2, 0, 4]


def test_histograms_count_each_judged_image():
    """All bins have the same ends; what is refused has a p-value of at most 0.05."""
    found = describe_novelty(TABLE)

    assert list(found["splits"]) == ["test", "validation"]
    assert (found["ends"][0], found["ends"][-1], len(found["ends"])) == (0, 0.5, 31)
    assert [sum(part["counts"]) for part in found["splits"].values()] == [3, 1]
    assert found["splits"]["test"]["refused"] == 1
    assert found["splits"]["test"]["strange"] == [[1, 0.02], [2, 0.5], [0, 0.8]]
    assert found["edge"] is None


def test_the_edge_is_where_p_values_become_small():
    """Any distance above the edge has a p-value of at most 0.05, any below has not."""
    distances = np.linspace(0.1, 0.9, 99)
    table = replace(
        PREDICTED,
        names=tuple(map(str, range(99))),
        splits=np.full(99, SPLITS.index("validation"), np.int8),
        novelty=np.stack([distances, np.ones(99)], axis=1),
    )
    edge = describe_novelty(table)["edge"]

    assert (1 + (distances >= edge + 1e-9).sum()) / 100 <= 0.05
    assert (1 + (distances >= edge - 1e-9).sum()) / 100 > 0.05


def test_older_runs_have_no_such_section():
    """A table without distances describes nothing."""
    assert describe_novelty(PREDICTED) is None
    assert list(strange_rows(PREDICTED)) == []


def _rows(count):
    p = np.array([0.25, 0.75], np.float32)
    return [(f"{number}.png", "validation", "a", bytes([number]) * 32, p) for number in range(count)]


def test_distances_are_read_from_predictions(tmp_path):
    """Empty cells are not known; an impossible number is an error of the file."""
    novelty = Novelty(np.array([0.25, NAN], np.float32), np.array([0.5, NAN]))
    run = make_run(tmp_path, "new", rows=_rows(2), novelty_of=novelty)

    assert read_prediction_table(run).novelty[0].tolist() == [0.25, 0.5]
    assert np.isnan(read_prediction_table(run).novelty[1]).all()
    path = run.path / "predictions.csv"
    path.write_text(path.read_text().replace("0.25,0.5\n", "7,0.5\n"))
    with pytest.raises(DamagedStoreError, match="distance is not between 0 and 2"):
        read_prediction_table(run)
