"""The settings of a head, and their possible values."""

import pytest

from pipeline.errors import HeadSpecError
from pipeline.stage_two.spec import LINEAR_GRIDS
from pipeline.tuner.choice import HEADS, Choice, first_value, parameter_of, sizes_of, stops_of


@pytest.mark.parametrize("head", HEADS)
def test_slider_has_the_values_of_the_head(head):
    """Its stops ascend, every value that the command would try is among them, and it starts on one."""
    stops = stops_of(head)

    assert list(stops) == sorted(set(stops))
    assert first_value(head) in stops
    assert set(LINEAR_GRIDS.get(head, ("", ()))[1]) <= set(stops)
    assert parameter_of(head) in ("C", "alpha", "shrinkage", "k", "learning rate")


@pytest.mark.parametrize("head", LINEAR_GRIDS)
def test_linear_head_has_the_chosen_regularisation(head):
    """As `bottleneck head --head` takes it."""
    value = first_value(head)

    assert str(Choice(head, value).spec).startswith(f"{head}:{parameter_of(head)}={value:g}")


def test_pooling_follows_the_head_until_one_is_chosen():
    """As `bottleneck head` pools: the average for a linear head, the grid for a dense one."""
    assert (Choice("ridge").pooling, Choice("dense").pooling) == ("avg", "none")
    assert (Choice("ridge", pool="max").pooling, Choice("dense", pool="max").pooling) == ("max", "max")


def test_dense_head_has_its_own_text_and_training():
    """The value is its learning rate; a text that is no dense head is refused when it is used."""
    choice = Choice("dense", 0.01, layers="dense:4,relu", epochs=7)

    assert str(choice.spec) == "dense:4,relu"
    assert (choice.training.epochs, choice.training.learning_rate) == (7, 0.01)
    with pytest.raises(HeadSpecError):
        _ = Choice("dense", layers="dense:no").spec


def test_sizes_of_a_training_set():
    """They grow from a few images per class to all."""
    assert sizes_of(2000, 2)[-1] == 2000
    assert 31 < sizes_of(2000, 2)[0] < 63
    assert sizes_of(5, 3) == [5]
    assert sizes_of(90, 3) == sorted(set(sizes_of(90, 3)))
