"""One cache with two runs, made once for all tests of the commands."""

import shutil

import pytest

from tests.cli.commands import BASE, call


@pytest.fixture(scope="session")
def work(tmp_path_factory, photos):
    """A cache with the features of the photos, and a linear and a dense run on them. Read only."""
    folder = tmp_path_factory.mktemp("work")
    places = ("--cache", folder / "cache", "--runs", folder / "runs")
    features = call("features", photos, *BASE, *places, "--json")
    linear = call("head", photos, "--head", "logreg:C=0.01", "--name", "linear", *BASE, *places, "--json")
    dense = call("head", photos, "--head", "dense:8,relu", "--epochs", 2, "--name", "dense", *BASE, *places, "--json")
    files = {run.name: {path.name for path in run.iterdir()} for run in (folder / "runs").iterdir()}
    return {"features": features, "linear": linear, "dense": dense, "places": places, "folder": folder, "files": files}


@pytest.fixture
def own(work, tmp_path):
    """A copy of these folders that a test may change."""
    shutil.copytree(work["folder"] / "cache", tmp_path / "cache")
    shutil.copytree(work["folder"] / "runs", tmp_path / "runs")
    return ("--cache", tmp_path / "cache", "--runs", tmp_path / "runs")
