"""Published experiments trained again, on small images with a small random base."""

from dataclasses import replace

import pytest

from pipeline.comparison.published import EXPERIMENTS
from pipeline.comparison.reproduce import find_experiment, reproduce, settings_of
from pipeline.errors import SettingError
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from tests.calls import scan


def test_an_experiment_that_trains_nothing_or_does_not_exist_is_refused(photos):
    """The message says what to do instead."""
    manifest = scan(photos)
    with pytest.raises(SettingError, match="bottleneck classify"):
        reproduce(find_experiment("r1a"), manifest, Settings(), Saving())
    with pytest.raises(SettingError, match="Published experiments: r0a"):
        find_experiment("r7")
    with pytest.raises(SettingError, match="r0a is made by `head`"):
        reproduce(find_experiment("R0A"), manifest, Settings(), Saving(), cached=True)
    with pytest.raises(SettingError, match="--views is for experiments that augment"):
        reproduce(find_experiment("r0c"), manifest, Settings(), Saving(), num_views=2)


def test_an_experiment_with_changed_values_runs_from_the_cache_with_views(photos, tmp_path):
    """Stage one stores the views of the published augmentation, and the run records what it was made with."""
    small = replace(
        EXPERIMENTS["r0c"],
        base={"base": "squeezenet", "size": 48, "preprocess": "rescale"},
        tuning={"augmentation": "r0", "first": "fire9_squeeze1x1", "head_epochs": 1},
    ).changed(epochs=2, preprocess="native", seed=3)
    given = Settings.of(weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")
    settings = settings_of(small, given)
    info = reproduce(small, scan(photos, settings), settings, Saving(), cached=True, num_views=2).info

    assert info.name == "r0c-cached-2-views-epochs-2-preprocess-native-seed-3"
    assert info.views == {"count": 2, "augmentation": "r0", "seed": 0, "tta": False}
    assert info.seed == 3
    assert [phase["epochs"] for phase in info.phases] == [1, 2]
    assert info.recipe["preprocessing"]["order"] == "BGR"
