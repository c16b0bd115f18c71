"""One run as plain data."""

import numpy as np

from pipeline.files import write_json
from pipeline.reports.predictions import read_predictions
from pipeline.reports.sections import detail, summarise
from tests.reports.samples import make_run

ROWS = [
    ("x.png", "test", "a", b"\x01" * 32, np.array([0.25, 0.75])),
    ("y.png", "test", "b", b"\x02" * 32, np.array([0.4, 0.6])),
]


def test_summary_names_the_kind_of_a_run(tmp_path):
    """Linear heads, heads of layers, and what the run itself says of a regime."""
    kinds = [
        summarise(make_run(tmp_path, name, **info))["kind"]
        for name, info in (
            ("a", {"training": None}),
            ("b", {"training": {"epochs": 3}}),
            ("c", {"training": {"epochs": 3}, "regime": "fine-tuning"}),
        )
    ]

    assert kinds == ["linear", "layers", "fine-tuning"]


def test_heads_of_a_sweep_stand_with_its_best_run(tmp_path):
    """All heads that a sweep has ranked come with their intervals; another run has none."""
    run = make_run(tmp_path, "best")
    scores = {"accuracy": 0.75, "ci95": [0.5, 0.9], "loss": 0.5, "n": 12, "macro_f1": 0.7}
    entry = {"head": "knn", "params": 5, "seconds": 0.1, "settings": {"k": 3, "C": 0.5}, "validation": scores}
    write_json(run.path / "sweep.json", [entry])

    assert summarise(run)["sweep"] == [
        {
            "head": "knn",
            "params": 5,
            "seconds": 0.1,
            "accuracy": 0.75,
            "ci95": [0.5, 0.9],
            "loss": 0.5,
            "settings": "k 3, C 0.5",
        }
    ]
    assert summarise(make_run(tmp_path, "other"))["sweep"] == []


def test_details_tell_what_the_head_said(tmp_path):
    """Answers and confidence by row, the surest mistake, and the calibration of each split that has scores."""
    run = make_run(tmp_path, "mine", rows=ROWS, skipped=[{"path": "broken.png", "reason": "empty"}])
    told = detail(run, read_predictions(run))

    assert (told["predicted"], told["confidence"]) == ([1, 1], [750, 600])
    assert set(told["splits"]) == {"test", "validation"}
    assert told["splits"]["test"]["mistakes"] == [0]
    assert told["splits"]["test"]["reliability"]["ece"] > 0
    assert told["splits"]["validation"]["listed"] == 0
    assert told["skipped"] == ["broken.png: empty"]


def test_how_it_was_made_leaves_out_what_is_not_known(tmp_path):
    """Command, digests and recipe are told; what a run does not say is not in the list."""
    made = dict(detail(run := make_run(tmp_path, "mine", rows=ROWS), read_predictions(run))["made"])

    assert made["command"] == "bottleneck head photos --name mine"
    assert made["fingerprint of the recipe"] == "f" * 64
    assert made["recipe"] == '{"base": "vgg16"}'
    assert "views" not in made
    assert "None" not in made.values()
