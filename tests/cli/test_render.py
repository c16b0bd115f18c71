"""Results as text."""

from pipeline.cli import render as text

SCORES = {"accuracy": 0.75, "ci95": [0.5, 0.9], "loss": 0.6, "n": 8}
RESULT = {
    "experiment": "r3",
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
    "pool": "avg",
    "augmentation": None,
    "trainable_params": 1281,
    "total_params": 2259265,
    "classes": {},
    "skipped": [],
    "ignored": [],
}


def test_an_experiment_shows_ours_beside_the_published_figures():
    """Both are in one row, and changed settings are in the title."""
    lines = text.describe_experiment(RESULT).splitlines()

    assert lines[0] == "R3: MobileNetV2 (changed: epochs 1)"
    assert next(line for line in lines if line.startswith("validation ") and "0.951" in line).split()[-1] == "0.7500"


def test_random_weights_show_no_accuracy():
    """Parameters and seconds are shown, but no figure that could be taken for a result."""
    shown = text.describe_experiment(RESULT | {"mechanics_only": True})

    assert "Random weights" in shown
    assert "1,281 of 2,259,265 parameters" in shown
    assert "0.75" not in shown
    assert "0.951" not in shown


def test_augmentation_and_phases_are_said():
    """A live training names its augmentation, also none; fine-tuning says how many epochs the head alone had."""
    result = RESULT | {"augmentation": "standard, live", "kept_epoch": 12, "epochs": 12, "head_epochs": 10}
    lines = text.describe_head(result | {"validation_before": 0.5}).splitlines()

    assert lines[1] == "Augmentation: standard, live (anew in every epoch)"
    assert lines[2].startswith(
        "Kept the weights of epoch 12 of 12 (10 of the head alone, then fine-tuning). Validation"
    )
    assert "Augmentation" not in text.describe_head(RESULT)
    assert "Augmentation: none" in text.describe_head(RESULT | {"augmentation": "none"})


def test_views_count_in_the_seconds():
    """The seconds are those of both parts of the command."""
    result = {
        "rows": 4,
        "new": 0,
        "reused": 4,
        "from_rows": 0,
        "fetched": 0,
        "shape": [2],
        "store": "s",
        "seconds": 1.0,
    }
    views = {"rows": 6, "new": 3, "fetched": 1, "seconds": 2.5}
    lines = text.describe_features(result | {"views": views, "classes": {}, "skipped": [], "ignored": []}).splitlines()

    assert lines[1] == "6 rows of views: 3 new, 1 fetched, 2 reused."
    assert lines[-1] == "Seconds: 3.5"


def test_page_of_the_tuner_comes_after_what_became_of_the_images():
    """So that the address is the last line."""
    use = {"classes": {"a": {"train": 3}}, "skipped": [{"path": "x.png", "reason": "damaged: y"}], "ignored": []}

    assert text.describe_page({"address": "http://localhost:1", **use}).splitlines() == [
        "Classes (train): a 3",
        "Skipped: 1 image",
        "  1 damaged: x.png",
        "http://localhost:1 shows the page; Ctrl-C ends it.",
    ]
