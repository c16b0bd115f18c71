"""Every kind of question on real scans with real weights: from a table through all that can be done with the run."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import pipeline
from pipeline.exports import sample_images as samples
from pipeline.exports.formats import FORMATS
from pipeline.images.requirements import require_task
from pipeline.training.rows import read_rows
from pipeline.tuner.choice import Choice
from pipeline.tuner.session import Session

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # of flatbuffers and onnx

KINDS = {"classification": "digit", "multilabel": "marks", "regression": "width"}
MARKS = {"even": "02468", "loop": "0689", "stroke": "01236789"}
LEAST = {"classification": 0.7, "multilabel": 0.8, "regression": 0.2}
"""Of the main score on the 83 images that are for validation or test: far above that of a guess (0.1, 0.5, 0)."""

FEATURES = {"base": "squeezenet", "size": 64, "progress": False}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """400 scans of digits: which digit it is, three marks of it, and how wide it is drawn."""
    folder = tmp_path_factory.mktemp("scans")
    digits = load_digits()
    columns = np.arange(8)
    with (folder / "asked.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "digit", "marks", "width"])
        for number in range(400):
            pixels, digit = digits.images[number] * 15, str(digits.target[number])
            Image.fromarray(pixels.astype(np.uint8)).resize((64, 64)).save(folder / f"{number:03}.png")
            ink = pixels.sum(axis=0)
            width = np.average((columns - np.average(columns, weights=ink)) ** 2, weights=ink) ** 0.5
            marks = "|".join(name for name, with_it in MARKS.items() if digit in with_it) or "(none)"
            writer.writerow([f"{number:03}.png", digit, marks, f"{width:.3f}"])
    return folder / "asked.csv"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Keywords of all calls."""
    folder = tmp_path_factory.mktemp("places")
    return {**FEATURES, "cache": folder / "cache", "runs": folder / "runs"}


@pytest.fixture(scope="module")
def runs(table, given):
    """A ridge with folds for each question."""
    found = pipeline.fit(table, "ridge", label=list(KINDS.values()), folds=4, name="asked", **given)
    return {kind: found[column] for kind, column in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_question_is_answered(kind, runs, table, given, tmp_path):
    """Scores, folds, predictions, evaluation and the report agree, and are far better than a guess."""
    run, column = runs[kind], KINDS[kind]
    evaluation = pipeline.evaluate(run, table, split="all")
    predictions = pipeline.predict(run, table)
    page = pipeline.report(run.name, runs=given["runs"], out=tmp_path / "page.html", progress=False)

    assert run.task.kind == kind
    assert min(run.scores[split].main for split in ("validation", "test")) > LEAST[kind]
    assert run.info.folds[run.scores["test"].main_name] > LEAST[kind]
    assert evaluation.scores.n == len(predictions) == 400
    encoded = run.task.encode([entry.label for entry in predictions])
    np.testing.assert_allclose(encoded, run.task.decide(evaluation.predicted.outputs), rtol=1e-4, atol=1e-5)
    assert column in Path(page.path).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_sweep_finds_the_best_head(kind, table, given):
    """Among linear ones and a dense one, by folds."""
    heads = ["ridge", "knn", "dense:32,relu"]
    done = pipeline.sweep(table, heads, label=KINDS[kind], folds=3, epochs=5, pool="avg", **given)

    assert len(done.results) == 3
    assert done.best.scores["validation"].main > LEAST[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_tuner_has_the_scores_of_the_run(kind, runs, table, given):
    """Its head with the same regularisation is that of `head`."""
    settings = runs[kind].settings
    manifest = require_task(pipeline.scan(table, label=KINDS[kind], task=kind, cache=given["cache"], progress=False))
    rows = read_rows(manifest, "avg", settings.with_changes(base="squeezenet", size=64)).labelled
    session = Session(manifest, lambda _: rows)
    shown = session.refit(Choice("ridge", runs[kind].info.chosen["alpha"])).validation

    assert shown.scores.main == pytest.approx(runs[kind].scores["validation"].main, abs=1e-6)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_exported_file_says_the_same(kind, ending, runs, table, tmp_path, monkeypatch):
    """In all formats, of real scans."""
    monkeypatch.setattr(samples, "NUM_IMAGES", 20)
    done = pipeline.export(runs[kind], tmp_path / f"model{ending}")
    images = [table.parent / f"{number:03}.png" for number in (1, 50, 399)]
    told = pipeline.predict(done.path, images, digest=done.digest if not ending else None)
    known = pipeline.predict(runs[kind], images)

    encoded = [runs[kind].task.encode([entry.label for entry in each]) for each in (told, known)]
    np.testing.assert_allclose(encoded[0], encoded[1], rtol=1e-3)


PROGRAM = """
import json, sys
import pipeline
given = json.loads(sys.argv[1])
for column in ("digit", "marks", "width"):
    run = pipeline.fit(sys.argv[2], "ridge", label=column, plots=False, **given)
    pipeline.predict(run, sys.argv[2])
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""


def test_heads_on_a_warm_store_need_no_tensorflow(runs, table, given):
    """Whatever is asked: trained, saved and used for predictions."""
    keywords = json.dumps({name: value if isinstance(value, int) else str(value) for name, value in given.items()})
    command = [sys.executable, "-c", PROGRAM, keywords, str(table)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
