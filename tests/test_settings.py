"""What options come to."""

import pytest

from pipeline import settings as module
from pipeline.errors import SettingError
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import choose_backend
from pipeline.stage_one.recipes import make_recipe
from tests.calls import scan


@pytest.mark.parametrize(
    ("settings", "num_rows", "expected"),
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
def test_processes_are_taken_where_they_are_faster(settings, num_rows, expected, photos, tmp_path, monkeypatch):
    """Many rows of a small network of depthwise convolutions in TensorFlow, on several cores; what is asked for comes first."""
    monkeypatch.setattr(module, "num_threads", lambda: 4)
    options = Settings.of(**{"base": "mobilenetv2", "size": 32, "weights": "random", "cache": tmp_path} | settings)
    recipe, _ = make_recipe(scan(photos), options)

    assert choose_backend(recipe, options, num_rows) == expected


def test_settings_of_workers_are_checked_at_once():
    """Before anything is scanned."""
    with pytest.raises(SettingError, match="needs both --backend dask and --scheduler"):
        Settings.of(backend="dask")
