"""TensorFlow's messages at start-up."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.quiet import quiet_tensorflow

NOISY = """
import os, sys
os.write(2, b"from C++\\n")
print("from Python", file=sys.stderr)
"""


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a new process that finds the modules of a folder first."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r})\nfrom pipeline.quiet import quiet_tensorflow\n"
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", start + program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def noisy(tmp_path):
    """A folder of modules that write to stderr while they are imported; `tensorflow` is one of them."""
    for name in ("tensorflow", "other"):
        (tmp_path / f"{name}.py").write_text(NOISY)
    return tmp_path


def test_only_the_import_of_tensorflow_is_silent(noisy):
    """Its messages from C++ and from Python disappear; those of other modules, and later ones, do not."""
    done = run(noisy, "quiet_tensorflow()\nquiet_tensorflow()\nimport tensorflow\nsys.stderr.write('later\\n')\n")
    other = run(noisy, "quiet_tensorflow()\nimport other\n")
    without = run(noisy, "import tensorflow\n")

    assert (done.returncode, done.stderr) == (0, "later\n")
    assert sorted(other.stderr.split("\n")) == sorted(without.stderr.split("\n")) == ["", "from C++", "from Python"]


def test_an_import_that_fails_raises(noisy):
    """Errors are not silenced."""
    (noisy / "tensorflow.py").write_text(NOISY + "raise ImportError('no such library')\n")
    done = run(noisy, "quiet_tensorflow()\nimport tensorflow\n")

    assert done.returncode == 1
    assert done.stderr.endswith("ImportError: no such library\n")
    assert "from C++" not in done.stderr


@pytest.mark.parametrize(("before", "error"), [("enable", ""), ("disable", ""), ("enable", "raise ImportError")])
def test_no_garbage_is_collected_meanwhile(before, error, noisy):
    """While TensorFlow is imported the collector is off; then it is as it was, and looks no more at what was loaded. An import may fail."""
    (noisy / "tensorflow.py").write_text(f"import gc\nprint(gc.isenabled(), gc.get_freeze_count())\n{error}\n")
    program = """
import contextlib, gc
quiet_tensorflow()
gc.BEFORE()
with contextlib.suppress(ImportError):
    import tensorflow
print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""
    done = run(noisy, program.replace("BEFORE", before))

    assert done.stdout == f"False 0\n{before == 'enable'} {not error}\n", done.stderr


def test_in_a_program_of_others_garbage_is_collected_as_ever(noisy):
    """The messages disappear in a notebook, too; what its other cells have loaded is still looked at for garbage."""
    (noisy / "tensorflow.py").write_text(NOISY + "import gc\nprint(gc.isenabled())\n")
    done = run(
        noisy, "import gc\nquiet_tensorflow(own_program=False)\nimport tensorflow\nprint(gc.get_freeze_count())\n"
    )

    assert (done.stdout, done.stderr) == ("True\n0\n", "")


def test_warnings_of_retracing_are_dropped(caplog):
    """A sweep compiles a function per head; other warnings of TensorFlow are kept."""
    quiet_tensorflow()
    logger = logging.getLogger("tensorflow")
    logger.warning("5 out of the last 5 calls triggered tf.function retracing.")
    logger.warning("another warning")

    assert [record.getMessage() for record in caplog.records if record.name == "tensorflow"] == ["another warning"]
