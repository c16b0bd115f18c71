"""Settings in four parts."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from pipeline.errors import SettingError
from pipeline.settings import KEYWORDS, Compute, FeatureSettings, Paths, Settings, Tracking


def test_parts_are_made_from_keywords_of_any_of_them():
    """Each keyword sets the field of its name in the part that has it; folders may be given as text."""
    settings = Settings.of(base="squeezenet", size=48, cache="c", batch_size=8, tensorboard="logs")

    assert settings.features == FeatureSettings(base="squeezenet", size=48)
    assert settings.paths == Paths(cache=Path("c"))
    assert settings.compute == Compute(batch_size=8)
    assert settings.tracking == Tracking(tensorboard=Path("logs"))


def test_home_is_written_as_for_a_shell(monkeypatch, tmp_path):
    """A shell leaves `--cache=~/c` as it is, and in Python nobody changes it: no folder that is called `~` is made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = Settings.of(cache="~/c", runs=Path("~/r"), tensorboard="~nobody-has-this-name/t")

    assert paths.paths == Paths(cache=tmp_path / "c", runs=tmp_path / "r")
    assert paths.tracking.tensorboard == Path("~nobody-has-this-name/t")


def test_changed_settings_keep_everything_else():
    """`with_changes` returns other settings and leaves the first as they are."""
    settings = Settings.of(base="squeezenet", runs="r")
    changed = settings.with_changes(cut="fire8_concat")

    assert (changed.features.base, changed.features.cut, changed.paths.runs) == (
        "squeezenet",
        "fire8_concat",
        Path("r"),
    )
    assert settings.features.cut is None


def test_no_two_parts_have_a_field_of_the_same_name():
    """A keyword means one thing."""
    assert len(KEYWORDS) == len(set(KEYWORDS)) == 31


def test_settings_are_frozen():
    """Settings can be shared: nobody can change them."""
    with pytest.raises(FrozenInstanceError):
        Settings().compute.batch_size = 1


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"preprocess": "imagenet"},
            r"The preprocessing is one of native, rescale, standardize, .*\. Received: 'imagenet'\.",
        ),
        ({"precision": "float16"}, "The precision is one of float32, .* Received: 'float16'"),
        ({"resize": "cubic"}, "The resize method is one of .* Received: 'cubic'"),
        ({"dtype": "int8"}, r"The stored dtype is one of float32, float16\. Received: 'int8'\."),
        ({"size": 0}, r"The size is a positive number of pixels\. Received: 0\."),
        ({"engine": "torch"}, "The engine is one of auto, tensorflow, openvino"),
        ({"backend": "spark"}, "The backend is one of .* Received: 'spark'"),
        ({"batch_size": 0}, r"The batch size is a positive number\. Received: 0\."),
        ({"memory_gb": float("nan")}, r"The memory is 0 GB or more\. Received: nan\."),
        ({"backend": "dask"}, "needs both --backend dask and --scheduler"),
        ({"workers": 0}, "Received: 0"),
        ({"colour": "red"}, "Unknown setting 'colour'"),
    ],
)
def test_invalid_value_is_refused_when_settings_are_made(keywords, message):
    """The error gives the value and what was expected, before anything is scanned."""
    with pytest.raises(SettingError, match=message):
        Settings.of(**keywords)


def test_memory_for_rows_is_what_is_left_of_the_limit():
    """Bytes that are in memory already are subtracted, down to 0."""
    compute = Compute(memory_gb=2)

    assert compute.memory_bytes() == 2e9
    assert compute.memory_bytes(held=500_000_000) == 1.5e9
    assert compute.memory_bytes(held=3_000_000_000) == 0
    assert 0 < Compute().memory_bytes() < float("inf")
