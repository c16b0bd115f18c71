"""Which engine and which execution backend."""

import pytest

from pipeline.settings import Settings
from pipeline.stage_one.engines import choose
from pipeline.stage_one.recipes import make_recipe
from tests.calls import scan


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
