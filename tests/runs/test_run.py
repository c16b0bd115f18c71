"""Runs: loaded and shown."""

import base64
import json
import re
import shutil
from dataclasses import replace

import pytest

from pipeline.errors import DamagedStoreError, RunNotFoundError
from pipeline.files import write_json
from pipeline.runs.folder import RunFolder
from pipeline.runs.run import load_run
from tests.runs.samples import HEADS


def test_many_images_read_the_run_once(photos, settings, runs, monkeypatch):
    """The files of a run are read once, and not for each image."""
    read, names = RunFolder._json, []
    monkeypatch.setattr(RunFolder, "_json", lambda run, name: (names.append(name), read(run, name))[1])
    run = load_run("linear", settings)
    run.predict([photos / "test"])
    _ = run.classes, run.metrics, run.metrics

    assert sorted(names) == ["metrics.json", "run.json"]


def test_unknown_run_is_an_error(settings, runs):
    """The message lists the runs."""
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' .* Runs there: dense, linear, neighbours\."):
        load_run("mine", settings)


@pytest.mark.parametrize("name", HEADS)
def test_damaged_head_is_damage(name, settings, runs, tmp_path):
    """A truncated head of any kind is damaged data."""
    folder = shutil.copytree(runs / name, tmp_path / name)
    head = next(folder.glob("head.*"))
    head.write_bytes(head.read_bytes()[:100])

    with pytest.raises(DamagedStoreError, match=rf"{head.name} "):
        load_run(folder, settings)


def test_run_is_shown_in_one_line(settings, runs, tmp_path):
    """The display has name, head, base and accuracies, and no arrays; without its files a run is still shown."""
    run = load_run("linear", settings)
    accuracies = ", ".join(f"{split}={scores.accuracy:.4g}" for split, scores in run.scores.items())

    assert repr(run) == f"Run('linear', head='logreg:C=0.01', base='squeezenet', {accuracies})"
    assert repr(replace(run, folder=RunFolder(tmp_path / "gone"))) == "Run('gone')"


@pytest.mark.parametrize("name", HEADS)
def test_run_is_shown_in_notebooks(name, settings, runs):
    """The page has how the run was made and its scores by split in a few kB, and its plots if there are any."""
    run = load_run(name, settings)
    page = run._repr_html_()
    text, *images = re.split(r"<img ", page)

    for expected in (name, run.info.head, "squeezenet", "photos", "training seconds", "95 % interval", ">test<"):
        assert expected in text
    assert f"{run.scores['test'].accuracy:.4g}" in text
    assert len(text) < 3000
    plots = [base64.b64decode(re.search('base64,([^"]+)', image)[1]) for image in images]
    assert plots == [
        path.read_bytes()
        for path in (run.folder.path / f"{name}.png" for name in ("curves", "confusion", "roc"))
        if path.exists()
    ]
    assert len(plots) == (3 if name == "dense" else 0)


def test_names_in_notebooks_are_escaped(settings, runs, tmp_path):
    """A run from another machine may have any text as name, head and data."""
    folder = shutil.copytree(runs / "linear", tmp_path / "<img src=x onerror=alert(1)>")
    info = RunFolder(folder).info
    hostile = "<script>alert(2)</script>"
    write_json(
        folder / "run.json", replace(info, data=hostile, head=hostile, recipe=info.recipe | {"base": hostile}).as_dict()
    )
    page = load_run(folder, settings)._repr_html_()

    assert page.count("&lt;script&gt;") == 3
    assert "<script" not in page
    assert "<img" not in page


def test_run_is_plain_values_for_json(settings, runs):
    """`as_dict` has what the commands that train print."""
    values = json.loads(json.dumps(load_run("dense", settings).as_dict()))

    assert (values["run"], values["epochs"], values["chosen"]) == ("dense", 3, {})
    assert {split: values[split]["n"] for split in ("train", "validation", "test")} == {
        "train": 24,
        "validation": 12,
        "test": 12,
    }
    assert values["test"]["ci95"] == load_run("dense", settings).metrics["test"]["ci95"]
