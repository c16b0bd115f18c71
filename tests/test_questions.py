"""Every kind of question, from a table of images to predictions, as a user asks it."""

import csv
import json

import numpy as np
import pytest

import pipeline
from pipeline.errors import DataLayoutError, HeadSpecError, SettingError
from pipeline.training.questions import ByQuestion
from tests.cli.commands import call
from tests.conftest import RANDOM, draw_photo

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
LABELS = {"classification": "colour", "multilabel": "marks", "regression": "light"}
MAIN = {"classification": "accuracy", "multilabel": "mean_average_precision", "regression": "r2"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """90 images whose colour is a class, a label and a number; some answers are not known."""
    folder = tmp_path_factory.mktemp("asked")
    rng = np.random.default_rng(0)
    with (folder / "asked.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "colour", "marks", "light", "dark", "is_red", "is_warm"])
        for number in range(90):
            name = list(COLOURS)[number % 3]
            light = float(rng.uniform(0.3, 1.2))
            draw_photo(folder / f"{number}.png", tuple(int(light * value) for value in COLOURS[name]), number, (32, 32))
            marks = [name, *(["bright"] if light > 0.8 else [])]
            warm = "" if number % 10 == 0 else int(name != "blue")
            cells = [
                f"{number}.png",
                name,
                "|".join(marks),
                f"{light:.3f}",
                f"{1 - light:.3f}",
                int(name == "red"),
                warm,
            ]
            writer.writerow(cells)
    return folder / "asked.csv"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return {**RANDOM, "size": 32, "cache": folder / "cache", "runs": folder / "runs", "progress": False}


@pytest.mark.parametrize("head", ["ridge", "knn", "sgd", "dense:8,relu"])
@pytest.mark.parametrize("kind", LABELS)
def test_each_kind_is_learnt_predicted_and_scored(table, folders, kind, head, tmp_path):
    """Scores have the main score of the kind; predictions of the images are those that the scores were made from."""
    given = {"epochs": 3} if head.startswith("dense") else {}
    run = pipeline.fit(table, head, label=LABELS[kind], name=f"{kind}-{head[:3]}", replace=True, **folders, **given)
    loaded = pipeline.load_run(run.name, **{key: folders[key] for key in ("cache", "runs", "progress")})
    evaluation = pipeline.evaluate(loaded, table, out=tmp_path / "scores")
    predictions = pipeline.predict(loaded, table, out=tmp_path / "out.csv", progress=False)

    assert (run.task.kind, run.info.task["kind"]) == (kind, kind)
    assert run.scores["validation"].main_name == MAIN[kind]
    assert evaluation.scores.n == 90
    assert evaluation.as_dict()[MAIN[kind]] == evaluation.scores.main
    labels = run.task.encode([entry.label for entry in predictions])
    expected = run.task.decide(evaluation.predicted.outputs)
    np.testing.assert_allclose(labels, expected, rtol=1e-4, atol=1e-5)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 91
    assert json.dumps(run.as_dict())
    assert run._repr_html_()


@pytest.mark.parametrize("kind", LABELS)
def test_each_kind_is_swept(table, folders, kind):
    """The default heads that can learn it are ranked by the main score."""
    done = pipeline.sweep(table, ["ridge", "knn", "dense:4,relu"], label=LABELS[kind], epochs=2, **folders)
    mains = [result.validation.main for result in done.results]

    assert [result.validation.name for result in done.results] == [MAIN[kind]] * 3
    assert mains == sorted(mains, reverse=True)


def test_columns_of_yes_and_no_are_one_task(table, folders):
    """With answers that are not known: they are left out of the training and of the scores."""
    run = pipeline.fit(table, "ridge", label=["is_red", "is_warm"], **folders)
    scores = run.scores["train"]

    assert run.classes == ("is_red", "is_warm")
    assert scores.labels["is_warm"].images < scores.labels["is_red"].images == scores.n


def test_numbers_in_several_columns_are_one_task(table, folders):
    """Each has its scores in its units, and an interval."""
    run = pipeline.fit(table, "ridge", label="light,dark", task="regression", **folders)
    (prediction,) = pipeline.predict(run, table.parent / "0.png")

    assert list(run.scores["test"].columns) == ["light", "dark"]
    low, high = (prediction.values["light"][place] for place in (1, 2))
    assert low < prediction.values["light"][0] < high
    with pytest.raises(DataLayoutError, match=r"--label light,dark"):
        pipeline.evaluate(run, table, label="dark,light")


def test_other_columns_are_a_question_each(table, folders):
    """A run for each column, by its name; the rows are computed and read once."""
    done = pipeline.fit(table, "ridge", label="colour,light", name="each", **folders)

    assert isinstance(done, ByQuestion)
    assert [run.name for run in done.values()] == ["each-colour", "each-light"]
    assert [run.task.kind for run in done.values()] == ["classification", "regression"]
    assert list(done.as_dict()["questions"]) == ["colour", "light"]
    with pytest.raises(SettingError, match="each-light"):
        pipeline.fit(table, "ridge", label="light,colour", name="each", **folders)


def test_command_prints_each_question(table, folders, monkeypatch):
    """As text and as JSON."""
    monkeypatch.chdir(table.parent)
    options = ["--label", "colour,light", "--base", "squeezenet", "--size", "32", "--weights", "random"]
    places = ["--cache", str(folders["cache"]), "--runs", str(folders["runs"])]
    text = call("head", "asked.csv", *options, *places).out
    values = call("sweep", "asked.csv", "--head", "ridge", "--json", *options, *places).json

    assert text.index("colour:") < text.index("light:")
    assert list(values["questions"]) == ["colour", "light"]
    assert "r2" in values["questions"]["light"]["best"]["validation"]


def test_head_that_cannot_learn_the_task_is_refused_before_stage_one(table, folders, tmp_path):
    """Nothing is stored."""
    with pytest.raises(HeadSpecError, match="lda cannot learn regression"):
        pipeline.fit(table, "lda", label="light", **{**folders, "cache": tmp_path / "cache"})
    with pytest.raises(SettingError, match="--loss is for numbers"):
        pipeline.fit(table, "dense:4", label="colour", loss="mae", **folders)
    assert not list((tmp_path / "cache").glob("*/*.h5"))


def test_features_never_ask_for_labels(table, folders):
    """Whatever the columns mean."""
    for label in ("light", "colour,light", "is_red,is_warm"):
        assert len(pipeline.extract(table, label=label, **folders).store) >= 90
