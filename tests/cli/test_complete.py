"""Completion by the Tab key."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.commands import HEAVY, PROJECT

CASES = (
    ("bottleneck fea", {("plain", "features")}),
    ("bottleneck cache in", {("plain", "info")}),
    ("bottleneck predict m", {("plain", "mine")}),
    ("bottleneck report mi", {("plain", "mine")}),
    ("bottleneck finetune photos --on ", {("plain", "mine"), ("plain", "other")}),
    ("bottleneck predict --runs elsewhere ", {("plain", "third")}),
    ("bottleneck cache info ", {("plain", "vgg16-64px-block5_pool-0123456789ab")}),
    ("bottleneck bases efficientnetb", {("plain", f"efficientnetb{number}") for number in range(8)}),
    ("bottleneck head photos --base squ", {("plain", "squeezenet")}),
    ("bottleneck head photos --head l", {("plain", "logreg"), ("plain", "lda")}),
    ("bottleneck sweep photos --head den", {("plain", "dense:256,relu,dropout:0.5")}),
    ("bottleneck reproduce r0", {("plain", "r0a"), ("plain", "r0b"), ("plain", "r0c")}),
    ("bottleneck head photos --tens", {("plain", "--tensorboard")}),
    ("bottleneck head photos --engine o", {("plain", "openvino")}),
    ("bottleneck compare photos --regimes linear,end", {("plain", "linear,endtoend")}),
    ("bottleneck features skl", {("plain", "sklearn:digits")}),
    ("bottleneck features pho", {("file", "pho")}),
    ("bottleneck predict mine pho", {("file", "pho")}),
    ("bottleneck head photos --tensorboard log", {("dir", "log")}),
)

PROGRAM = """
import contextlib, io, json, os, sys
from pipeline.cli.app import main

offered = {}
for line in json.load(sys.stdin):
    os.environ |= {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    out = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([])
    offered[line] = out.buffer.getvalue().decode()
print(json.dumps([offered, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """What the Tab key offers after each line, and the modules that were loaded: one process presses it for all lines."""
    folder = tmp_path_factory.mktemp("folder")
    runs = ("runs/mine/run.json", "runs/other/run.json", "elsewhere/third/run.json")
    for file in (*runs, "features_cache/vgg16-64px-block5_pool-0123456789ab/recipe.json"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).touch()
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "_BOTTLENECK_COMPLETE": "bash_complete"}
    command, lines = [sys.executable, "-c", PROGRAM], json.dumps([line for line, _ in CASES])
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=folder, input=lines)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_tab_completes(line, expected, completed):
    """Commands, options, runs, stores, bases, heads, experiments and files are offered."""
    assert {tuple(entry.split(",", 1)) for entry in completed[0][line].split()} == expected


def test_completion_loads_nothing_heavy(completed):
    """Whatever is completed."""
    loaded = {name.split(".")[0] for name in completed[1]}

    assert "pipeline" in loaded
    assert loaded.isdisjoint(set(HEAVY) - {"numpy"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell):
    """The line in the documentation prints a script for each of the shells."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "_BOTTLENECK_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "pipeline"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    if shell == "bash" and "Bash" in outcome.stderr:
        pytest.skip(outcome.stderr)
    assert f"_BOTTLENECK_COMPLETE={shell}_complete" in outcome.stdout
