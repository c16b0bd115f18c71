"""Completion by the Tab key."""

import os
import subprocess
import sys

import pytest

from tests.cli.commands import HEAVY, PROJECT, imported


def complete(line, **settings):
    """What the Tab key offers after a line, as (type, value), and the process that offered it."""
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "_BOTTLENECK_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    command = [sys.executable, "-X", "importtime", "-m", "pipeline"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, **settings)
    return [tuple(entry.split(",", 1)) for entry in outcome.stdout.split()], outcome


@pytest.mark.parametrize(
    ("line", "expected"),
    [
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
    ],
)
def test_tab_completes(line, expected, tmp_path):
    """Commands, options, runs, stores, bases, heads, experiments and files are offered; nothing heavy is loaded."""
    runs = ("runs/mine/run.json", "runs/other/run.json", "elsewhere/third/run.json")
    for file in (*runs, "features_cache/vgg16-64px-block5_pool-0123456789ab/recipe.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    offered, outcome = complete(line, cwd=tmp_path)

    assert set(offered) == expected
    assert imported(outcome).isdisjoint(set(HEAVY) - {"numpy"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell):
    """The line in the documentation prints a script for each of the shells."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "_BOTTLENECK_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "pipeline"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    if shell == "bash" and "Bash" in outcome.stderr:
        pytest.skip(outcome.stderr)
    assert f"_BOTTLENECK_COMPLETE={shell}_complete" in outcome.stdout
