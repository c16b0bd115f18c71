"""Images that are there more than once."""

import numpy as np
import pytest

from pipeline.insight import duplicates
from pipeline.insight.duplicates import conflicting_labels, exact_duplicates, near_duplicates


def make_digests(*letters):
    return [letter.encode() for letter in letters]


def test_same_content_counts_across_splits_alone():
    """The same bytes twice in one split do not count, and neither do unknown digests."""
    digests = make_digests("a", "b", "a", "c", "c", "", "")
    splits = np.array([0, 0, 2, 1, 1, 0, 2], np.int8)

    assert exact_duplicates(digests, splits) == [[0, 2]]


def test_same_content_under_two_labels_counts_in_any_split():
    """The same bytes twice under one label do not count, and neither do unknown digests."""
    digests = make_digests("a", "b", "a", "c", "c", "a", "", "")
    labels = np.array([0, 0, 2, 1, 1, 0, 0, 2])

    assert conflicting_labels(digests, labels) == [[0, 2, 5]]


@pytest.mark.parametrize("block_rows", [1, 3, 1024])
def test_near_pairs_are_those_of_all_cosines(block_rows, monkeypatch):
    """For any block size the pairs are those of comparing all rows with all rows."""
    monkeypatch.setattr(duplicates, "_BLOCK_ROWS", block_rows)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).astype(np.float32)
    splits = rng.integers(0, 3, 40).astype(np.int8)
    digests = [bytes([index]) for index in range(40)]
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = unit @ unit.T
    expected = {
        frozenset((i, j)) for i in range(40) for j in range(i) if splits[i] != splits[j] and cosines[i, j] >= 0.95
    }
    found = near_duplicates(X, splits, digests, threshold=0.95)

    assert found["count"] == len(expected) > 5
    assert {frozenset(pair[:2]) for pair in found["pairs"]} <= expected
    assert [pair[2] for pair in found["pairs"]] == sorted((pair[2] for pair in found["pairs"]), reverse=True)


def test_near_pairs_are_capped_and_counted(monkeypatch):
    """The most similar pairs are kept, and all are counted; identical images are no near duplicates."""
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 2)
    X = np.array([[1, 0], [1, 0], [1, 0.01], [1, 0.02], [0, 0]], np.float32)
    splits = np.array([0, 1, 1, 1, 1], np.int8)
    found = near_duplicates(X, splits, make_digests("a", "a", "b", "c", "d"))

    assert found["count"] == 2
    assert [pair[:2] for pair in found["pairs"]] == [[0, 2], [0, 3]]
    assert found["threshold"] == 0.98


def test_near_pairs_inside_splits_are_each_there_once(monkeypatch):
    """With `inside`, the pairs are those of one split; none is there twice, or with itself."""
    monkeypatch.setattr(duplicates, "_BLOCK_ROWS", 2)
    X = np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1], [1, 0]], np.float32)
    splits = np.array([0, 0, 0, 0, 1], np.int8)
    found = near_duplicates(X, splits, make_digests("a", "b", "c", "d", "e"), inside=True)

    assert found["count"] == 3
    assert sorted(pair[:2] for pair in found["pairs"]) == [[0, 1], [0, 2], [1, 2]]
