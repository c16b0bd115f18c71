"""The detector of a run."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.heads import unit_rows
from pipeline.stage_two.novelty import fit
from pipeline.stage_two.novelty.fit import find_centres, fit_detector
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import make_label_task, make_task, make_value_task, on_disk


def grids(**keywords) -> LabelledRows:
    return make_task((2, 2, 6), **keywords)


def test_few_rows_are_their_own_centres():
    """Up to 256 training rows are all kept, of length 1."""
    task = make_task()
    detector = fit_detector(task).detector

    assert detector.centres.dtype == np.float16
    assert np.allclose(detector.centres, unit_rows(task.train.X), atol=1e-3)


def test_centres_are_the_means_of_their_nearest_rows():
    """Of more rows, each seed becomes the mean direction of the rows that are nearest to it."""
    units = unit_rows(np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32))
    centres = find_centres(units)
    seeds = units[np.random.default_rng(0).choice(600, 256, replace=False)]
    nearest = (units @ seeds.T).argmax(axis=1)

    assert centres.shape == (256, 5)
    assert np.allclose(centres, unit_rows(np.stack([units[nearest == m].sum(axis=0) for m in range(256)])), atol=1e-5)


def test_copies_leave_fewer_centres():
    """Seeds that are the same row are one centre."""
    units = np.tile(np.eye(4, dtype=np.float32), (100, 1))

    assert sorted(find_centres(units).argmax(axis=1)) == [0, 1, 2, 3]


def test_unfamiliar_rows_have_small_p_values():
    """Rows in another direction are refused, and familiar ones are not."""
    task = make_task()
    detector = fit_detector(task).detector

    assert (detector.judge(-task.splits["test"].X).p_values <= 0.05).mean() > 0.9
    assert np.median(detector.judge(task.splits["test"].X).p_values) > 0.2


def test_validation_images_are_judged_among_the_others():
    """Each has the p-value by a calibration on the other n - 1 images."""
    fitted = fit_detector(make_task())
    distances, n = fitted.novelty["validation"].distances, len(fitted.detector.calibration)
    expected = [(1 + (np.delete(distances, i) >= distances[i]).sum()) / n for i in range(n)]

    assert n == 60
    assert fitted.novelty["validation"].p_values == pytest.approx(expected)
    assert np.array_equal(fitted.detector.calibration, np.sort(distances))


def test_info_says_how_many_test_images_are_refused():
    """The share at the level; nothing without a test split."""
    fitted, without = fit_detector(make_task()), fit_detector(make_task(with_test=False))
    p = fitted.novelty["test"].p_values

    assert fitted.as_dict() == {
        "centres": 90,
        "validation": 60,
        "level": 0.05,
        "refused": {"test": (p <= 0.05).mean()},
    }
    assert without.as_dict()["refused"] == {}
    assert np.isnan(fitted.novelty["train"].distances).all()


@pytest.mark.parametrize("make", [make_task, make_label_task, make_value_task, grids])
def test_every_kind_of_task_has_a_detector(make):
    """Labels and numbers are not used, and grids are averaged."""
    assert fit_detector(make()).detector.centres.shape == (90, 6)


@pytest.mark.parametrize("head", ["ridge", "logreg:scale=none", "sgd", "lda", "knn"])
def test_programs_may_make_errors_of_numbers_that_are_too_small(head):
    """With `np.seterr(all="raise")`, what is nearly 0 is 0 all the same, in a head and in its detector."""
    labelled = make_task(distance=3000.0)
    labelled.train.X[0, 0] = 1e-9
    with np.errstate(under="raise"):
        outputs = fit_linear(parse_head(head), labelled).head.outputs(labelled.validation.X)
        detector = fit_detector(labelled).detector

    np.testing.assert_array_equal(outputs, fit_linear(parse_head(head), labelled).head.outputs(labelled.validation.X))
    np.testing.assert_array_equal(detector.centres, fit_detector(labelled).detector.centres)


def test_rows_on_disk_give_the_same_detector(tmp_path, monkeypatch):
    """Rows that are read in parts, and only a sample of them, as in memory."""
    monkeypatch.setattr(fit, "MAX_TRAINING", 70)
    monkeypatch.setattr(fit, "MAX_JUDGED", 40)
    monkeypatch.setattr(fit, "_CHUNK", 16)
    task = grids()
    here, there = fit_detector(task), fit_detector(on_disk(task, tmp_path))

    assert len(here.detector.centres) == len(there.detector.centres) == 70
    assert np.allclose(np.sort(here.detector.centres, axis=0), np.sort(there.detector.centres, axis=0), atol=1e-3)
    assert here.detector.calibration == pytest.approx(there.detector.calibration, abs=1e-6)
    for split in ("validation", "test"):
        assert here.novelty[split].p_values == pytest.approx(there.novelty[split].p_values, nan_ok=True)
        assert np.isnan(here.novelty[split].p_values).sum() == 20


def test_views_and_weights_change_nothing():
    """Only the images as they are count."""
    task = make_task()
    viewed = replace(task.train, views=(task.train.X + 1,), weights=np.linspace(0.5, 1.5, 90))
    splits = {**task.splits, "train": viewed}
    one, other = fit_detector(task).detector, fit_detector(LabelledRows(task.task, splits)).detector

    assert np.array_equal(one.centres, other.centres)
