"""One run as plain data."""

import numpy as np

from pipeline.files import write_json
from pipeline.reports.prediction_table import read_prediction_table
from pipeline.reports.sections import detail, summarise
from tests.reports.samples import make_run

ROWS = [
    ("x.png", "test", "a", b"\x01" * 32, np.array([0.25, 0.75])),
    ("y.png", "test", "b", b"\x02" * 32, np.array([0.4, 0.6])),
]


def test_summary_names_the_kind_of_a_run(tmp_path):
    """Linear heads, dense heads, and the regime that the run records."""
    kinds = [
        summarise(make_run(tmp_path, name, **info))["kind"]
        for name, info in (
            ("a", {"training": None}),
            ("b", {"training": {"epochs": 3}}),
            ("c", {"training": {"epochs": 3}, "regime": "fine-tuning"}),
        )
    ]

    assert kinds == ["linear", "dense", "fine-tuning"]


def test_heads_of_a_sweep_are_listed_with_its_best_run(tmp_path):
    """All heads of a sweep come with their intervals; a run of no sweep has none."""
    run = make_run(tmp_path, "best")
    scores = {"accuracy": 0.75, "ci95": [0.5, 0.9], "loss": 0.5, "n": 12, "macro_f1": 0.7}
    entry = {"head": "knn", "params": 5, "seconds": 0.1, "settings": {"k": 3, "C": 0.5}, "validation": scores}
    write_json(run.path / "sweep.json", [entry])

    assert summarise(run)["sweep"] == [
        {
            "head": "knn",
            "params": 5,
            "seconds": 0.1,
            "main": 0.75,
            "ci95": [0.5, 0.9],
            "loss": 0.5,
            "settings": "k 3, C 0.5",
        }
    ]
    assert summarise(make_run(tmp_path, "other"))["sweep"] == []


def test_details_have_predictions_and_calibration(tmp_path):
    """Prediction and confidence of each row, the most confident mistake, and the calibration of each split with scores."""
    run = make_run(tmp_path, "mine", rows=ROWS, skipped=[{"path": "broken.png", "reason": "empty"}])
    shown = detail(run, read_prediction_table(run))

    assert (shown["predicted"], shown["confidence"]) == ([1, 1], [0.75, 0.6])
    assert set(shown["splits"]) == {"test", "validation"}
    assert shown["splits"]["test"]["mistakes"] == [0]
    assert shown["splits"]["test"]["reliability"]["ece"] > 0
    assert shown["splits"]["validation"]["listed"] == 0
    assert shown["skipped"] == ["broken.png: empty"]


def test_how_it_was_made_leaves_out_what_is_not_known(tmp_path):
    """Command, digests and recipe are listed, and nothing that the run has not recorded."""
    made = dict(detail(run := make_run(tmp_path, "mine", rows=ROWS), read_prediction_table(run))["made"])

    assert made["command"] == "bottleneck head photos --name mine"
    assert made["fingerprint of the recipe"] == "f" * 64
    assert made["recipe"] == '{"base": "vgg16"}'
    assert "views" not in made
    assert "None" not in made.values()
