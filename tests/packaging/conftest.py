"""What is built of a copy of the source, so that neither leftovers of earlier builds nor a user's files get into it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Built:
    """The two files that `python -m build` makes, and the source that they were made of."""

    wheel: Path
    sdist: Path
    source: frozenset[str]
    """Paths of all files of the project, from its root."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Wheel and sdist of what git has, or would take."""
    if not (PROJECT / ".git").exists():
        pytest.skip("This is no checkout, so what belongs to the project is not known.")
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    names = _files_of_the_project()
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, copy / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    return Built(next(out.glob("*.whl")), next(out.glob("*.tar.gz")), frozenset(names))


def _files_of_the_project() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return [name for name in found.split("\0") if name and (PROJECT / name).is_file()]
