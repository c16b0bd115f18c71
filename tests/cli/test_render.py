"""What is printed for people."""

from pipeline.cli import render as text

SCORES = {"accuracy": 0.75, "ci95": [0.5, 0.9], "loss": 0.6, "n": 8}
RESULT = {
    "recipe": "r3",
    "what": "MobileNetV2",
    "changed": {"epochs": 1},
    "reported": {"validation": 0.951},
    "mechanics_only": False,
    "run": "r3",
    "folder": "runs/r3",
    "head": "sigmoid",
    "chosen": {},
    "train": SCORES,
    "validation": SCORES,
    "seconds": 2.0,
    "seconds_per_epoch": 1.0,
    "trainable_params": 1281,
    "total_params": 2259265,
}


def test_a_recipe_shows_ours_beside_the_published_figures():
    """Both stand in one line, and what was changed stands in the title."""
    lines = text.describe_recipe(RESULT).splitlines()

    assert lines[0] == "R3: MobileNetV2 (changed: epochs 1)"
    assert next(line for line in lines if line.startswith("validation ") and "0.951" in line).split()[-1] == "0.7500"


def test_random_weights_show_no_accuracy():
    """Mechanics only: parameters and seconds, and no figure that could be taken for a result."""
    shown = text.describe_recipe(RESULT | {"mechanics_only": True})

    assert "mechanics only" in shown
    assert "1,281 of 2,259,265 parameters" in shown
    assert "0.75" not in shown
    assert "0.951" not in shown


def test_a_reason_stands_where_there_is_no_prediction():
    """The column of reasons is there only if an image cannot be read."""
    good = {"path": "a.jpg", "label": "cat", "probability": 0.9, "top": [["cat", 0.9], ["dog", 0.1]], "reason": None}
    bad = {"path": "b.jpg", "label": None, "probability": None, "top": [], "reason": "no such file"}
    mixed = text.describe_predictions([good, bad]).splitlines()

    assert mixed[0].split() == ["image", "label", "probability", "then", "reason"]
    assert mixed[1].split() == ["a.jpg", "cat", "0.9000", "dog", "0.100"]
    assert mixed[2].split() == ["b.jpg", "-", "-", "no", "such", "file"]
    assert "reason" not in text.describe_predictions([good])
