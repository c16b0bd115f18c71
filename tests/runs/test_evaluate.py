"""Scores of a run on any labelled data."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataLayoutError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.runs.abstain import check_abstain
from pipeline.runs.evaluate import OWN_SPLITS, evaluate
from pipeline.runs.predict import Predicted
from pipeline.runs.run import load_run
from pipeline.stage_two.novelty.detector import Detector, Novelty
from pipeline.tasks.class_scores import score
from pipeline.tasks.classification import Classification
from tests.calls import read
from tests.conftest import draw_photo, draw_tree
from tests.locked import read_only
from tests.runs.samples import HEADS


class Colours:
    """What knows colours by the folder of an image: red is always right, blue never."""

    name = "colours"
    classes = ("blue", "green", "red")
    task = Classification(classes)
    detector = None

    def __init__(self, trained_on=()):
        self.trained_on = frozenset(trained_on)

    def check_abstain(self, abstain):
        check_abstain(abstain, self.detector, self.task, self.name)

    def predict_manifest(self, manifest: Manifest) -> Predicted:
        rows = [[0.0, 0.25, 0.75] if label == "red" else [0.25, 0.75, 0.0] for label in manifest.labels]
        return Predicted(manifest, np.array(rows, np.float32).reshape(-1, 3))

    def training_digests(self):
        return self.trained_on


def scanned(data, **fields):
    return read(data, split=OWN_SPLITS, **fields)


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Four red and two blue images."""
    root = draw_tree(tmp_path_factory.mktemp("frame"), {"": 4})
    paths = sorted(map(str, root.rglob("*.png")))[2:]
    return pd.DataFrame({"path": paths, "label": [path.split("/")[-2] for path in paths]})


@pytest.mark.parametrize("name", HEADS)
def test_scores_are_those_of_the_run(name, photos, settings, runs):
    """The test split of a run's own data has the scores that the run has; no image of it was trained on."""
    run = load_run(name, settings)
    evaluation = evaluate(run, scanned(photos))

    assert evaluation.split == "test"
    assert evaluation.scores.confusion == run.scores["test"].confusion
    assert evaluation.scores.loss == pytest.approx(run.scores["test"].loss, abs=1e-5)
    assert evaluation.num_trained_on == 0
    assert evaluate(run, scanned(photos), split="train").num_trained_on == 24


def test_data_without_splits_is_used_as_a_whole(frame):
    """All images count, and the result says so."""
    evaluation = evaluate(Colours(), scanned(frame))
    values = evaluation.as_dict()

    assert (values["split"], values["n"], values["accuracy"]) == ("all", 6, 4 / 6)
    assert values["balanced_accuracy"] == 0.5
    assert values["classes"]["red"] == {"precision": 1.0, "recall": 1.0, "n": 4}
    assert values["classes"]["green"] == {"precision": 0.0, "recall": None, "n": 0}
    assert values["confusion"] == [[0, 2, 0], [0, 0, 0], [0, 0, 4]]
    assert values["loss"] == pytest.approx(
        score(np.float32([[0.25, 0.75]]), np.array([0]), "ab").loss * 2 / 6 - 4 / 6 * np.log(0.75)
    )
    assert evaluation.notes() == ["No image of these classes of the run: green."]


def test_splits_of_the_data_are_chosen(frame):
    """The data's own test images are the default; a split that it does not name is an error."""
    with_splits = frame.assign(split=["train", "test"] * 3)

    assert evaluate(Colours(), scanned(with_splits)).as_dict()["n"] == 3
    assert evaluate(Colours(), scanned(with_splits), split="train").split == "train"
    assert evaluate(Colours(), scanned(with_splits), split="all").as_dict()["n"] == 6
    with pytest.raises(SettingError, match=r"names no validation images\. It names test"):
        evaluate(Colours(), scanned(with_splits), split="validation")
    with pytest.raises(SettingError, match=r"names no test images\. It names no validation or test images"):
        evaluate(Colours(), scanned(frame), split="test")


def test_labels_that_the_run_does_not_know_are_counted(frame):
    """They are not used and named with their numbers, as are images without a label; `strict` makes them an error."""
    labels = ["Pink", None, *frame["label"][2:]]
    evaluation = evaluate(Colours(), scanned(frame.assign(label=labels)))

    assert evaluation.scores.n == 4
    assert evaluation.unknown_labels == {"Pink": 1}
    assert evaluation.num_unlabelled == 1
    assert evaluation.notes()[:2] == [
        "Not used: 1 image without a label.",
        "Not used: 1 image with labels that are no classes of the run: 'Pink' (1).",
    ]
    with pytest.raises(DataLayoutError, match=r"1 images have no label and 1 one that is no class"):
        evaluate(Colours(), scanned(frame.assign(label=labels)), strict=True)


def test_class_that_is_spelled_otherwise_is_suggested(frame):
    """All of its images are left out, and the class has none: it is probably the same one."""
    labels = [label.upper() if label == "red" else label for label in frame["label"]]
    evaluation = evaluate(Colours(), scanned(frame.assign(label=labels)))

    assert any(text.endswith("Is 'RED' 'red'? Rename the labels.") for text in evaluation.notes())


def test_labels_that_are_all_unknown_are_an_error(frame):
    """The message suggests the class that is probably meant."""
    with pytest.raises(
        DataLayoutError, match=r"'Blue' \(2\), 'Red' \(4\).* classes are blue, green, red\. Is 'Blue' 'blue'\?"
    ):
        evaluate(Colours(), scanned(frame.assign(label=frame["label"].str.title())))
    with pytest.raises(DataLayoutError, match=r"None of the 6 images of .* has a label"):
        evaluate(Colours(), scanned(frame[["path"]].assign(age=1)))


def test_images_of_the_training_are_counted(frame):
    """Scores on them are too good, whatever the files are called."""
    manifest = scanned(frame)

    assert "3 of the 6 images are training images" in evaluate(Colours(manifest.digests[:3]), manifest).notes()[-1]


def test_results_are_written(frame, tmp_path):
    """The folder is made; a second evaluation replaces the files."""
    out = tmp_path / "new" / "results"
    for _ in range(2):
        evaluation = evaluate(Colours(), scanned(frame), out=out)

    assert sorted(path.name for path in out.iterdir()) == [
        *("confusion.png", "evaluation.json", "predictions.csv", "report.html"),
    ]
    assert json.loads((out / "evaluation.json").read_text()) == evaluation.as_dict()
    rows = pd.read_csv(out / "predictions.csv")
    assert list(rows["predicted"]) == ["green"] * 2 + ["red"] * 4
    assert list(rows["label"]) == list(frame["label"])
    page = (out / "report.html").read_text()
    assert "0.6667" in page
    assert page.count("data:image/png") == 1
    assert "balanced accuracy" in evaluation._repr_html_()


def test_names_are_made_safe_for_spreadsheets_once(frame, tmp_path):
    """A name that looks like a formula has one apostrophe before it."""
    manifest = scanned(frame)
    names = ("=1+1.png", *manifest.names[1:])
    evaluate(Colours(), replace(manifest, names=names), out=tmp_path)

    assert list(pd.read_csv(tmp_path / "predictions.csv")["path"]) == ["'=1+1.png", *names[1:]]


def test_folder_that_cannot_be_written_is_noticed_before_the_work(frame, tmp_path):
    """Nothing is predicted; also if a file has the name."""
    (tmp_path / "file").touch()
    manifest = scanned(frame)
    with pytest.raises(SettingError, match=r"Nothing can be written to the folder .*file"):
        evaluate(None, manifest, out=tmp_path / "file")
    with read_only(tmp_path), pytest.raises(SettingError, match=r"Nothing can be written to the folder .*out"):
        evaluate(None, manifest, out=tmp_path / "out")


def test_unreadable_images_are_skipped(photos, settings, runs, tmp_path):
    """They are listed with their reasons, and are no wrong predictions; with `strict` they are an error."""
    root = draw_tree(tmp_path / "data", {"": 2})
    (root / "red" / "broken.png").write_bytes(b"no image")
    run = load_run("linear", settings)
    evaluation = evaluate(run, scanned(root))

    assert evaluation.scores.n == 4
    assert [entry.path for entry in evaluation.skipped] == ["red/broken.png"]
    with pytest.raises(DataLayoutError, match=r"1 of 5 images cannot be read; the first: red/broken\.png: "):
        evaluate(run, scanned(root), strict=True)


def test_cache_and_runs_may_be_read_only(photos, settings, runs, tmp_path, caplog):
    """New images are computed and not stored, with one warning; known ones are read."""
    new = draw_photo(tmp_path / "new" / "red" / "new.png", (190, 50, 50), seed=4711).parents[1]
    run = load_run("linear", settings)
    shards = sorted(settings.paths.cache.rglob("*.h5"))
    with read_only(settings.paths.cache), read_only(settings.paths.runs):
        evaluation = evaluate(run, scanned(new))
        known = run.predict(photos / "test")
        first = run.predict([new, photos / "test"])

    assert evaluation.scores.n == 1
    assert first[1:] == tuple(known)
    assert sorted(settings.paths.cache.rglob("*.h5")) == shards
    assert caplog.text.count("New features are computed for this command and not stored") == 2
    assert run.predict([new, photos / "test"])[0].label == first[0].label


class Familiar(Colours):
    """Blue images are unlike those that it was trained on."""

    detector = Detector(np.ones((1, 1), np.float16), np.zeros(99, np.float32))

    def predict_manifest(self, manifest: Manifest) -> Predicted:
        done = super().predict_manifest(manifest)
        p = np.array([0.5 if label == "red" else 0.01 for label in manifest.labels])
        return replace(done, novelty=Novelty(1 - p.astype(np.float32), p))


def test_refused_images_are_counted_and_not_scored(frame, tmp_path):
    """The scores are those of the others; each image has its p-value in predictions.csv."""
    every, some = (evaluate(Familiar(), scanned(frame), abstain=abstain) for abstain in (None, 0.05))
    evaluate(Familiar(), scanned(frame), abstain=0.05, out=tmp_path)

    assert (every.accuracy, every.num_refused, every.as_dict()["abstain"]) == (4 / 6, 0, None)
    assert (some.accuracy, some.scores.n, some.as_dict()["refused"]) == (1, 4, 2)
    assert any(
        note.startswith("Refused: 2 of 6 images (33.3%) with a p-value of at most 0.05.") for note in some.notes()
    )
    assert sorted(pd.read_csv(tmp_path / "predictions.csv")["p_value"]) == [0.01, 0.01, 0.5, 0.5, 0.5, 0.5]


def test_nothing_is_left_to_score(frame):
    """If all images are refused, that is an error; so is a level that a run cannot be asked."""
    with pytest.raises(DataLayoutError, match=r"All 6 images have a p-value of at most 0\.6"):
        evaluate(Familiar(), scanned(frame), abstain=0.6)
    with pytest.raises(SettingError, match=r"has no novelty\.npz"):
        evaluate(Colours(), scanned(frame), abstain=0.05)
