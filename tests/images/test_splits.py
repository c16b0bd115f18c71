"""Percentage splits: seeded, roughly stratified, and stable when the collection grows."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingError
from pipeline.images.splits import Fractions, assign_splits, complete_splits, rule_of

USUAL = Fractions(0.8, 0.1, 0.1)
KEYS = st.lists(st.binary(max_size=40), max_size=60)
SHARES = st.integers(1, 100).flatmap(
    lambda train: st.integers(0, 100 - train).map(lambda validation: (train, validation, 100 - train - validation))
)


def make_keys(count: int, name: str = "image") -> list[bytes]:
    """Digests of so many images."""
    return [hashlib.sha256(f"{name} {number}".encode()).digest() for number in range(count)]


def test_rule_has_as_many_shares_as_were_given():
    """Without a test split there are two; data with validation images has no rule."""
    assert rule_of((None,), USUAL, 0) == "80/10/10, seed 0"
    assert rule_of((None,), Fractions(0.8, 0.2, 0.0), 1) == "80/20, seed 1"
    assert rule_of(("validation",), USUAL, 0) is None


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("80/10/10", (0.8, 0.1, 0.1)),
        ("100/0/0", (1, 0, 0)),
        (" 70 / 30 / 0 ", (0.7, 0.3, 0)),
        ("80/20", (0.8, 0.2, 0)),
        ("33.4/33.3/33.3", (0.334, 0.333, 0.333)),
    ],
)
def test_percentages_are_read(text, shares):
    """Two or three percentages become shares of 1; two leave no test split."""
    fractions = Fractions.parse(text)

    assert (fractions.train, fractions.validation, fractions.test) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text",
    ["", "80", "80/30", "80/10/10/0", "80/10/20", "0/50/50", "110/-10/0", "a/b/c", "80,10,10", "nan/50/50", "inf/0/0"],
)
def test_text_that_is_no_split_is_refused(text):
    """The message shows what a split looks like, and what came instead."""
    with pytest.raises(
        SettingError, match="percentages train/validation/test or train/validation that sum to 100"
    ) as caught:
        Fractions.parse(text)

    assert str(caught.value).endswith(f"Received: {text!r}.")


def test_shares_without_test_keep_their_proportion():
    """Data with its own test split shares the rest as train and validation stand to each other."""
    fractions = Fractions(0.6, 0.2, 0.2).without_test()

    assert (fractions.train, fractions.validation, fractions.test) == pytest.approx((0.75, 0.25, 0))


@given(KEYS, KEYS, SHARES, st.integers(0, 3))
def test_added_images_move_none_but_promoted_ones(keys, added, shares, seed):
    """A split is the image's own, whatever other images there are: only images that a split needs leave it."""
    fractions = Fractions(*(share / 100 for share in shares))
    both = added + keys
    own = {key: own_split(key, fractions, seed) for key in both}
    before = assign_splits(keys, fractions, seed=seed)
    after = assign_splits(both, fractions, seed=seed)
    promoted = {
        key for key, split in (*zip(keys, before, strict=True), *zip(both, after, strict=True)) if split != own[key]
    }

    assert {key for key, old, new in zip(keys, before, after[len(added) :], strict=True) if old != new} <= promoted
    assert len(promoted) <= 6
    assert assign_splits(keys[::-1], fractions, seed=seed) == before[::-1]


def own_split(key: bytes, fractions: Fractions, seed: int) -> str:
    """The split of an image by its number alone: images without a label are not promoted."""
    return assign_splits([key], fractions, labels=[()], seed=seed)[0]


@pytest.mark.parametrize(("classes", "each"), [(2, 2), (2, 10), (2, 20), (10, 20), (30, 10), (102, 40), (5, 1), (1, 4)])
def test_small_data_can_be_trained(classes, each):
    """In 50 random sets of each size all classes are in training, and there are validation and test images if any are left."""
    labels = [f"class {number % classes}" for number in range(classes * each)]
    for trial in range(50):
        keys = make_keys(len(labels), f"set {trial}")
        splits = assign_splits(keys, USUAL, labels=[(label,) for label in labels])

        assert {label for label, split in zip(labels, splits, strict=True) if split == "train"} == set(labels)
        assert set(splits) == ({"train", "validation", "test"} if each > 1 else {"train"})


def test_fewest_images_are_promoted():
    """One image per class without training images, and one per empty split; equal keys, such as those of a group, move together."""
    keys, labels = make_keys(200), [f"class {number % 100}" for number in range(200)]
    own = [own_split(key, USUAL, 0) for key in keys]
    untrained = set(labels) - {label for label, split in zip(labels, own, strict=True) if split == "train"}
    splits = assign_splits(keys, USUAL, labels=[(label,) for label in labels])

    assert untrained
    assert sum(new != old for new, old in zip(splits, own, strict=True)) == len(untrained)
    doubled = assign_splits(keys + keys, USUAL, labels=[(label,) for label in labels + labels])
    assert doubled == splits * 2


def test_images_without_a_label_are_never_promoted():
    """They are not trained on, so they cannot fill a split."""
    keys = make_keys(8)
    splits = assign_splits(keys, USUAL, labels=[("a",), ("b",), ("a",), ("b",), (), (), (), ()])

    assert splits[4:] == [own_split(key, USUAL, 0) for key in keys[4:]]
    assert {"train", "validation"} <= set(splits[:4])


def test_large_data_is_split_as_before():
    """With some hundred images per class no image is promoted."""
    keys, labels = make_keys(3000), [f"class {number % 10}" for number in range(3000)]

    assert assign_splits(keys, USUAL, labels=[(label,) for label in labels]) == [
        own_split(key, USUAL, 0) for key in keys
    ]


@pytest.mark.parametrize("shares", ["80/10/10", "80/20/0"])
def test_split_that_the_data_lacks_is_taken_from_training(shares):
    """Test images of the data stay; validation is made from training images, and every class keeps one of these."""
    given_splits = ["train", "train", "train", "train", "test", "test"]
    labels = ["a", "b", "a", "b", "a", "b"]
    for trial in range(30):
        keys = make_keys(6, f"set {trial}")
        splits = complete_splits(given_splits, keys, Fractions.parse(shares), 0, [(label,) for label in labels])

        assert splits[4:] == ("test", "test")
        assert set(splits[:4]) == {"train", "validation"}
        assert {label for label, split in zip(labels, splits, strict=True) if split == "train"} == {"a", "b"}


@given(st.binary(max_size=40), SHARES, st.integers(0, 3))
def test_one_key_never_straddles_splits(key, shares, seed):
    """Images with one key, a group or a content, land in one split, and never in a split whose share is zero."""
    fractions = Fractions(*(share / 100 for share in shares))
    splits = set(assign_splits([key] * 5, fractions, seed=seed))

    assert len(splits) == 1
    assert getattr(fractions, splits.pop()) > 0


def test_split_depends_on_the_seed_alone():
    """The same seed gives the same split, another seed another one."""
    keys = make_keys(200)

    assert assign_splits(keys, USUAL, seed=1) == assign_splits(keys, USUAL, seed=1)
    assert assign_splits(keys, USUAL, seed=1) != assign_splits(keys, USUAL, seed=2)


@pytest.mark.parametrize("label", ["cat", "dog", "eel"])
def test_shares_are_met_within_every_class(label):
    """Each class is split by the same law: within four standard deviations of a binomial count."""
    count = 3000
    splits = Counter(assign_splits(make_keys(count, label), USUAL, seed=3))

    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(splits[split] - share * count) < 4 * (count * share * (1 - share)) ** 0.5


def test_larger_validation_share_takes_only_from_its_neighbours():
    """With other shares an image keeps its number in [0, 1): a larger training share never removes a training image."""
    keys = make_keys(500)
    small, large = (assign_splits(keys, Fractions(share, 0.9 - share, 0.1)) for share in (0.5, 0.7))

    assert {after for before, after in zip(small, large, strict=True) if before == "train"} == {"train"}
    assert [split == "test" for split in small] == [split == "test" for split in large]


def test_splits_of_published_runs_stay():
    """The split of these images with seed 0 was the same in every release."""
    letters = {"train": "t", "validation": "v", "test": "T"}
    splits = assign_splits(make_keys(32), Fractions(0.5, 0.25, 0.25))

    assert "".join(letters[split] for split in splits) == "tTTtvvttTvttTTvTvttTvTTttttvTTvv"


@pytest.mark.parametrize("num_groups", [4, 5, 9])
def test_few_groups_fill_all_splits(num_groups):
    """Groups are promoted like images, also where each has images of all classes."""
    for trial in range(50):
        groups = make_keys(num_groups, f"set {trial}") * 6
        labels = [f"class {number // num_groups % 2}" for number in range(len(groups))]

        assert set(assign_splits(groups, USUAL, labels=[(label,) for label in labels])) == {
            "train",
            "validation",
            "test",
        }


def test_rare_labels_have_a_training_image():
    """An image with several labels counts for each of them."""
    labels = [("common", "rare") if number % 50 == 0 else ("common",) for number in range(100)]
    for trial in range(30):
        splits = assign_splits(make_keys(100, f"set {trial}"), USUAL, labels=labels)

        assert any(split == "train" for names, split in zip(labels, splits, strict=True) if "rare" in names)
