"""Settings of fine-tuning."""

import pytest

from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS
from pipeline.stage_one.views import Views
from pipeline.training.finetune.settings import FineTuning


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"first": "fire9_concat", "last": 3}, "not both"),
        ({"cached": True}, "Cached rows need a layer of the base to train: --from or --last"),
        ({"cached": True, "last": 3, "augmentation": AUGMENTATIONS["r0"]}, "give --views K with --augment"),
        ({"last": 3, "views": Views(2, AUGMENTATIONS["r0"])}, "--views needs --cached"),
    ],
)
def test_settings_without_an_effect_are_refused(settings, expected):
    """Settings that contradict each other are an error that names the cure."""
    with pytest.raises(SettingError, match=expected):
        FineTuning(**settings)


def test_fine_tuning_needs_a_layer():
    """`of_base` trains at least one layer of the base."""
    with pytest.raises(SettingError, match="--from, or count the last ones with --last"):
        FineTuning.of_base(None, None)
    assert FineTuning.of_base(None, 3, head="softmax") == FineTuning(head="softmax", last=3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, False), ({"last": 3}, True), ({"last": 3, "head_epochs": 0}, False), ({"last": 3, "on_run": "mine"}, False)],
)
def test_head_is_trained_first_unless_it_is_trained_already(settings, expected):
    """The first phase is left out end to end, with 0 epochs, and if the head comes from a run."""
    assert FineTuning(**settings).trains_head_first is expected
