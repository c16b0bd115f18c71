"""Which engine and which execution backend."""

from dataclasses import replace

import pytest

from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.bases.trunks import learn_trunk
from pipeline.errors import WeightsMismatchError
from pipeline.settings import Compute, Settings
from pipeline.stage_one.engines import choose
from pipeline.stage_one.recipes import make_recipe
from tests.calls import scan
from tests.stage_one import trunks


@pytest.mark.parametrize(
    ("given", "num_rows", "expected"),
    [
        ({"engine": "tensorflow"}, 100_000, "loky"),
        ({"engine": "tensorflow"}, 100, "threading"),
        ({"engine": "tensorflow", "backend": "threading"}, 100_000, "threading"),
        ({"engine": "openvino"}, 100_000, "threading"),
        ({"engine": "tensorflow", "base": "vgg16", "size": 32}, 100_000, "threading"),
        ({"engine": "tensorflow", "base": "squeezenet"}, 100_000, "threading"),
        ({"backend": "loky"}, 1, "loky"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_processes_are_used_where_they_are_faster(given, num_rows, expected, photos, tmp_path, monkeypatch):
    """Many rows of a small network with depthwise convolutions use processes with TensorFlow on several cores; a backend that is given is used."""
    monkeypatch.setattr(choose, "num_threads", lambda: 4)
    settings = Settings.of(**{"base": "mobilenetv2", "size": 32, "weights": "random", "cache": tmp_path} | given)
    recipe, _ = make_recipe(scan(photos), settings)

    assert choose.choose_backend(recipe, "random", settings.compute, num_rows) == expected


@pytest.fixture
def weights(tmp_path):
    """A file of weights that a test may replace."""
    path = tmp_path / "mine.weights.h5"
    build_base(BASES["squeezenet"], 32).save_weights(path)
    return path


def test_the_engine_of_the_last_call_serves_again(home, weights, tmp_path, monkeypatch):
    """The network is not loaded twice, unless the recipe, the batch size or the file of its weights is another one; a large one is not kept."""
    squeezenet = BASES["squeezenet"]
    recipe, _ = trunks.make_recipe(home)
    mine = replace(recipe, trunk_digest=learn_trunk(squeezenet, weights, recipe.cut, tmp_path).digest)

    def make(recipe=mine, **compute):
        return choose.make_reference(recipe, str(weights), Compute(**compute))

    first = make()
    assert make() is first
    assert make(batch_size=5).batch_size == 5
    assert make(recipe=replace(mine, pooling="avg")) is not make()

    build_base(squeezenet, 32).save_weights(weights)
    with pytest.raises(WeightsMismatchError, match="the file has changed"):
        make()

    monkeypatch.setattr(choose, "_KEPT_PARAMETERS", squeezenet.parameters - 1)
    large = replace(recipe, trunk_digest=learn_trunk(squeezenet, weights, recipe.cut, tmp_path).digest)
    assert make(recipe=large) is not make(recipe=large)


@pytest.mark.parametrize(
    ("precision", "changes"),
    [("bfloat16", {}), ("mixed_float16", {}), ("float32", {"engine": "tensorflow"}), ("float32", {"device": "gpu"})],
)
def test_who_has_chosen_otherwise_is_not_told_of_bfloat16(precision, changes):
    """Another precision, engine or device."""
    assert not choose.may_use_bfloat16(precision, Compute(**changes))


def test_bfloat16_needs_openvino(monkeypatch):
    """And no GPU, which would compute instead."""
    monkeypatch.setattr(choose, "find_spec", lambda _: None)

    assert not choose.may_use_bfloat16("float32", Compute())
