"""SECURITY.md against pyproject.toml and what is installed."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def relied_on():
    """The packages of SECURITY.md's table, with the least version of each."""
    text = (PROJECT / "SECURITY.md").read_text(encoding="utf-8").partition("## Versions")[2]
    return re.findall(r"^\| ([a-z]+) \| ([\d.]+) \|", text, re.MULTILINE)


def lower_bounds():
    """All lower bounds of pyproject.toml, by package."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [
        *project["dependencies"],
        *(entry for extra in project["optional-dependencies"].values() for entry in extra),
    ]
    return dict(found.groups() for entry in needed if (found := re.match(r"([\w.-]+)>=([\d.]+)", entry)))


def numbers(text):
    return tuple(map(int, text.split(".")[:3]))


def test_table_is_found():
    """The packages that read files from elsewhere are in it."""
    assert {"keras", "pillow", "onnx", "onnxruntime"} <= {package for package, _ in relied_on()}


@pytest.mark.parametrize(("package", "least"), relied_on())
def test_versions_that_security_relies_on_are_lower_bounds(package, least):
    """No older version can be installed with this project, and none is."""
    assert lower_bounds()[package] == least
    assert numbers(version(package)) >= numbers(least)
