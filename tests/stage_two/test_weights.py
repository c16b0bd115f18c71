"""Weights of classes."""

import json

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.class_weight import compute_sample_weight

import pipeline
from pipeline.cli.render import describe_head
from pipeline.errors import HeadSpecError, SettingError
from pipeline.stage_two.linear.fit import factors_of, fit_linear, fit_path
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import parse_head
from pipeline.stage_two.weights import class_weight_text, image_weights, weighted
from tests.conftest import draw_photo
from tests.stage_two.tasks import HARD, make_labels_task, make_task


@pytest.fixture(scope="module")
def uneven():
    """Overlapping clouds of two classes, nine of ten training images of the first."""
    task = make_task(num_classes=2, num_train=200, **HARD)
    keep = np.flatnonzero((task.train.y == 0) | (np.arange(200) % 18 == 1))
    train = Split(task.train.X[keep], task.train.y[keep], tuple(task.train.names[row] for row in keep))
    return LabelledRows(task.task, {**task.splits, "train": train})


def recall(head, split):
    return [(head.outputs(split.flat).argmax(axis=1) == split.y)[split.y == label].mean() for label in (0, 1)]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, None),
        ("none", None),
        ("balanced", "balanced"),
        ("dogs=2, cats=1", '{"cats": 1.0, "dogs": 2.0}'),
        ('{"cats": 3}', '{"cats": 3.0}'),
        ({"cats": 1, "a=b": 0.5}, '{"a=b": 0.5, "cats": 1.0}'),
        ("a=b=0.5", '{"a=b": 0.5}'),
    ],
)
def test_a_setting_has_one_text(given, text):
    """Whatever way it is written; the text gives itself."""
    assert class_weight_text(given) == text
    assert class_weight_text(text) == text


@pytest.mark.parametrize("given", ["", "even", "cats", "cats=0", "cats=-1", "cats=nan", "{", "[1]", {}, {"cats": "x"}])
def test_other_settings_are_refused(given):
    """The message says what can be written."""
    with pytest.raises(
        SettingError, match="Class weights are balanced, none, or numbers above 0 by class: cats=2,dogs=1"
    ):
        class_weight_text(given)


@pytest.mark.parametrize("given", ["balanced", '{"ant": 2.0}', '{"ant": 0.5, "bee": 5.0}'])
def test_weights_are_those_of_scikit_learn_with_mean_one(uneven, given):
    """balanced is n / (K n_k); a class that is not named has the weight 1."""
    numbers = (
        given if given == "balanced" else {0: 1.0, 1: 1.0} | dict(zip((0, 1), json.loads(given).values(), strict=False))
    )
    expected = compute_sample_weight(numbers, uneven.train.y)

    assert np.allclose(image_weights(uneven.task, uneven.train.y, given), expected / expected.mean())


def test_only_training_images_have_weights(uneven):
    """Scores count each image once."""
    split = weighted(uneven, "balanced").splits

    assert split["train"].weights.mean() == pytest.approx(1)
    assert split["validation"].weights is None
    assert weighted(uneven, None) is uneven


def test_labels_have_no_class_weights():
    """Nor have numbers; a class that does not exist has none either."""
    task = make_labels_task()
    with pytest.raises(SettingError, match=r"--class-weight is for images of one class each. Received: a multilabel."):
        weighted(task, "balanced")
    with pytest.raises(SettingError, match=r"names 'catt', which is no class. Did you mean 'cat'"):
        weighted(make_task(), '{"catt": 2}')


@pytest.mark.parametrize("head", ["logreg:C=1", "ridge:alpha=10", "svm:C=0.001", "sgd:alpha=0.1", "lda:shrinkage=0.1"])
def test_balanced_heads_find_the_small_class(uneven, head):
    """Its recall rises, whatever the head."""
    plain, balanced = (
        recall(fit_linear(parse_head(head), weighted(uneven, w)).head, uneven.validation) for w in (None, "balanced")
    )

    assert balanced[1] > plain[1] + 0.1


def test_weights_reach_the_fit_as_in_scikit_learn(uneven):
    """Ridge, logistic regression, and priors of discriminant analysis."""
    task = weighted(uneven, "balanced")
    X, y, weights = task.train.flat.astype(float), task.train.y, task.train.weights
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    head = {
        kind: fit_linear(parse_head(kind), task).head for kind in ("logreg:C=1", "ridge:alpha=10", "lda:shrinkage=0.1")
    }
    logistic = LogisticRegression(C=1, tol=1e-9).fit(Z, y, weights)
    ridge = Ridge(alpha=10).fit(Z, 2 * y - 1, weights)
    lda = LinearDiscriminantAnalysis("lsqr", shrinkage=0.1, priors=[0.5, 0.5]).fit(Z, y)

    assert np.allclose(head["logreg:C=1"].weights[:, 1], logistic.coef_[0], atol=1e-3)
    assert np.allclose(head["ridge:alpha=10"].weights[:, 1], ridge.coef_, atol=1e-4)
    assert np.allclose(head["lda:shrinkage=0.1"].bias[1], lda.intercept_[0], atol=1e-3)


def test_weighted_leave_one_out_is_exact(uneven):
    """The score of each training image is that of scikit-learn's fit to all others, with their weights."""
    task = weighted(uneven, "balanced")
    spec = parse_head("ridge:alpha=10")
    (point,) = fit_path(spec, factors_of(spec, task), task)
    X, y, weights = task.train.flat.astype(float), 2 * task.train.y - 1, task.train.weights
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    for row in range(0, len(y), 7):
        rest = np.arange(len(y)) != row
        refit = Ridge(alpha=10).fit(Z[rest], y[rest], weights[rest])
        assert point.left_out_scores[row, 0] == pytest.approx(refit.predict(Z[row : row + 1])[0], abs=1e-4)


def test_neighbours_have_no_weights(uneven):
    """The message names the heads that have."""
    with pytest.raises(
        HeadSpecError, match=r"knn has no class weights. Expected one of logreg, svm, ridge, sgd, lda, or a dense"
    ):
        fit_linear(parse_head("knn"), weighted(uneven, "balanced"))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Twenty images of cats and two of dogs in each of two splits."""
    folder = tmp_path_factory.mktemp("few")
    for split in ("train", "validation"):
        for name, count in (("cats", 20), ("dogs", 2)):
            for number in range(count):
                colour = (220 - 9 * number, 90, 30) if name == "cats" else (40, 80, 200)
                draw_photo(
                    folder / "images" / split / name / f"{number}.png",
                    colour,
                    seed=100 * (split == "train") + 50 * (name == "cats") + number,
                    size=(48, 48),
                )
    keywords = {
        "base": "squeezenet",
        "size": 48,
        "weights": "random",
        "cache": folder / "cache",
        "runs": folder / "runs",
    }
    return folder / "images", keywords


def test_a_run_has_its_class_weights(few, caplog):
    """In run.json, JSON and text, with balanced accuracy and recall; without weights a warning names the option once."""
    folder, keywords = few
    run = pipeline.fit(folder, "logreg:C=1", class_weight="balanced", **keywords)
    assert "imbalanced" not in caplog.text

    pipeline.fit(folder, "logreg:C=1", **keywords)
    text = describe_head(run.as_dict())

    assert caplog.text.count("The training classes are imbalanced: cats has 20 images and dogs has 2.") == 1
    assert "--class-weight balanced" in caplog.text
    assert pipeline.load_run(run.name, runs=keywords["runs"]).info.class_weight == "balanced"
    assert run.as_dict()["class_weight"] == "balanced"
    assert run.as_dict()["validation"]["recall"].keys() == {"cats", "dogs"}
    assert "Class weights: balanced" in text
    assert "balanced accuracy" in text
    assert "Recall by class (validation): " in text


def test_a_sweep_with_weights_is_another_one(few):
    """Saved results of a sweep without weights are not those of one with weights; neighbours are left out."""
    folder, keywords = few
    plain = pipeline.sweep(folder, ("logreg:C=1", "dense:2"), epochs=1, **keywords)
    done = pipeline.sweep(folder, ("logreg:C=1", "dense:2", "knn"), epochs=1, class_weight={"dogs": 9}, **keywords)

    assert {result.head for result in done.results} == {"logreg:C=1", "dense:2"}
    losses = [{result.head: result.validation.loss for result in each.results} for each in (plain, done)]
    assert all(losses[0][head] != losses[1][head] for head in losses[0])
    assert done.best.info.class_weight == '{"dogs": 9.0}'


def test_live_training_has_weights_too(few):
    """As settings of the training, in run.json."""
    folder, keywords = few
    run = pipeline.end_to_end(folder, "softmax", epochs=1, class_weight="balanced", plots=False, **keywords)

    assert run.info.class_weight == "balanced"
    assert run.info.training["class_weight"] == "balanced"
