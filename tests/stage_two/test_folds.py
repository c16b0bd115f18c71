"""Cross-validation on cached rows."""

from dataclasses import replace

import numpy as np
import pytest

import pipeline
from pipeline.cli.render import describe_head
from pipeline.errors import DataLayoutError, SettingError
from pipeline.runs.tables import read_table
from pipeline.stage_two.folds import Folds, cross_validate, divide, folds_of
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from tests.stage_two.tasks import make_labels_task, make_numbers_task


def make_split(y, first=0, *, copies=1):
    """Rows of three features that tell the classes apart; each content `copies` times."""
    y = np.repeat(np.array(y, int), copies)
    numbers = np.repeat(np.arange(len(y) // copies), copies) + first
    X = np.array([np.random.default_rng(number).normal(size=3) for number in numbers]).reshape(-1, 3) + 2 * np.eye(3)[y]
    digests = tuple(bytes([number]) * 32 for number in numbers)
    return Split(X.astype(np.float32), y, tuple(f"{first + row}.png" for row in range(len(y))), digests=digests)


def make_task(y=(0, 1, 2) * 12, more=(0, 1, 2) * 4, **options):
    first = make_split(y, **options)
    return LabelledRows(
        Classification(("a", "b", "c")),
        {"train": first, "validation": make_split(more, 100), "test": make_split([0, 1, 2], 200)},
    )


@pytest.fixture
def keywords(tmp_path):
    """Of a small base, and of folders."""
    base = {"base": "squeezenet", "size": 48, "weights": "random"}
    return {**base, "cache": tmp_path / "cache", "runs": tmp_path / "runs"}


class Watching:
    """A training that notes what it was given."""

    def __init__(self):
        self.tasks = []

    def __call__(self, task):
        self.tasks.append(task)
        return fit_linear(parse_head("ridge"), task).head


def test_each_image_is_predicted_once_by_a_head_that_has_not_seen_it():
    """Neither to be trained on nor to choose the regularisation on; test images take no part."""
    train, task = Watching(), make_task()
    done = cross_validate(train, divide(task, Folds(4)))

    names = {*task.train.names, *task.validation.names}
    assert sorted(row[0] for row in done.rows) == sorted(names)
    for number, part in enumerate(train.tasks, start=1):
        held = {name for name, *_, fold in done.rows if fold == number}
        seen = [set(split.names) for split in part.splits.values()]
        assert seen[0] | seen[1] == names - held
        assert not seen[0] & seen[1]
        assert len(held) == 12
    assert len(done.scores) == 4
    assert done.mean == pytest.approx(np.mean([row[1] == row[2] for row in done.rows]))
    assert done.mean > 0.6


def test_repeats_divide_anew_and_the_seed_decides():
    """The same seed gives the same folds."""
    one, again, other = (cross_validate(Watching(), divide(make_task(), Folds(3, 2), seed=seed)) for seed in (0, 0, 7))

    assert len(one.scores) == 6
    assert one == again
    assert {row[0]: row[4] for row in one.rows} != {row[0]: row[4] for row in other.rows}
    assert one.as_dict() | {"accuracies": None} == {
        "folds": 3,
        "repeats": 2,
        "images": 48,
        "accuracies": None,
        "score": "accuracy",
        "accuracy": one.mean,
        "deviation": one.deviation,
        "loss": one.loss,
    }


def test_copies_of_an_image_are_in_one_fold():
    """Otherwise a head would have seen what it predicts."""
    done = cross_validate(Watching(), divide(make_task(copies=2), Folds(5)))
    fold_of = {row[0]: row[4] for row in done.rows}

    assert all(fold_of[f"{number}.png"] == fold_of[f"{number + 1}.png"] for number in range(0, 72, 2))


def test_images_of_a_group_are_in_one_fold(photos, keywords, tmp_path):
    """As they are in one split."""
    files = sorted((photos / "train").rglob("*.png")) + sorted((photos / "validation").rglob("*.png"))
    lines = [f"{file},{file.parent.name},{file.parent.name}{number % 6}" for number, file in enumerate(files)]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,patient", *lines]) + "\n")

    run = pipeline.fit(tmp_path / "table.csv", "ridge", folds=3, group_column="patient", **keywords)

    patient_of = {line.split(",")[0]: line.split(",")[2] for line in lines}
    folds = {}
    for row in read_table(run.folder.path / "folds.csv"):
        [patient] = [patient for path, patient in patient_of.items() if path.endswith(row["path"])]
        folds.setdefault(patient, set()).add(row["fold"])
    assert len(folds) > 6
    assert all(len(found) == 1 for found in folds.values())


def test_a_class_of_one_image_takes_part_in_every_training(caplog):
    """It cannot be predicted; a class of two is."""
    train = Watching()
    done = cross_validate(train, divide(make_task(y=(0,) * 9 + (1,) * 2 + (2,), more=()), Folds(3)))

    assert {row[1] for row in done.rows} == {"a", "b"}
    assert all(2 in part.train.y for part in train.tasks)
    assert "1 classes have only one image each" in caplog.text
    with pytest.raises(DataLayoutError, match="two different images of a class"):
        divide(make_task(y=(0, 1, 2), more=()), Folds(3))


def test_a_run_has_its_folds(photos, keywords):
    """In run.json, JSON and text; with the predictions as a table."""
    run = pipeline.fit(photos, "logreg:C=1", folds=3, repeats=2, **keywords)
    plain = pipeline.fit(photos, "logreg:C=1", **keywords)

    found = pipeline.load_run(run.name, **{name: keywords[name] for name in ("cache", "runs")}).as_dict()["folds"]
    assert (found["folds"], found["repeats"], found["images"], len(found["accuracies"])) == (3, 2, 36, 6)
    assert len(read_table(run.folder.path / "folds.csv")) == 36
    assert plain.as_dict()["folds"] is None
    text = describe_head(run.as_dict())
    assert f"3 folds, 2 times, 36 training and validation images: accuracy {found['accuracy']:.4f}" in text


def test_dense_heads_are_trained_in_folds_too(photos, keywords):
    """With the settings of the run."""
    run = pipeline.fit(photos, "dense:4,relu", folds=2, epochs=1, **keywords)

    assert len(run.info.folds["accuracies"]) == 2


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"folds": 1}, r"two or more folds and one or more repeats. Received: --folds 1"),
        ({"repeats": 3}, r"--repeats has an effect only with --folds"),
        ({"folds": 3, "views": 2, "augment": "flip"}, r"--folds has an effect only without stored views"),
    ],
)
def test_folds_that_make_no_sense_are_refused(keywords, message, photos, tmp_path):
    """The message says what was received."""
    with pytest.raises(SettingError, match=message):
        pipeline.fit(photos, "ridge", cache=tmp_path, runs=tmp_path, **keywords)


def test_no_folds_are_none():
    """What the keyword says."""
    assert folds_of(None, 1) is None
    assert folds_of(5, 2) == Folds(5, 2)


def test_ranges_of_numbers_are_spread_over_folds():
    """No image is kept from being predicted, however few there are; labels of one image are."""
    numbers = divide(make_numbers_task(12), Folds(4))
    labels = make_labels_task(60)
    y = labels.train.y.copy()
    y[:, 4] = np.arange(60) == 7
    rare = LabelledRows(labels.task, {"train": replace(labels.train, y=y)})

    assert sorted(np.concatenate([held for _, held in numbers.parts])) == list(range(52))
    assert {row for _, held in divide(rare, Folds(4)).parts for row in held} == set(range(60)) - {7}
