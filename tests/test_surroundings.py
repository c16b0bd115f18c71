"""What surrounds the program has no effect on rows and results."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.surroundings import check_keras, home_folder
from tests import ready
from tests.cli.commands import BASE, PROJECT, noise


def run(*arguments, python=sys.executable, **environment):
    """The command in a process of its own."""
    command = [python, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, check=False, env=os.environ | {"PYTHONPATH": str(PROJECT)} | environment
    )


def rows_of(cache):
    """The rows of the only store in a cache folder."""
    import h5py
    import hdf5plugin  # noqa: F401

    (shard,) = cache.glob("*/shards/*.h5")
    with h5py.File(shard) as file:
        order = np.lexsort(file["digest"][()].T)
        return file["features"][()][order]


def test_configuration_of_others_has_no_effect(tmp_path, photos):
    """Keras set up for another project, warnings as errors, -O, an ascii pipe and the C locale give the same rows and the same head."""
    other = {"floatx": "float16", "epsilon": 0.01, "backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text(json.dumps(other))
    hostile = {
        "KERAS_HOME": str(tmp_path / "keras"),
        "KERAS_BACKEND": "jax",
        "TF_USE_LEGACY_KERAS": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "1",
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
    }
    results = {}
    for name, environment in {"plain": {"python": ready.python()}, "hostile": hostile}.items():
        places = ("--cache", tmp_path / name, "--runs", tmp_path / "runs" / name)
        head = ("--head", "dense:4,relu", "--epochs", 2, "--name", "caf\u00e9")
        outcome = run("head", photos, *head, *BASE, *places, "--json", "--quiet", "--no-plots", **environment)
        assert (outcome.returncode, noise(outcome)) == (0, "")
        results[name] = json.loads(outcome.stdout)

    assert results["hostile"]["run"] == "caf\u00e9"
    assert results["hostile"]["validation"] == results["plain"]["validation"]
    np.testing.assert_array_equal(rows_of(tmp_path / "hostile"), rows_of(tmp_path / "plain"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_text_that_a_pipe_cannot_encode_is_escaped(encoding, tmp_path):
    """A name in Japanese is escaped in words, and is exact in JSON."""
    words = run("features", "\u65e5\u672c", PYTHONIOENCODING=encoding)
    plain = run("features", "\u65e5\u672c", "--json", PYTHONIOENCODING=encoding)

    assert words.returncode == plain.returncode == 2
    assert b"No such data: '\\u65e5\\u672c'" in words.stderr
    assert "\u65e5\u672c" in json.loads(plain.stdout.decode(encoding))["message"]


def test_locale_without_utf8_reads_all_names(tmp_path):
    """Where Python would decode file names as ASCII, the command starts again in UTF-8 mode."""
    outcome = run("features", "\u65e5\u672c", "--json", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert "\u65e5\u672c" in json.loads(outcome.stdout)["message"]


@pytest.mark.parametrize("option", ["-Xutf8=0", "-E"])
def test_locale_without_utf8_is_left_once(option):
    """Options with which Python does not heed the variable, or heeds another one, do not start the command again for ever."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "LC_ALL": "C"}
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from pipeline.cli.app import main; main()"
    command = [sys.executable, option, "-Xutf8=0", "-c", code, "features", "\u65e5\u672c", "--json"]
    outcome = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=30)

    assert "\u65e5\u672c" in json.loads(outcome.stdout)["message"]


def test_unknown_home_is_an_error_with_a_cure(monkeypatch, tmp_path):
    """A user without HOME and passwd entry is told which variable to set; with it, no home is asked for."""

    def unknown(_):
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert home_folder().is_dir()  # that of the tests
    monkeypatch.delenv("BOTTLENECK_HOME")
    with pytest.raises(SettingError, match=r"HOME is not set.* Set BOTTLENECK_HOME"):
        home_folder()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BOTTLENECK_HOME", "~/kept")
    assert home_folder() == tmp_path / "kept"


def test_host_that_has_set_up_keras_in_another_way_is_told():
    """Its Keras is not changed: the error says what differs."""
    import keras

    check_keras()
    keras.config.set_floatx("float16")
    try:
        with pytest.raises(SettingError, match=r"floatx float16 \(expected float32\)"):
            check_keras()
        assert keras.config.floatx() == "float16"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("line", ["tf.compat.v1.disable_eager_execution()", "tf.compat.v1.disable_v2_behavior()"])
def test_host_without_eager_execution_is_told(line):
    """What old code begins with cannot be undone in a process; a graph around does no harm."""
    program = f"""
import tensorflow as tf
from pipeline.errors import SettingError
from pipeline.surroundings import check_keras
with tf.Graph().as_default():
    check_keras()
{line}
try:
    check_keras()
except SettingError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "has turned off eager execution" in done.stdout
