"""Suspect labels while labels are corrected."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from pipeline.insight.findings import Shown
from pipeline.insight.queue import Queue
from pipeline.insight.suspects import rank_suspects
from pipeline.tasks.links import apply_link
from tests.insight.samples import make_whole


def show(row):
    return Shown(f"{row}.png", "train", "", row)


@pytest.fixture(scope="module")
def queue():
    """Three classes; images 4 and 5 are of one group."""
    return Queue(make_whole(60, blocks=[*range(5), 4, *range(6, 60)]))


def relabelled(y, row, num_classes=3):
    changed = y.copy()
    changed[row] = (y[row] + 1) % num_classes
    return changed


def test_ranking_is_that_of_refits_without_each_block(queue):
    """After a label was changed, the probabilities are those of ridges that are fitted anew to all other blocks with the new labels."""
    whole, y = queue.whole, relabelled(queue.whole.y, 7)
    ranking = queue.rank(y)
    X, Y = (whole.X - whole.X.mean(axis=0)) / whole.X.std(axis=0), whole.task.columns(y)
    scores = np.empty_like(Y)
    for block in np.unique(whole.blocks):
        inside = whole.blocks == block
        fit = Ridge(alpha=queue._judge.alpha).fit(X[~inside], Y[~inside])
        scores[inside] = fit.predict(X[inside])
    expected = apply_link(whole.task.link, queue._judge.temperature * scores)

    np.testing.assert_allclose(ranking.outputs, expected, atol=1e-4)
    assert set(ranking.rows.tolist()) == set(np.flatnonzero(expected.argmax(axis=1) != y).tolist())


def test_ranking_is_that_of_an_audit(queue):
    """With the first labels, the suspects are those of the audit, in order, with the same neighbours."""
    ranking = queue.rank(queue.whole.y)
    found = queue.describe(ranking, ranking.rows, show)

    assert len(found) > 3
    assert found == rank_suspects(queue.whole, ranking.outputs, show)


def test_a_corrected_label_leaves_the_queue_and_comes_back(queue):
    """The likely label is no suspect; with the old label the ranking is what it was."""
    y = queue.whole.y
    first = queue.rank(y)
    worst = int(first.rows[0])
    corrected = y.copy()
    corrected[worst] = first.outputs[worst].argmax()

    assert worst not in queue.rank(corrected).rows
    assert queue.rank(y).rows.tolist() == first.rows.tolist()


def test_settled_labels_are_no_suspects(queue):
    """They are left out, and the others keep their order and probabilities."""
    y = queue.whole.y
    first = queue.rank(y)
    settled = np.zeros(len(y), bool)
    settled[first.rows[1]] = True
    second = queue.rank(y, settled)

    assert second.rows.tolist() == [first.rows[0], *first.rows[2:]]
    np.testing.assert_array_equal(second.outputs, first.outputs)


def test_nothing_is_decomposed_again(queue, monkeypatch):
    """A ranking after a change needs no eigenvectors, and neighbours are found once."""
    monkeypatch.setattr(np.linalg, "eigh", None)
    ranking = queue.rank(relabelled(queue.whole.y, 3))
    queue.describe(ranking, ranking.rows, show)
    monkeypatch.setattr("pipeline.insight.queue.find_nearest", None)

    assert queue.describe(ranking, ranking.rows, show)


def test_neighbours_follow_the_labels(queue):
    """An image's neighbours that disagree are those with another label now."""
    y = queue.whole.y
    ranking = queue.rank(y)
    row = int(ranking.rows[0])
    near = queue.describe(ranking, [row], show)[0].neighbours[0].image.row
    changed = y.copy()
    changed[near] = y[row]
    again = queue.describe(queue.rank(changed), [row], show)[0]

    assert near not in {one.image.row for one in again.neighbours}


def test_a_class_that_no_image_has_is_possible():
    """Such as one that only test images have: nothing is likely to be of it."""
    whole = make_whole(30)
    queue = Queue(replace(whole, y=whole.y % 2))

    assert set(queue.rank(whole.y % 2).outputs.argmax(axis=1).tolist()) == {0, 1}
