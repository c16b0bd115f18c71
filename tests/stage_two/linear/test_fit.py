"""Fitting linear heads."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import LinearSVC

from pipeline.stage_two.head import score_head
from pipeline.stage_two.linear.factors import Factors
from pipeline.stage_two.linear.fit import choose, fit_linear, fit_path
from pipeline.stage_two.linear.heads import head_from_arrays
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LINEAR_GRIDS, parse_head
from pipeline.tasks.regression import Regression
from tests.stage_two.tasks import HARD, LINEAR_HEADS, make_labels_task, make_task, shaped_task

KINDS = tuple(LINEAR_GRIDS)


def fit(text, task, **settings):
    return fit_linear(parse_head(text), task, **settings)


def accuracy(head, split):
    return (head.outputs(split.flat).argmax(axis=1) == split.y).mean()


def assert_same_arrays(first, second):
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert np.array_equal(array, second[name]), name


def figures(candidate):
    return candidate.accuracy, candidate.loss, candidate.leave_one_out or 0.0


@pytest.mark.parametrize("num_classes", [2, 3, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_separates_distant_classes(kind, num_classes):
    """Every head separates clouds that are far from each other, with two classes and with more."""
    task = make_task((10,), num_classes=num_classes, distance=8)
    head = fit(kind, task).head

    assert accuracy(head, task.splits["test"]) > 0.95


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_a_distribution_for_each_image(kind, num_classes):
    """Probabilities have one column per class, are at least 0, and sum to 1 for each image."""
    task = make_task(num_classes=num_classes, **HARD)
    probabilities = fit(kind, task).head.outputs(task.splits["test"].flat)

    assert probabilities.shape == (60, num_classes)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize(
    ("text", "estimator"),
    [
        ("logreg:C=0.1", LogisticRegression(C=0.1, solver="newton-cholesky")),
        ("lda:shrinkage=0.3", LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)),
    ],
)
def test_probabilities_are_those_of_scikit_learn(text, estimator, num_classes):
    """The saved arrays give what scikit-learn's own predict_proba gives on the same scaled features."""
    task = make_task(num_classes=num_classes, **HARD)
    scaler = StandardScaler().fit(task.train.flat)
    estimator.fit(scaler.transform(task.train.flat), task.train.y)
    expected = estimator.predict_proba(scaler.transform(task.splits["test"].flat))
    received = fit(text, task).head.outputs(task.splits["test"].flat)

    assert np.allclose(received, expected, atol=1e-4)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize(
    ("text", "estimator"),
    [
        ("svm:C=0.1", LinearSVC(C=0.1, random_state=0, max_iter=2000)),
        ("ridge:alpha=10", RidgeClassifier(alpha=10)),
    ],
)
def test_predictions_are_those_of_scikit_learn(text, estimator, num_classes):
    """Heads without probabilities make the decisions of scikit-learn; the temperature does not change them."""
    task = make_task(num_classes=num_classes, **HARD)
    scaler = StandardScaler().fit(task.train.flat)
    estimator.fit(scaler.transform(task.train.flat), task.train.y)
    expected = estimator.predict(scaler.transform(task.splits["test"].flat))
    received = fit(text, task).head.outputs(task.splits["test"].flat).argmax(axis=1)

    assert received.tolist() == expected.tolist()
    assert 0 < (expected != task.splits["test"].y).sum() < 30  # the clouds overlap


@pytest.mark.parametrize("k", [1, 5, 200])
def test_neighbours_are_those_of_scikit_learn(k):
    """The shares are those of the k nearest by cosine; k above the number of training images means all of them."""
    task = make_task(num_classes=4, **HARD)
    expected = KNeighborsClassifier(min(k, 90), metric="cosine").fit(task.train.flat, task.train.y)
    head = fit(f"knn:k={k}", task).head

    assert np.allclose(
        head.outputs(task.splits["test"].flat), expected.predict_proba(task.splits["test"].flat), atol=1e-6
    )


def test_neighbours_can_be_scaled():
    """With scale=standard the cosine is that of scaled features."""
    task = make_task(num_classes=4, **HARD)
    scaler = StandardScaler().fit(task.train.flat)
    expected = KNeighborsClassifier(5, metric="cosine").fit(scaler.transform(task.train.flat), task.train.y)
    head = fit("knn:k=5,scale=standard", task).head
    X = task.splits["test"].flat

    assert np.allclose(head.outputs(X), expected.predict_proba(scaler.transform(X)), atol=1e-6)
    assert not np.allclose(head.outputs(X), fit("knn:k=5", task).head.outputs(X), atol=1e-6)


@pytest.mark.parametrize("text", [text for text in LINEAR_HEADS if text[:3] not in ("lda", "knn")])
def test_more_features_than_images_give_the_same_head(text):
    """Projecting the features onto the space of their rows changes the solution by rounding only."""
    task = make_task((300,), num_train=40, distance=6)
    X = task.splits["test"].flat
    fast = fit(text, task).head
    mean, scale = task.train.flat.mean(axis=0), task.train.flat.std(axis=0)
    spec, whole = parse_head(text), Factors(mean, scale, (task.train.flat - mean) / scale, None)
    plain = choose(spec, fit_path(spec, whole, task), whole).head

    assert fast.weights.shape == plain.weights.shape == (300, 3)
    assert np.abs(fast.weights - plain.weights).max() < 5e-3 * np.abs(plain.weights).max()
    assert np.allclose(fast.outputs(X), plain.outputs(X), atol=2e-3)


def test_lda_shrinks_within_the_space_of_the_rows():
    """With more features than images, lda is scikit-learn's own on coordinates along the principal axes."""
    task = make_task((300,), num_train=40, distance=2)
    scaler = StandardScaler().fit(task.train.flat)
    Z = scaler.transform(task.train.flat)
    axes = np.linalg.svd(Z, full_matrices=False)[2][:39].T  # 40 centred rows span 39 directions
    estimator = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.6).fit(Z @ axes, task.train.y)
    X = task.splits["test"].flat
    expected = estimator.decision_function(scaler.transform(X) @ axes)
    head = fit("lda:shrinkage=0.6", task).head
    received = ((X - head.mean) / head.scale) @ head.weights + head.bias

    assert np.allclose(received, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
def test_regularisation_has_the_smallest_loss(kind):
    """All values are judged as they would be alone, and on 60 images, where few differences are significant, the loss decides."""
    task = make_task(num_classes=4, **HARD)
    chosen = fit(kind, task)
    parameter, grid = LINEAR_GRIDS[kind]
    alone = [figures(fit(f"{kind}:{parameter}={value}", task).candidates[0]) for value in grid]

    assert chosen.parameter == parameter
    assert [entry.value for entry in chosen.candidates] == list(grid)
    # A logistic regression of the path starts from its neighbour's solution, alone it starts from zero.
    assert np.allclose([figures(entry) for entry in chosen.candidates], alone, rtol=1e-3)
    kept = next(entry for entry in chosen.candidates if entry.value == chosen.value)
    assert accuracy(chosen.head, task.validation) == kept.accuracy
    judged = [
        entry.accuracy if entry.leave_one_out is None else entry.leave_one_out for entry in chosen.candidates
    ]  # ridge: on training images
    near = [entry.loss for entry, share in zip(chosen.candidates, judged, strict=True) if share > max(judged) - 0.02]
    assert kept.loss <= min(near)


@pytest.mark.parametrize("kind", KINDS)
def test_test_split_is_not_used(kind):
    """A task without its test split gives the same head, bit by bit."""
    settings = {"num_classes": 4, **HARD}
    full, without = make_task(**settings), make_task(**settings, with_test=False)

    assert_same_arrays(fit(kind, full).head.arrays(), fit(kind, without).head.arrays())


@pytest.mark.parametrize("text", ["logreg:C=0.1", "lda:shrinkage=0.3", "knn:k=5"])
def test_validation_split_is_not_trained_on(text):
    """With the regularisation given, other validation images do not change the head."""
    task = make_task(num_classes=4, **HARD)
    noise = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    other = LabelledRows(task.task, {**task.splits, "validation": replace(task.validation, X=noise)})

    assert_same_arrays(fit(text, task).head.arrays(), fit(text, other).head.arrays())


@pytest.mark.parametrize("text", ["svm:C=0.01", "ridge:alpha=10", "sgd:alpha=0.1"])
def test_temperature_has_the_least_validation_loss(text):
    """The temperature minimises the validation loss against Platt's targets: no higher or lower one gives a smaller loss."""
    task = make_task(num_classes=4, **HARD)
    head = fit(text, task).head
    targets = np.full((60, 4), 1 / 62 / 3)
    targets[np.arange(60), task.validation.y] = 61 / 62

    def loss(factor):
        warmer = replace(head, temperature=head.temperature * factor)
        return -(targets * np.log(warmer.outputs(task.validation.flat))).sum(axis=1).mean()

    assert loss(1) < loss(0.9)
    assert loss(1) < loss(1.1)


def test_perfect_validation_does_not_make_probabilities_of_one():
    """With every validation image right, the mean probability is what so many images can support."""
    task = make_task(num_classes=2, distance=30.0)
    head = fit("ridge:alpha=10", task).head
    probabilities = head.outputs(task.validation.flat)

    assert (probabilities.argmax(axis=1) == task.validation.y).all()
    assert 0.9 < probabilities.max(axis=1).mean() < 61.5 / 62


@pytest.mark.parametrize("kind", ["logreg", "lda"])
def test_log_probabilities_need_no_temperature(kind):
    """Heads whose scores are log-probabilities have the temperature 1."""
    assert fit(kind, make_task(num_classes=3, **HARD)).head.temperature == 1


@pytest.mark.parametrize("text", ["sgd:alpha=0.01", "svm:C=0.1"])
def test_same_seed_gives_the_same_head(text):
    """Heads that use random numbers draw the same ones for the same seed."""
    task = make_task(num_classes=4, **HARD)

    assert_same_arrays(fit(text, task, seed=3).head.arrays(), fit(text, task, seed=3).head.arrays())


def test_other_seed_gives_another_order():
    """sgd shuffles with the seed."""
    task = make_task(num_classes=4, **HARD)
    first, second = (fit("sgd:alpha=0.01", task, seed=seed).head for seed in (0, 1))

    assert not np.array_equal(first.weights, second.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_feature_that_never_changes_does_no_harm(kind):
    """A constant feature (of a dead ReLU, for example) is not divided by its deviation of 0."""
    task = make_task((10,), distance=8)
    for split in task.splits.values():
        split.X[:, 4] = 0
    task.splits["test"].X[:, 4] = 0.5
    head = fit(kind, task).head

    assert accuracy(head, task.splits["test"]) > 0.9
    assert all(np.isfinite(array).all() for array in head.arrays().values())


def test_grid_of_features_is_taken_flat():
    """A linear head uses spatial features as one long vector."""
    grid = make_task((2, 2, 3), distance=8)
    flat = LabelledRows(grid.task, {name: Split(part.flat, part.y, part.names) for name, part in grid.splits.items()})

    assert_same_arrays(fit("logreg", grid).head.arrays(), fit("logreg", flat).head.arrays())


@pytest.mark.parametrize("kind", ["logreg", "svm", "ridge", "sgd", "knn"])
def test_labels_are_learnt_by_every_head_that_can(kind):
    """A label that all training images have is always likely, and the others are told apart."""
    task = make_labels_task()
    outputs = fit(kind, task).head.outputs(task.splits["test"].flat)
    y = task.splits["test"].y

    assert outputs.shape == (40, 5)
    assert (outputs[:, 3] > 0.9).all()
    known = np.isfinite(y[:, :3])
    assert ((outputs[:, :3] > 0.5) == (y[:, :3] == 1))[known].mean() > 0.75


@pytest.mark.parametrize("whiten", [False, True], ids=["plain", "whitened"])
@pytest.mark.parametrize("shape", ["narrow", "wide"])
def test_principal_components_are_those_of_scikit_learn(shape, whiten):
    """A head on components of scaled rows equals a pipeline of StandardScaler, PCA and LogisticRegression, in the features' units."""
    task = shaped_task(shape)
    head = fit(f"logreg:C=0.1,pca=5,whiten={'yes' if whiten else 'no'}", task).head
    steps = StandardScaler(), PCA(5, whiten=whiten, svd_solver="full"), LogisticRegression(C=0.1, tol=1e-8)
    peer = make_pipeline(*steps).fit(task.train.flat.astype(float), task.train.y)

    assert head.weights.shape == (task.train.flat.shape[1], 3)
    assert np.abs(head.outputs(task.validation.flat) - peer.predict_proba(task.validation.flat)).max() < 1e-3


def test_more_components_than_there_are_are_all():
    """pca=1000 of eight features is what no pca gives."""
    task = make_task(**HARD)
    plain, components = (fit(f"ridge:alpha=10{text}", task).head for text in ("", ",pca=1000"))

    assert np.allclose(plain.weights, components.weights, atol=1e-4)


def test_norm_is_that_of_scikit_learn_and_is_kept():
    """Rows are divided by their length, in predictions of a saved head too."""
    task = make_task((8,), distance=2)
    head = fit("logreg:C=1,norm=l2", task).head
    peer = make_pipeline(Normalizer(), StandardScaler(), LogisticRegression(C=1, tol=1e-8))
    peer.fit(task.train.flat.astype(float), task.train.y)
    again = head_from_arrays(head.arrays())

    assert np.abs(head.outputs(task.validation.flat) - peer.predict_proba(task.validation.flat)).max() < 1e-3
    assert np.array_equal(again.outputs(task.validation.flat), head.outputs(task.validation.flat))
    assert np.abs(head.outputs(7 * task.validation.flat) - head.outputs(task.validation.flat)).max() < 1e-5
    assert "norm" not in fit("logreg:C=1", task).head.arrays()


def numbers_of(rng, count):
    """Two numbers that follow from 200 features, some rows of which are far longer than others."""
    X = rng.normal(size=(count, 200)) * rng.choice([1, 1, 1, 30], (count, 1))
    return X.astype(np.float32), (X[:, :2] * (1, 100) + 5).astype(np.float32)


def numbers_task(count=400):
    rng, task = np.random.default_rng(0), Regression(("small", "large"))
    parts = {name: numbers_of(rng, size) for name, size in (("train", count), ("validation", 200), ("test", 200))}
    return LabelledRows(task, {name: Split(X, y, ("",) * len(y)) for name, (X, y) in parts.items()})


@pytest.mark.parametrize("text", ["ridge", "sgd", "knn"])
def test_numbers_are_learnt_in_their_units(text):
    """Long rows do not make the steps of sgd grow beyond all bounds; the columns may have different units."""
    labelled = numbers_task()
    head = fit_linear(parse_head(text), labelled).head
    scores = labelled.task.score(head.outputs(labelled.splits["test"].flat), labelled.splits["test"].y)

    assert scores.main > {"ridge": 0.8, "sgd": 0.2, "knn": 0}[text]
    assert scores.columns["large"].mae > 20 * scores.columns["small"].mae


def test_intervals_of_ridge_come_from_leave_one_out():
    """From the training images, which are more than those of validation; they hold nine of ten numbers of the test split."""
    labelled = numbers_task()
    fit = fit_linear(parse_head("ridge"), labelled)
    scored = score_head(fit.head, labelled, left_out=fit.left_out_scores.astype(np.float32))
    errors = np.sort(np.abs(fit.left_out_scores - labelled.train.y), axis=0)

    np.testing.assert_allclose(scored.labelled.task.half_widths, errors[360], rtol=1e-4)  # the 361st of 400
    assert all(0.83 < each.coverage < 0.97 for each in scored.scores["test"].columns.values())


def test_alpha_of_numbers_is_chosen_on_all_images_that_a_head_has_not_seen():
    """Leave-one-out and validation, each image once."""
    labelled = numbers_task(150)
    fit = fit_linear(parse_head("ridge"), labelled)
    losses = [(150 * (1 - one.leave_one_out) + 200 * one.loss) / 350 for one in fit.candidates]

    assert fit.candidates[int(np.argmin(losses))].value == fit.value
