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


def test_reason_replaces_a_missing_prediction():
    """The column of reasons is there only if an image cannot be read."""
    good = {"path": "a.jpg", "label": "cat", "probability": 0.9, "top": [["cat", 0.9], ["dog", 0.1]], "reason": None}
    bad = {"path": "b.jpg", "label": None, "probability": None, "top": [], "reason": "no such file"}
    mixed = text.describe_predictions([good, bad]).splitlines()

    assert mixed[0].split() == ["image", "label", "probability", "runner-up", "reason"]
    assert mixed[1].split() == ["a.jpg", "cat", "0.9000", "dog", "0.100"]
    assert mixed[2].split() == ["b.jpg", "-", "-", "no", "such", "file"]
    assert "reason" not in text.describe_predictions([good])


def test_columns_are_aligned_whatever_is_in_them():
    """Wide characters count twice, markup is shown as it is, a line end does not break a row, and no cell is wrapped."""
    rows = [
        {"a_name": "犬", "n": 1234},
        {"a_name": "[red]x[/red] :smile:", "n": None},
        {"a_name": "two\nlines" * 40, "n": 5},
    ]
    lines = text.table(rows).splitlines()

    assert len(lines) == 4
    assert lines[0].startswith("a name ")
    assert len({len(line) + line.count("犬") for line in lines}) == 1
    assert lines[1].split() == ["犬", "1,234"]
    assert lines[2].split() == ["[red]x[/red]", ":smile:", "-"]
    assert lines[3].startswith("two linestwo lines")


def test_best_row_is_bold():
    """Bold type begins and ends with the row, so that nothing else changes."""
    rows = [{"run": "a", "validation": 0.5}, {"run": "b", "validation": 0.25}]

    assert text.table(rows, best=[1]).splitlines() == [
        "run  validation",
        "a        0.5000",
        "\x1b[1mb        0.2500\x1b[0m",
    ]


def test_page_of_the_tuner_comes_after_what_became_of_the_images():
    """So that the address is the last line."""
    use = {"classes": {"a": {"train": 3}}, "skipped": [{"path": "x.png", "reason": "damaged: y"}], "ignored": []}

    assert text.describe_page({"address": "http://localhost:1", **use}).splitlines() == [
        "Classes (train): a 3",
        "Skipped: 1 image",
        "  1 damaged: x.png",
        "http://localhost:1 shows the page; Ctrl-C ends it.",
    ]
