"""All runs of a page together."""

from pipeline.reports.board import answer, caution, describe_comparison
from pipeline.runs.listing import RunGroup, group_runs
from pipeline.tasks.scores import percent
from tests.reports.samples import make_run, make_task_run
from tests.stage_two.tasks import make_label_task, make_value_task


def test_answer_quotes_the_test_split_of_the_best_by_validation(tmp_path):
    """The best run by validation is described by its test accuracy, with interval and seconds."""
    runs = [make_run(tmp_path, "worse", validation=0.5, test=0.9), make_run(tmp_path, "better", head="knn")]

    assert answer(group_runs(runs)) == (
        "Best by validation: knn on vgg16 features of photos, 70.0\u00a0% of 41 test images right "
        "(95 % interval 50.0\u00a0% to 80.0\u00a0%), trained in 1.2 s."
    )


def test_answer_without_a_test_split_is_on_validation(tmp_path):
    """A run without test images is described by its validation accuracy."""
    assert "80.0\u00a0% of 40 validation images right" in answer(group_runs([make_run(tmp_path, "only", test=None)]))


def test_caution_says_when_the_order_may_be_chance(tmp_path):
    """Runs inside the best one's validation interval are counted, if all are on one task."""
    runs = [make_run(tmp_path, f"run{k}", validation=value) for k, value in enumerate((0.8, 0.7, 0.61, 0.59))]

    assert caution(group_runs(runs)) == (
        "2 other runs lie within the best one's validation interval, so the order may be chance."
    )
    assert caution([[runs[0]], [runs[1]]]) == caution([[runs[0]]]) == ""


def test_several_tasks_get_short_sentences(tmp_path):
    """The best run of each task is named, and the tasks that are left out are counted."""
    runs = [make_run(tmp_path, f"r{k}", data=f"d{k}", data_digest=str(k)) for k in range(5)]
    text = answer(group_runs(runs))

    assert text.startswith("Best by validation: logreg on d0, 70.0\u00a0% of 41 test images right; logreg on d1")
    assert text.endswith("; and 2 more tasks.")


def test_runs_are_grouped_by_the_data_they_are_evaluated_on(tmp_path):
    """Other features of the same images are the same task; an older run without that digest is grouped by its task."""
    runs = [
        make_run(tmp_path, "vgg", data_digest="x", task_digest="1", validation=0.7),
        make_run(tmp_path, "older", task_digest="3"),
        make_run(tmp_path, "squeeze", data_digest="x", task_digest="2", validation=0.9),
    ]

    assert [[run.name for run in of] for of in group_runs(runs)] == [["squeeze", "vgg"], ["older"]]


def test_comparison_tells_when_the_cache_breaks_even():
    """After one training or more, or never."""
    row = {"regime": "linear", "run": "r", "validation": 0.9, "test": None, "training_seconds": 1, "total_seconds": 2}
    described = describe_comparison(
        {
            "rows": [row | {"overfitting_gap": 0.1}],
            "break_even": {
                "linear": {"against": "endtoend", "heads": 1},
                "dense": {"against": "endtoend", "heads": 3},
                "cached-finetune": {"against": "finetune", "heads": None},
            },
            "command": "bottleneck compare photos",
        }
    )

    assert described["rows"] == [row | {"what": "linear"}]
    assert described["sentences"] == [
        "linear breaks even after 1 training, compared with endtoend.",
        "dense breaks even after 3 trainings, compared with endtoend.",
        "cached-finetune never breaks even here, compared with finetune.",
    ]


def test_other_tasks_are_quoted_by_their_main_score(tmp_path):
    """Mean average precision in per cent; R2, and the error in the units of the numbers."""
    labels = make_task_run(tmp_path, "labels", make_label_task(), data="things")
    numbers = make_task_run(tmp_path, "numbers", make_value_task(), data="ages")
    found, error = numbers.scores["test"], numbers.scores["test"].columns["age"].mae

    assert f"things, mean average precision {percent(labels.scores['test'].main)} on 60 test images (" in answer(
        [[labels]]
    )
    assert f"ages, R2 {found.r2:.3f} on 60 test images (95 % interval {found.ci95[0]:.3f} to" in answer([[numbers]])
    assert f"), mean absolute error {error:.4g}, trained in" in answer([[numbers]])


def test_several_questions_about_the_same_data_are_neighbours(tmp_path):
    """Their sentences name the label column; the same labels as classes and as numbers are two tasks."""
    asked = [
        make_run(tmp_path, "one", label_column="kind", data_digest="1"),
        make_run(tmp_path, "other", data="other", data_digest="2"),
        make_task_run(tmp_path, "age", make_value_task(), label_column="age", data_digest="1"),
    ]
    groups = group_runs(asked)

    assert [[run.name for run in group] for group in groups] == [["age"], ["one"], ["other"]]
    assert "ridge on photos (age), R2 " in answer(groups)
    assert RunGroup(groups[0]).heading == "photos, label column age, ranked by R2, 60 validation images"
