"""Labels that may be wrong."""

from dataclasses import replace

import numpy as np

from pipeline.insight.findings import Shown
from pipeline.insight.left_out import leave_out_ridge
from pipeline.insight.suspects import find_strange, rank_suspects, suspicion
from pipeline.stage_two.spec import parse_head
from tests.insight.samples import make_whole


def show(row):
    return Shown(f"{row}.png", "train", "abc"[row % 3], row)


def test_suspicion_is_the_other_class_by_the_square_of_the_label():
    """log(p(other) / p(label)^2); a probability of 0 is no error."""
    outputs = np.array([[0.8, 0.15, 0.05], [0.2, 0.6, 0.2], [1, 0, 0]], np.float32)

    np.testing.assert_allclose(
        suspicion(outputs, np.array([0, 0, 0]))[:2], [np.log(0.15 / 0.64), np.log(0.6 / 0.04)], atol=1e-6
    )
    assert suspicion(outputs, np.array([0, 0, 1]))[2] > 60


def test_a_flipped_label_is_the_most_suspect():
    """It comes first, with the class that it had, and neighbours that have it."""
    clean = make_whole(60, seed=5)
    whole = replace(
        clean, X=clean.X + 4 * np.eye(6, dtype=np.float32)[clean.y], y=np.where(np.arange(60) == 7, 2, clean.y)
    )
    judged = leave_out_ridge(parse_head("ridge"), whole)
    first = rank_suspects(whole, judged.outputs, show)[0]

    assert (first.image.row, first.likely) == (7, "b")
    assert first.probability < 0.5 < first.likely_probability
    assert first.disagree > 0.5
    assert {neighbour.image.row % 3 for neighbour in first.neighbours} == {1}
    assert first.as_dict()["neighbours"][0]["label"] == "b"
    assert "If it is b, correct the label" in first.advice


def test_an_image_that_is_alone_in_its_class_is_no_suspect():
    """Without it the class is unknown, so nothing is said."""
    whole = make_whole(30)
    whole = replace(whole, y=np.where(np.arange(30) == 4, 2, whole.y % 2))
    judged = leave_out_ridge(parse_head("ridge"), whole)

    assert judged.outputs[4].argmax() != 2
    assert 4 not in {suspect.image.row for suspect in rank_suspects(whole, judged.outputs, show)}


def test_the_image_far_from_all_is_the_strangest():
    """Its distance is 1 - cosine to the tenth nearest image."""
    whole = make_whole(40)
    X = np.abs(whole.X)
    X[11] = -X[11]
    found = find_strange(replace(whole, X=X), np.arange(40), show)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)

    assert found[0].image.row == 11
    assert abs(found[0].distance - (1 - np.sort(unit @ unit[11])[::-1][10])) < 1e-5
    assert [one.distance for one in found] == sorted((one.distance for one in found), reverse=True)
