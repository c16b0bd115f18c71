"""Many heads on the same features."""

import json

import pytest

from pipeline.errors import DivergedError
from pipeline.execution.workers import Workers
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.folds import Folds, divide
from pipeline.stage_two.grid import Grid
from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.fold_path import cross_validate_linear
from pipeline.stage_two.spec import expand_choices, parse_head
from pipeline.stage_two.sweep import rank, run_sweep
from tests.stage_two.tasks import make_task

HARD = {"shape": (8,), "num_classes": 4, "distance": 1.3}
HEADS = ("logreg:C=0.001|0.1|10", "ridge:alpha=10", "knn:k=1|9")
"""Six cells."""


@pytest.fixture(scope="module")
def task():
    return make_task(**HARD)


def sweep(task, folder, heads=HEADS, task_digest="of these rows", num_workers=1, training=None, folds=None, **choices):
    cells = Grid(heads, training or Training(epochs=2), **choices).cells(task.task)
    workers = Workers(count=num_workers)
    return run_sweep(cells, task, folder, task_digest=task_digest, workers=workers, folds=folds)


def without_seconds(results):
    return [{key: value for key, value in result.as_dict().items() if key != "seconds"} for result in results]


def stamps(folder):
    """Inode and time of each file: they change when it is written again."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_results_are_ranked_by_validation(task, tmp_path):
    """The best validation accuracy comes first; among equal accuracies, the smaller loss."""
    results = sweep(task, tmp_path, [*HEADS, "ridge:alpha=9", "ridge:alpha=11"])
    ranks = [(-result.validation.main, result.validation.loss) for result in results]

    assert ranks == sorted(ranks)
    assert len({accuracy for accuracy, _ in ranks}) > 1
    assert len({accuracy for accuracy, _ in ranks}) < len(ranks)


def test_result_is_that_of_the_head_alone(task, tmp_path):
    """A cell has the scores of its head fitted outside the sweep."""
    result = sweep(task, tmp_path, ["knn"])[0]
    alone = fit_linear(parse_head("knn"), task)
    accuracy = (alone.head.outputs(task.validation.flat).argmax(axis=1) == task.validation.y).mean()

    assert result.head == "knn"
    assert result.settings == {"k": alone.value}
    assert result.params == alone.head.num_parameters
    assert result.validation.main == pytest.approx(accuracy)
    assert set(result.validation.as_dict()) == {"accuracy", "ci95", "loss", "n", "macro_f1"}
    assert result.seconds > 0


@pytest.mark.parametrize("num_workers", [1, 2])
def test_wide_features_are_factored_once(num_workers, tmp_path, monkeypatch):
    """With more features than images, linear heads with the same scaling share factors, and have the scores of separate fits."""
    wide = make_task((150,), num_train=60, distance=2)
    heads = (
        *("logreg:C=0.001|0.1|10", "ridge:alpha=10|1000", "svm:C=0.001", "logreg:C=0.1,scale=none", "knn:k=3"),
        "ridge:alpha=10,pca=5|9",
    )
    alone = {text: fit_linear(parse_head(text), wide) for head in heads for text in expand_choices(head)}
    counted = []
    monkeypatch.setattr(
        "pipeline.stage_two.linear.fit.factor", lambda X, scale, **how: counted.append(scale) or factor(X, scale, **how)
    )
    results = sweep(wide, tmp_path, heads=heads, num_workers=num_workers)

    assert counted.count("standard") == 1
    for result in results:
        expected = alone[result.head].candidates[0]
        assert result.validation.main == pytest.approx(expected.accuracy)
        assert result.validation.loss == pytest.approx(expected.loss, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("shape", [(8,), (150,)], ids=["narrow", "wide"])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_folds_rank_the_heads(num_workers, shape, tmp_path):
    """By the mean over the folds, which is that of each head alone; the results are saved, and not those of a sweep without folds."""
    task = make_task(shape, num_classes=3, num_train=60, distance=1.3)
    division = divide(task, Folds(3, 2), seed=0)
    heads = ("ridge", "ridge:alpha=10", "logreg:C=0.01|1", "knn:k=3")
    results = sweep(task, tmp_path, heads=heads, num_workers=num_workers, folds=Folds(3, 2))
    plain = sweep(task, tmp_path, heads=heads)

    assert [result.judged for result in results] == sorted(
        (result.judged for result in results), key=lambda j: (-j[0], j[1])
    )
    for result in results:
        (alone,) = cross_validate_linear([parse_head(result.head)], division)
        assert result.folds["accuracies"] == pytest.approx(alone.scores)
        assert result.as_dict()["folds"] == result.folds
    assert all(result.folds is None and "folds" not in result.as_dict() for result in plain)
    before = stamps(tmp_path)
    assert without_seconds(sweep(task, tmp_path, heads=heads, folds=Folds(3, 2))) == without_seconds(results)
    assert stamps(tmp_path) == before


def test_second_sweep_fits_nothing(task, tmp_path):
    """Saved results are read: the files do not change, nor do the times in them."""
    first = sweep(task, tmp_path)
    before = stamps(tmp_path)
    second = sweep(task, tmp_path)

    assert second == first
    assert stamps(tmp_path) == before
    assert len(before) == 6


def test_interrupted_sweep_goes_on_where_it_stopped(task, tmp_path):
    """Results that were saved before are kept, and the others are added."""
    sweep(task, tmp_path, HEADS[:1])
    before = stamps(tmp_path)
    results = sweep(task, tmp_path, HEADS)
    after = stamps(tmp_path)

    assert len(before) == 3
    assert len(after) == len(results) == 6
    assert before.items() <= after.items()


def test_linear_heads_do_not_depend_on_training_settings(task, tmp_path):
    """With another number of epochs dense heads are fitted again, and linear heads are not."""
    heads = ("logreg:C=0.1", "softmax")
    sweep(task, tmp_path, heads, training=Training(epochs=1))
    before = stamps(tmp_path)
    sweep(task, tmp_path, heads, training=Training(epochs=2))

    assert len(before) == 2
    assert len(stamps(tmp_path)) == 3


def test_results_of_other_rows_are_not_used(task, tmp_path):
    """For another task the cells are fitted again."""
    sweep(task, tmp_path, ["knn:k=1"], task_digest="a")
    other = sweep(make_task(**(HARD | {"distance": 8})), tmp_path, ["knn:k=1"], task_digest="b")

    assert other[0].validation.main > 0.95
    assert len(stamps(tmp_path)) == 2


@pytest.mark.parametrize(
    "validation",
    [{}, [], {"accuracy": 1.0}, {"accuracy": 1, "ci95": [0, None], "loss": 0, "n": 1, "macro_f1": 1}],
)
def test_result_with_other_scores_is_replaced(validation, task, tmp_path):
    """A file of JSON that holds no scores that heads can be ranked by is as good as none."""
    expected = without_seconds(sweep(task, tmp_path, ["knn:k=1"]))
    (path,) = tmp_path.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"validation": validation}))

    assert without_seconds(sweep(task, tmp_path, ["knn:k=1"])) == expected


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\N{BULLET}"])
def test_damaged_result_is_replaced(content, task, tmp_path):
    """A result that cannot be read is computed again."""
    expected = without_seconds(sweep(task, tmp_path, ["knn:k=1"]))
    (path,) = tmp_path.iterdir()
    path.write_text(content, encoding="utf-16")

    assert without_seconds(sweep(task, tmp_path, ["knn:k=1"])) == expected
    assert json.loads(path.read_text())["head"] == "knn:k=1"


def test_test_split_is_not_used(task, tmp_path):
    """A task without its test split gives the same results."""
    without = make_task(**HARD, with_test=False)

    assert without_seconds(sweep(task, tmp_path / "a")) == without_seconds(sweep(without, tmp_path / "b"))


def test_workers_give_the_results_of_one_process(task, tmp_path):
    """Two worker processes give the same results as one process, bit by bit."""
    alone = sweep(task, tmp_path / "a", num_workers=1)
    together = sweep(task, tmp_path / "b", num_workers=2)

    assert without_seconds(together) == without_seconds(alone)
    assert stamps(tmp_path / "a").keys() == stamps(tmp_path / "b").keys()


def test_dense_cells_have_their_training_settings(task, tmp_path):
    """The settings of a dense cell are those of its training, with the number of epochs that were run."""
    results = sweep(task, tmp_path, ["softmax"], learning_rates=[0.1, 0.01])

    assert {result.settings["learning_rate"] for result in results} == {0.1, 0.01}
    assert all(result.settings["epochs_run"] == 2 for result in results)
    assert all(result.params == 8 * 4 + 4 for result in results)


def test_diverged_training_is_skipped(task, tmp_path, caplog):
    """A cell whose learning rate is too large is skipped with a warning; the others are not affected."""
    training = Training(epochs=2, optimizer="sgd")
    results = sweep(task, tmp_path, ["dense:8,relu"], training=training, learning_rates=[0.1, 1e30])

    assert [result.settings["learning_rate"] for result in results] == [0.1]
    assert "Skipped: dense:8,relu: The training diverged" in caplog.text


def test_sweep_in_which_all_diverged_is_an_error(task, tmp_path):
    """If every training diverges there is no best head."""
    with pytest.raises(
        DivergedError, match=r"All trainings of the sweep diverged or crashed. Choose smaller learning rates"
    ):
        rank(sweep(task, tmp_path, ["dense:8,relu"], training=Training(epochs=1, optimizer="sgd", learning_rate=1e30)))
