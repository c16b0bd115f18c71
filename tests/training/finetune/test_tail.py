"""Tail and head as one model."""

import keras
import numpy as np
import pytest

from pipeline.bases.find import find_base
from pipeline.bases.network import build_base
from pipeline.errors import InvalidCutError
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.tail import build_top, copy_head
from tests.calls import tune

TRAINING = Training(epochs=2, batch_size=8, keep="last")


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


@pytest.fixture(scope="module")
def top():
    """SqueezeNet divided after fire8."""
    base = build_base(find_base("squeezenet"), 48)
    return build_top(
        base, "fire8_concat", parse_head("softmax"), pooling="avg", task=Classification(("a", "b")), seed=0
    )


def test_layers_from_the_first_one_on_are_trainable(top):
    """Layers before it stay frozen; without a first layer all are frozen."""
    top.unfreeze("fire9_expand3x3")
    names = {layer.name for layer in top.tail_layers if layer.trainable and layer.weights}
    top.unfreeze(None)

    assert names == {"fire9_expand3x3"}
    assert top.tail_variables == []
    with pytest.raises(InvalidCutError, match=r"'fire1' is not in the tail. The tail is: fire9_squeeze1x1"):
        top.unfreeze("fire1")


def test_digests_name_what_has_weights(top):
    """There is one for the trunk, one for the head, and one for each convolution of the tail."""
    assert list(top.digests()) == ["trunk", "head", "fire9_squeeze1x1", "fire9_expand1x1", "fire9_expand3x3"]


def test_head_of_other_shapes_is_not_copied(top):
    """The message has both shapes."""
    other = keras.Sequential([keras.Input((512,)), keras.layers.Dense(3)])

    with pytest.raises(InvalidCutError, match=r"shapes \[\(512, 3\), \(3,\)\]; this one needs \[\(512, 2\), \(2,\)\]"):
        copy_head(other, top.head)


def test_layers_between_the_cut_and_the_first_trained_one_stay_frozen(photos, settings):
    """The graph cannot be divided inside a fire module, so the neighbours of the first layer are in the tail, and stay frozen."""
    tuning = FineTuning(
        cached=True,
        head="softmax",
        pool="avg",
        training=TRAINING,
        first="fire9_expand3x3",
        head_epochs=0,
        base_rate=1e-3,
    )
    info = tune(photos, tuning, settings=settings, plots=False).info

    assert info.recipe["cut"] == "fire9_relu_squeeze1x1"
    assert info.moved_layers == ["fire9_expand3x3"]


def test_batch_norm_of_the_base_keeps_its_statistics(photos, settings):
    """In the tail, the shift of a batch norm is trained; its moving mean and variance do not change."""
    chosen = settings.with_changes(base="mobilenet", size=32)
    tuning = FineTuning(
        cached=True, head="softmax", pool="avg", training=TRAINING, first="conv_pw_13_bn", head_epochs=0, base_rate=1e-2
    )
    run = tune(photos, tuning, settings=chosen, plots=False)
    tail = next(layer for layer in run.head.model.layers if isinstance(layer, keras.Model) and "tail" in layer.name)
    norm = tail.get_layer("conv_pw_13_bn")

    assert run.info.moved_layers == ["conv_pw_13_bn"]
    assert np.array_equal(norm.moving_mean, np.zeros(1024))
    assert np.array_equal(norm.moving_variance, np.ones(1024))
    assert not np.array_equal(norm.beta, np.zeros(1024))
