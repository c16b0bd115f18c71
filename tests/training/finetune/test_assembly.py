"""The parts of a fine-tuning."""

from dataclasses import replace

import pytest

from pipeline.errors import HeadSpecError, InvalidCutError, SettingError
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.assembly import assemble, cut_of
from pipeline.training.finetune.settings import FineTuning
from tests.calls import fit, scan

TRAINING = Training(epochs=1, batch_size=8, keep="last")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Rows that one test made are there for the next one."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def settings(cache, tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=cache, runs=tmp_path / "runs")


def assembled(photos, settings, **tuning):
    return assemble(scan(photos, settings), FineTuning(training=TRAINING, **tuning), settings)


def test_all_rows_are_stored_before_the_training(photos, settings):
    """Cached fine-tuning with a phase of the head alone has the rows at the cut and those of the last layer."""
    assembly = assembled(photos, settings, head="softmax", pool="avg", cached=True, first="fire9_squeeze1x1")

    assert assembly.recipe.cut == "fire8_concat"
    assert assembly.last_layer.store.recipe.cut == "fire9_concat"
    assert len(assembly.last_layer.store) == 48
    assert assembly.load_last_layer().train.X.shape == (24, 512)
    assert assembly.history == ()


@pytest.mark.parametrize(
    "tuning",
    [{"first": None}, {"first": "fire9_squeeze1x1"}, {"first": "fire9_squeeze1x1", "cached": True, "head_epochs": 0}],
)
def test_rows_of_the_last_layer_are_made_only_if_they_are_trained_on(photos, settings, tuning):
    """Live training, and cached training without a phase of the head alone, do not need them."""
    assembly = assembled(photos, settings, head="softmax", pool="avg", **tuning)

    assert assembly.last_layer is None
    assert assembly.load_last_layer() is None


@pytest.mark.parametrize(
    ("tuning", "expected"),
    [
        ({}, "fire9_concat"),
        ({"first": "fire9_squeeze1x1"}, "fire8_concat"),
        ({"last": 1}, "fire9_relu_squeeze1x1"),  # inside a fire module there is no cut
    ],
)
def test_cut_is_the_last_frozen_layer(settings, tuning, expected):
    """All layers below the first trained one are in the trunk; layers may be counted from the end."""
    assert cut_of(FineTuning(**tuning), settings) == expected


def test_number_of_layers_is_checked(settings):
    """There must be that many layers."""
    with pytest.raises(SettingError, match=r"has \d+ layers. Received: the last 1000"):
        cut_of(FineTuning(last=1000), settings)


def test_linear_heads_and_unknown_layers_are_refused(photos, settings, tmp_path):
    """They are errors before any row is computed."""
    settings = settings.with_changes(cache=tmp_path / "empty")
    with pytest.raises(HeadSpecError, match="need a dense head"):
        assembled(photos, settings, head="logreg")
    with pytest.raises(InvalidCutError, match="no layer 'fire99'"):
        assembled(photos, settings, head="softmax", first="fire99")
    assert not list(settings.paths.cache.glob("*/shards/*"))


def test_checkpoints_of_other_trainings_have_other_names(photos, settings):
    """The name depends on phase, tuning and initial weights."""
    tunings = ({}, {"head_epochs": 3}, {"base_rate": 1e-3})
    assemblies = [
        assembled(photos, settings, head="softmax", pool="avg", first="fire9_squeeze1x1", **t) for t in tunings
    ]
    paths = {assembly.checkpoint(phase) for assembly in assemblies for phase in (0, 1)}

    assert len(paths) == 6
    assert assembled(photos, settings, head="softmax", pool="avg", first="fire9_squeeze1x1").checkpoint(0) in paths


def test_a_head_of_other_features_is_not_adopted(photos, settings):
    """The shapes of the weights are not enough: preprocessing, layer and pooling must be the same too."""
    head = {"training": TRAINING, "plots": False}
    fit(photos, "softmax", pool="avg", name="rescaled", settings=settings.with_changes(preprocess="rescale"), **head)
    fit(photos, "softmax", pool="avg", name="earlier", settings=settings.with_changes(cut="fire8_concat"), **head)
    fit(photos, "softmax", pool="max", name="pooled", settings=settings, **head)
    tuning = FineTuning(head="softmax", pool="avg", training=TRAINING, first="fire9_squeeze1x1")

    for name, reason in (("rescaled", "other features"), ("earlier", "other features"), ("pooled", "--pool max")):
        with pytest.raises(HeadSpecError, match=reason):
            assemble(scan(photos, settings), replace(tuning, on_run=name, cached=True), settings)
