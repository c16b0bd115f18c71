"""Ranked heads, runs, predictions and evaluations as text."""

from pipeline.cli import results as text
from pipeline.predictions import Prediction, Predictions
from pipeline.runs.evaluation import Evaluation
from pipeline.stage_two.head import score_head
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import make_label_task, make_task, make_value_task


def scored(labelled):
    """The test scores of a ridge head."""
    return score_head(fit_linear(parse_head("ridge"), labelled).head, labelled).scores["test"]


def test_reason_replaces_a_missing_prediction():
    """The column of reasons is there only if an image cannot be read."""
    good = {"path": "a.jpg", "label": "cat", "probability": 0.9, "top": [["cat", 0.9], ["dog", 0.1]], "reason": None}
    bad = {"path": "b.jpg", "label": None, "probability": None, "top": [], "reason": "no such file"}
    mixed = text.describe_predictions({"predictions": [good, bad]}).splitlines()

    assert mixed[0].split() == ["image", "label", "probability", "runner-up", "reason"]
    assert mixed[1].split() == ["a.jpg", "cat", "0.9000", "dog", "0.100"]
    assert mixed[2].split() == ["b.jpg", "-", "-", "no", "such", "file"]
    assert "reason" not in text.describe_predictions({"predictions": [good]})


def test_labels_are_listed_with_their_probabilities():
    """Instead of one probability and a runner-up."""
    entry = {
        "path": "a.jpg",
        "label": "cat|dog",
        "probability": None,
        "top": [["cat", 0.9], ["dog", 0.6]],
        "reason": None,
    }
    lines = text.describe_predictions({"predictions": [entry]}).splitlines()

    assert lines[0].split() == ["image", "labels", "most", "likely"]
    assert lines[1].split() == ["a.jpg", "cat|dog", "cat", "0.900,", "dog", "0.600"]


def test_numbers_are_listed_with_their_intervals():
    """Each column has its own; an image that cannot be read has none."""
    values = {"age": {"value": 21.5, "low": 18.0, "high": 25.0}, "mass": {"value": 3.0, "low": None, "high": None}}
    entry = {"path": "a.jpg", "label": "21.5|3", "probability": None, "top": [], "reason": None, "values": values}
    bad = {"path": "b.jpg", "label": None, "probability": None, "top": [], "reason": "no such file"}
    lines = text.describe_predictions({"predictions": [entry, bad]}).splitlines()

    assert lines[0].split() == ["image", "age", "age,", "90", "%", "interval", "mass", "reason"]
    assert lines[1].split() == ["a.jpg", "21.5", "18", "to", "25", "3"]
    assert lines[2].split() == ["b.jpg", "-", "-", "-", "no", "such", "file"]


def test_evaluation_has_the_scores_of_its_kind():
    """A sentence on all names together, and a row for each."""
    found = {}
    for labelled in (make_task(), make_label_task(), make_value_task()):
        lines = text.describe_evaluation(Evaluation("first", "photos", "test", scored(labelled))).splitlines()
        assert lines[0] == "first on photos: 60 test images"
        found[labelled.task.kind] = lines[1].split()[0], lines[2].split()[0], len(lines)

    assert found == {
        "classification": ("Accuracy", "class", 6),
        "multilabel": ("Mean", "label", 6),
        "regression": ("R2", "column", 4),
    }


def test_sweep_names_the_score_that_it_is_ranked_by():
    """Accuracy, mean average precision or R2."""
    brief = scored(make_value_task()).brief().as_dict()
    entry = {"head": "ridge", "pool": "avg", "params": 7, "seconds": 0.1, "validation": brief}
    best = {
        "head": "ridge",
        "chosen": {"alpha": 1.0},
        "pool": "avg",
        "trainable_params": 7,
        "total_params": 9,
        "seconds": 0.1,
        "seconds_per_epoch": None,
        "augmentation": None,
        "folds": None,
        "run": "first",
        "folder": "runs/first",
        "validation": brief,
        "classes": {},
        "skipped": [],
        "ignored": [],
    }
    shown = text.describe_sweep({"results": [entry], "best": best, "seconds": 1.0})

    assert "Ranked by validation R2; equal ones by loss." in shown
    assert next(line for line in shown.splitlines() if line.startswith("split")).split()[:2] == ["split", "R2"]


def test_p_values_and_refused_images_are_shown():
    """A column if an image is unlike the training images; a refused number is unknown, and a sentence counts the images."""
    strange = Prediction("a.png", "unknown", None, (), values={"age": (21.5, 18.0, 25.0)}, p_value=0.00123)
    plain = Prediction("b.png", "21.5", None, (), values={"age": (21.5, 18.0, 25.0)}, p_value=0.5)
    some, none = Predictions([strange, plain]), Predictions([plain])

    assert text.describe_predictions(some.as_dict()).splitlines() == [
        "image  age      age, 90 % interval  p-value",
        "a.png  unknown                       0.0012",
        "b.png  21.5               18 to 25      0.5",
    ]
    assert "p-value" not in text.describe_predictions(none.as_dict())
    assert text.hint_unfamiliar(none) is None
    assert text.hint_unfamiliar(some).startswith("1 of 2 images are unlike all that the run was trained on")
    assert text.hint_unfamiliar(Predictions([strange])).startswith("The image is unlike")


def test_refused_class_is_shown_as_runner_up():
    """Its probability is not that of `unknown`."""
    refused = Prediction("a.png", "unknown", 0.75, (("cat", 0.75), ("dog", 0.25)), p_value=0.5)

    assert text.describe_predictions(Predictions([refused]).as_dict()).splitlines() == [
        "image  label    probability  runner-up",
        "a.png  unknown            -  cat 0.750, dog 0.250",
    ]
