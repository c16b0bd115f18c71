"""Small data: it can be split and trained, and the output says what it proves."""

import numpy as np
import pytest

import pipeline
from pipeline.errors import DataLayoutError, HeadSpecError
from pipeline.images.checks import with_warnings
from pipeline.images.requirements import require_task
from pipeline.images.sources.arrays.arrays import array_manifest
from pipeline.stage_two.head import predict_split
from pipeline.stage_two.linear.fit import cross_validated_accuracy, fit_linear
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.class_scores import score
from pipeline.tasks.classification import Classification
from tests.conftest import RANDOM, draw_tree


def make(classes: int, each: int, seed: int):
    """The manifest of small random images."""
    pixels = np.random.default_rng(seed).integers(0, 256, (classes * each, 3, 3)).astype(np.uint8)
    return with_warnings(array_manifest(pixels, np.arange(classes * each) % classes))


@pytest.mark.parametrize(
    ("classes", "each", "sets"), [(2, 2, 200), (2, 20, 200), (10, 20, 60), (30, 10, 40), (102, 40, 3), (3, 3, 200)]
)
def test_every_small_data_set_is_a_task(classes, each, sets):
    """With the default split, whatever the images are."""
    for seed in range(sets):
        task = require_task(make(classes, each, seed))

        assert len(task) == classes * each
        assert set(task.splits) == {"train", "validation", "test"}


def test_warnings_say_what_small_data_proves():
    """Few validation images, and classes without one, are said; enough images are not."""
    few, some, enough = make(2, 2, 0), make(12, 14, 0), make(2, 500, 0)

    assert any("prove nothing" in text for text in few.warnings)
    assert any("intervals" in text and "--split" in text for text in some.warnings)
    assert any(text.startswith("Classes without a validation image: ") for text in some.warnings)
    assert enough.warnings == ()


def test_one_image_per_class_says_what_is_missing():
    """Training keeps it, so there is none for validation; such labels may be ids."""
    with pytest.raises(
        DataLayoutError, match=r"Each of the 5 images has a label of its own .*another label column with --label"
    ):
        require_task(make(5, 1, 0))


def task_of(**labels) -> LabelledRows:
    """A task of random features with these class numbers."""
    rng = np.random.default_rng(0)
    num_classes = max(max(numbers) for numbers in labels.values()) + 1
    splits = {
        name: Split(rng.normal(size=(len(y), 16)).astype(np.float32), np.array(y, np.int64), tuple(map(str, y)))
        for name, y in labels.items()
    }
    return LabelledRows(Classification(tuple(f"c{number}" for number in range(num_classes))), splits)


@pytest.mark.parametrize("head", ["ridge", "logreg", "svm", "sgd", "knn"])
@pytest.mark.parametrize(
    "labels",
    [
        {"train": [0, 1], "validation": [0], "test": [1]},
        {"train": [0, 1, 2, 3], "validation": [2], "test": [0]},
        {"train": [0, 1, 2] * 5, "validation": [1, 1], "test": [2]},
    ],
)
def test_linear_heads_fit_few_images(head, labels):
    """A class may have one image, and be missing from validation and test; the scores name it."""
    task = task_of(**labels)
    fitted = fit_linear(parse_head(head), task).head
    scores = score(predict_split(fitted, task.validation), task.validation.y, task.classes)

    assert set(scores.absent) == {
        name for number, name in enumerate(task.classes) if number not in labels["validation"]
    }
    assert 0 <= scores.macro_f1 <= 1
    assert np.isfinite(scores.loss)


def test_lda_says_that_it_needs_more_images():
    """Its covariance does not exist otherwise."""
    with pytest.raises(HeadSpecError, match=r"lda needs more training images than classes\. Received: 2 images of 2"):
        fit_linear(parse_head("lda"), task_of(train=[0, 1], validation=[0]))


def test_cross_validation_has_as_many_folds_as_images():
    """Of the smallest class, two at least; with one image of each there is none."""
    X = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)

    assert 0 <= cross_validated_accuracy(X, np.array([0, 0, 0, 1, 1, 1, 2])) <= 1
    with pytest.raises(DataLayoutError, match="needs two training images of a class"):
        cross_validated_accuracy(X[:3], np.array([0, 1, 2]))


def test_four_images_make_a_run(tmp_path):
    """From a folder to scores."""
    folder = draw_tree(tmp_path / "four", {"": 2})
    run = pipeline.fit(folder, "ridge", plots=True, **RANDOM, cache=tmp_path / "cache", runs=tmp_path / "runs")

    assert sum(scores.n for scores in run.scores.values()) == 4
    assert run.scores["validation"].n >= 1
