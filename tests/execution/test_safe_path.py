"""Child processes import nothing from the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.execution.safe_path import safe_path

PROGRAM = """
import json, os, random, sys, joblib, numpy
from pipeline.execution.apart import run_apart
from pipeline.execution.workers import Workers
if __name__ == "__main__":
    sys.path[:0] = before = sys.argv[1:]
    print(run_apart(abs, -1), sorted(dict(Workers(count=2).run(abs, [-2, -3])).values()))
    print(os.environ.get("PYTHONSAFEPATH"), sys.path[: len(before)] == before)
"""


@pytest.mark.parametrize("path", [[], [""]], ids=["script", "notebook"])
def test_workers_import_nothing_from_the_current_folder(path: list[str], hostile: Path, tmp_path: Path):
    """A `json.py` beside the data is not run, also where the path of a notebook has that folder; the path is as it was then."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, tmp_path / "program.py", *path]
    done = subprocess.run(command, cwd=hostile, env=environment, capture_output=True, text=True, check=False)

    assert not (hostile / "imported").exists(), (hostile / "imported").read_text()
    assert done.stdout.splitlines() == ["1 [2, 3]", "None True"], done.stderr


@pytest.mark.parametrize("is_checkout", [True, False])
def test_current_folder_stays_on_the_path_only_where_the_package_is_imported_from_it(
    is_checkout: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A notebook in a checkout needs the entry "" for its workers to find the package."""
    monkeypatch.chdir(Path(__file__).parents[2] if is_checkout else tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with safe_path():
        assert ("" in sys.path) == is_checkout
        assert os.environ["PYTHONSAFEPATH"] == "1"

    assert sys.path[0] == ""
