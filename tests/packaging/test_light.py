"""Where TensorFlow is absent: linear heads work on stored rows, and everything else says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import PROJECT
from tests.test_architecture import LIGHT, MODULES, loaded_with

PROGRAM = PROJECT / "tests" / "packaging" / "light.py"
HEAVY = [name.replace("/", ".") for name in MODULES if name not in LIGHT and "keras" in loaded_with(name)]
IMPORTS = """
import importlib, sys
from pipeline.errors import MissingExtraError
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except MissingExtraError as error:
        print(name, "pip install" in str(error))
"""


@pytest.fixture
def blocked(tmp_path):
    """Where Python begins, in workers too, by forbidding the import of TensorFlow."""
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text("import sys\nsys.modules['tensorflow'] = None\n")
    return {"PYTHONPATH": f"{tmp_path / 'start'}{os.pathsep}{PROJECT}"}


def run(python, *arguments, cwd, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-P", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_linear_heads_need_no_tensorflow(tmp_path, photos, places, blocked):
    """They are trained, ranked, evaluated and used on a warm cache where TensorFlow cannot be imported, and weights were never seen."""
    nowhere = {"BOTTLENECK_HOME": str(tmp_path / "home")}

    assert run(sys.executable, PROGRAM, photos, places["cache"], cwd=tmp_path, **blocked, **nowhere) == "light\n"
    assert not (tmp_path / "home" / "weights").exists()


def test_every_module_that_needs_tensorflow_says_so(tmp_path, blocked):
    """Whichever is imported first, the error is the same one, with the cure."""
    said = run(sys.executable, "-c", IMPORTS, *HEAVY, cwd=tmp_path, **blocked)

    assert len(HEAVY) > 15
    assert said.splitlines() == [f"{name} True" for name in HEAVY]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_environment_without_tensorflow(version, built, tmp_path, photos, places):
    """docs/install.md: the light requirements and the wheel, in a new environment of each Python that this machine has."""
    if run_uv("python", "find", "--no-python-downloads", "--no-project", version).returncode:
        pytest.skip(f"Python {version} is not on this machine.")
    python = tmp_path / "environment" / "bin" / "python"
    install = ("pip", "install", "--quiet", "--python", python)
    for command in (
        ("venv", "--quiet", "--no-python-downloads", "--no-project", "--python", version, tmp_path / "environment"),
        (*install, "-r", PROJECT / "requirements-light.txt"),
        (*install, "--no-deps", built.wheel),
    ):
        done = run_uv(*command)
        assert done.returncode == 0, done.stderr

    nowhere = {"BOTTLENECK_HOME": str(tmp_path / "home")}
    assert run(python, PROGRAM, photos, places["cache"], cwd=tmp_path, **nowhere) == "light\n"


def run_uv(*arguments):
    """Run uv, which finds the Pythons of PATH and its own; those of pyenv are put on PATH, whose shims it cannot start."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser()), "versions")
    path = os.pathsep.join([*map(str, sorted(pyenv.glob("3.1*/bin"))), os.environ["PATH"]])
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    environment = os.environ | {"PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
