"""The table of published experiments."""

import pytest

from pipeline.comparison.published import EXPERIMENTS
from pipeline.images.augment import AUGMENTATIONS, parse_augmentation
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import parse_head


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_understood(name):
    """The table's heads, settings and augmentations are valid."""
    experiment = EXPERIMENTS[name]
    Training(**experiment.training)
    Settings.of(**experiment.base)

    assert experiment.name == name
    assert parse_head(experiment.head)
    assert parse_augmentation(experiment.tuning.get("augmentation", "none")) in (None, *AUGMENTATIONS.values())
    assert experiment.command in ("head", "endtoend", "finetune", "classify")


def test_a_changed_experiment_keeps_its_other_values():
    """Only what was given changes, and the changes are listed."""
    before = EXPERIMENTS["r0a"]
    after = before.changed(epochs=3, preprocess="native")

    assert after.training == {**before.training, "epochs": 3}
    assert after.base == {**before.base, "preprocess": "native"}
    assert after.changes == {"epochs": 3, "preprocess": "native"}
    assert before.changed() == before
