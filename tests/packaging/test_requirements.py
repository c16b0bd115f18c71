"""The lists of requirements say the same."""

import re
import tomllib

from pipeline.surroundings import TENSORFLOW
from tests.packaging.conftest import PROJECT

NEEDED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]


def lines_of(name):
    lines = (PROJECT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_light_requirements_are_all_but_tensorflow():
    """requirements-light.txt has what pyproject.toml has, in the same order and with the same bounds."""
    assert lines_of("requirements-light.txt") == [line for line in NEEDED if line != TENSORFLOW]


def test_cure_names_the_version_that_is_needed():
    """What the error tells to install is what pyproject.toml asks for."""
    assert TENSORFLOW in NEEDED


def test_lock_has_every_requirement():
    """requirements.lock pins each direct requirement; `make lock` writes it anew."""
    locked = set(re.findall(r"^([a-z0-9-]+)==", (PROJECT / "requirements.lock").read_text(), re.MULTILINE))

    assert {re.split(r"[><=\[]", line)[0] for line in NEEDED} <= locked
