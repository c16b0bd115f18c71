"""Images that a run does not answer for."""

import numpy as np
import pytest

import pipeline
from pipeline.errors import DamagedStoreError, SettingError
from pipeline.runs.abstain import check_abstain
from pipeline.runs.folder import save_arrays
from pipeline.runs.run import load_run
from pipeline.stage_two.novelty.detector import Detector
from pipeline.tasks.classification import Classification
from tests.conftest import draw_photo
from tests.faults.test_foreign_runs import HEAD
from tests.runs.samples import make_run

TASK = Classification(("ant", "bee"))
DETECTOR = Detector(np.ones((1, 1), np.float16), np.zeros(19, np.float32))


@pytest.mark.parametrize(
    ("abstain", "detector", "task", "message"),
    [
        (0.0, DETECTOR, TASK, r"between 0 and 1.*Received: 0\."),
        (1.0, DETECTOR, TASK, r"between 0 and 1.*Received: 1\."),
        (0.05, None, TASK, r"The run mine has no novelty\.npz.*Train it again .*or leave --abstain out"),
        (0.04, DETECTOR, TASK, r"refuse nothing: with 19 validation images.*is 0\.05\."),
        (0.05, DETECTOR, Classification(("ant", "unknown")), r"a class that is called 'unknown'"),
    ],
)
def test_what_cannot_be_asked_is_an_error(abstain, detector, task, message):
    """The message says what was received and the cure."""
    with pytest.raises(SettingError, match=message):
        check_abstain(abstain, detector, task, "mine")


def test_what_can_be_asked_is_not():
    """The smallest p-value is a level, and nothing can always be asked."""
    check_abstain(0.05, DETECTOR, TASK, "mine")
    check_abstain(None, None, TASK, "mine")


@pytest.mark.parametrize("name", ["linear", "neighbours", "dense"])
def test_unfamiliar_image_is_unknown(name, photos, settings, runs, tmp_path):
    """A black image among red and blue ones is refused; its answer is kept in `top`, and a familiar image has its label."""
    black, good = draw_photo(tmp_path / "black.png", (0, 0, 0), seed=5), photos / "test" / "red" / "red000.png"
    run = load_run(name, settings)
    detector = run.detector
    (unknown, known), asked = run.predict([black, good], abstain=detector.smallest), run.predict([black, good])

    assert len(detector.calibration) == 12
    assert unknown.p_value == detector.smallest < known.p_value
    assert (unknown.label, unknown.top, unknown.probability) == ("unknown", asked[0].top, asked[0].probability)
    assert known == asked[1]
    assert asked[0].label == asked[0].top[0][0]


def test_stored_p_values_are_those_of_predictions(photos, settings, runs):
    """predictions.csv has the distances and p-values of test images, and none of training images."""
    run = load_run("linear", settings)
    rows = {row["path"]: row for row in run.folder.predictions()}
    received = run.predict([photos / "test"])

    for entry in received:
        assert entry.p_value == pytest.approx(float(rows[entry.path.removeprefix(f"{photos}/")]["p_value"]), abs=1e-5)
    assert {row["p_value"] for row in rows.values() if row["split"] == "train"} == {""}
    assert run.info.novelty["validation"] == 12
    assert run.as_dict()["novelty"] == run.info.novelty


def test_rows_on_disk_have_the_same_p_values(photos, settings, runs):
    """Rows that do not fit into memory are read in blocks."""
    here = load_run("linear", settings).predict([photos / "test"])
    there = load_run("linear", settings.with_changes(memory_gb=1e-6)).predict([photos / "test"])

    assert [entry.p_value for entry in here] == [entry.p_value for entry in there]


def test_a_run_without_a_detector_predicts_as_before(photos, settings, runs, tmp_path):
    """Only --abstain is refused, with the cure."""
    import shutil

    folder = shutil.copytree(runs / "linear", tmp_path / "old")
    (folder / "novelty.npz").unlink()
    run = load_run(folder, settings)

    assert {entry.p_value for entry in run.predict([photos / "test"])} == {None}
    with pytest.raises(SettingError, match=r"has no novelty\.npz"):
        run.predict([photos / "test"], abstain=0.1)


def test_detector_of_another_run_is_refused(photos, settings, runs, tmp_path):
    """Rows of another length, and a file that holds something else, name the file."""
    import shutil

    folder = shutil.copytree(runs / "linear", tmp_path / "mixed")
    save_arrays(folder / "novelty.npz", DETECTOR.arrays())
    with pytest.raises(DamagedStoreError, match=r"novelty\.npz of this run takes rows of 1 features"):
        load_run(folder, settings).predict([photos / "test"])
    save_arrays(folder / "novelty.npz", HEAD)
    with pytest.raises(DamagedStoreError, match=r"mixed/novelty\.npz does not hold"):
        load_run(folder, settings).predict([photos / "test"])


def test_run_of_an_older_version_has_no_detector(tmp_path):
    """None, and no error."""
    assert make_run(tmp_path).detector is None


def test_python_takes_abstain(photos, settings, runs, tmp_path):
    """`predict(abstain=...)` writes `unknown` to the file, too."""
    black, out = draw_photo(tmp_path / "black.png", (0, 0, 0), seed=5), tmp_path / "out.csv"
    places = {"cache": settings.paths.cache, "runs": runs}
    (entry,) = pipeline.predict("linear", black, abstain=0.08, out=out, **places)

    assert entry.label == "unknown"
    assert out.read_text().splitlines()[1].split(",")[1:2] == ["unknown"]
    assert "p-value" in pipeline.predict("linear", [black], **places)._repr_html_() or entry.p_value > 0.05
