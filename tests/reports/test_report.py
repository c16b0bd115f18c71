"""What is on the page, as its data."""

import json
import re
import shutil

import pytest

from pipeline.errors import MissingExtraError, RunNotFoundError
from pipeline.files import write_json
from pipeline.reports import maps, projection
from pipeline.reports import report as module
from pipeline.settings import Settings
from tests.calls import fit, report
from tests.conftest import draw_tree


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Two runs on the same images, one of which is in two splits, and another one under two labels."""
    folder = tmp_path_factory.mktemp("work")
    tree = draw_tree(folder / "tree", {"train": 6, "validation": 3, "test": 3})
    shutil.copy(tree / "train" / "red" / "red000.png", tree / "test" / "red" / "again.png")
    shutil.copy(tree / "train" / "red" / "red001.png", tree / "train" / "blue" / "other.png")
    made = Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")
    for name, head in (("ridge", "ridge"), ("knn", "knn:k=1")):
        fit(tree, head, name=name, plots=False, settings=made)
    return made


@pytest.fixture
def own(settings, tmp_path):
    """A copy of the runs that a test may change."""
    return settings.with_changes(runs=shutil.copytree(settings.paths.runs, tmp_path / "runs"))


def data_of(path):
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(text)


def test_runs_on_the_same_images_share_them(own):
    """All runs are on the page, with one gallery and one map, and every image has a thumbnail."""
    path, runs = report(settings=own)
    data = data_of(path)

    assert path == own.paths.runs / "report.html"
    assert set(runs) == {run["name"] for run in data["runs"]} == {"ridge", "knn"}
    [task] = data["tasks"]
    assert (task["title"], task["runs"]) == ("tree, 2 classes, 6 validation images", [0, 1])
    assert len(data["galleries"]) == len(data["maps"]) == 1
    assert len(data["galleries"][0]["thumbnails"]) == 26
    assert data["galleries"][0]["note"] is None
    assert len(data["maps"][0]["pca"]["x"]) == 26


def test_copy_in_another_split_is_found(own):
    """The image that is in two splits is a duplicate, and not also a near duplicate."""
    data = data_of(report(["ridge"], near=0.5, settings=own)[0])
    names, drawn = data["galleries"][0]["names"], data["maps"][0]
    exact = [[names[row] for row in rows] for rows in drawn["exact"]]
    near = [{names[i], names[j]} for i, j, _ in drawn["near"]["pairs"]]

    assert exact == [["test/red/again.png", "train/red/red000.png"]]
    assert drawn["near"]["threshold"] == 0.5
    assert near != []
    assert set(exact[0]) not in near


def test_image_under_two_labels_is_found(own):
    """Whatever its splits are, and also where the features are gone."""
    for settings in (own, own.with_changes(cache=own.paths.runs / "empty")):
        data = data_of(report(["ridge"], settings=settings)[0])
        names = data["galleries"][0]["names"]
        found = [[names[row] for row in rows] for rows in data["maps"][0]["conflicts"]]

        assert found == [["train/blue/other.png", "train/red/red001.png"]]


def test_page_without_the_store_says_why_there_is_no_map(own, tmp_path):
    """Features are only read: without them the map says so, and nothing is computed."""
    data = data_of(report(["ridge"], settings=own.with_changes(cache=tmp_path / "empty"))[0])

    assert "pca" not in data["maps"][0]
    assert data["maps"][0]["note"].startswith(
        f"The features are not in {tmp_path / 'empty'}; name their folder with --cache."
    )
    assert len(data["maps"][0]["exact"]) == 1
    assert not (tmp_path / "empty" / "shards").exists()


def test_recipe_from_elsewhere_does_not_lead_out_of_the_cache(own):
    """A run whose recipe names a folder outside the cache gets no map."""
    info = json.loads((own.paths.runs / "ridge" / "run.json").read_text())
    info["recipe"]["base"] = f"../{own.paths.cache.name}/squeezenet"
    write_json(own.paths.runs / "ridge" / "run.json", info)
    data = data_of(report(["ridge"], settings=own)[0])

    assert "The features are not in" in data["maps"][0]["note"]


def test_report_on_nothing_is_an_error(settings, tmp_path):
    """Without a run there is no page, and the message says how to make a run."""
    with pytest.raises(RunNotFoundError, match=r"There is no run in .* to report on; `bottleneck head DATA` makes one"):
        report(settings=settings.with_changes(runs=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_umap_is_checked_before_the_work(settings, tmp_path, monkeypatch):
    """If UMAP is not installed, the error comes at once, and nothing is written."""
    monkeypatch.setattr(projection, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError):
        report(path=tmp_path / "page.html", with_umap=True, settings=settings)
    assert not (tmp_path / "page.html").exists()


def test_umap_is_a_second_map(settings, tmp_path, monkeypatch):
    """With --umap each map has both."""
    monkeypatch.setattr(module, "require_umap", lambda: None)
    monkeypatch.setattr(maps, "project_umap", lambda X: {"x": [0] * len(X), "y": [1] * len(X)})
    data = data_of(report(path=tmp_path / "page.html", with_umap=True, settings=settings)[0])

    assert data["maps"][0]["umap"] == {"x": [0] * 26, "y": [1] * 26}


def test_report_is_a_link_in_a_notebook(tmp_path):
    """With the names of its runs, as text."""
    shown = module.Report(tmp_path / "report.html", ("<b>", "ridge"))._repr_html_()

    assert f'href="{(tmp_path / "report.html").as_uri()}"' in shown
    assert "&lt;b&gt;, ridge" in shown


def test_page_of_one_run_is_in_its_folder(own):
    """A page of some runs does not replace that of all runs, and the page of another selection has another name."""
    runs = own.paths.runs
    every, _ = report(settings=own)
    before = every.read_bytes()
    one, _ = report(["ridge"], settings=own)
    both, _ = report(["ridge", "knn"], settings=own)

    assert every == runs / "report.html"
    assert one == runs / "ridge" / "report.html"
    assert both == runs / "report-ridge-knn.html"
    assert every.read_bytes() == before
    with pytest.raises(RunNotFoundError, match="Did you mean 'ridge'"):
        report(["rigde"], settings=own)
