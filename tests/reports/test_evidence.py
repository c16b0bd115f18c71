"""Maps of a page, from stored rows."""

import json

import pytest

import pipeline
from pipeline.reports import evidence as module
from pipeline.reports.content import gather
from pipeline.runs.folder import RunFolder
from pipeline.runs.listing import group_runs
from pipeline.settings import Settings
from tests.conftest import RANDOM


def gather_all(run, places):
    return gather(group_runs([run]), Settings.of(**places), near=0.98, with_umap=False)


def section_of(run, places):
    [section] = gather_all(run, places).sections
    return section["evidence"]


@pytest.fixture(scope="module")
def run(photos, places, home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        return pipeline.fit(photos, "ridge", name="linear", plots=False, **RANDOM, **places)


def test_every_thumbnail_has_the_map_of_its_run(run, warm):
    """From the stored rows alone, with the prediction that the page shows; small beside the thumbnails."""
    content = gather_all(run.folder, warm)
    [gallery], [section] = content.galleries, content.sections
    evidence = section["evidence"]

    assert evidence["rows"] == sorted(gallery.thumbnails) == list(range(48))
    assert [evidence["names"][number] for number in evidence["answers"]] == [
        run.classes[number] for number in section["predicted"]
    ]
    assert (evidence["how"], evidence["shape"]) == ("exact", [2, 2])
    assert len(json.dumps(evidence)) < 30 * 48 + 500


def test_what_has_no_map_says_why(run, warm, tmp_path):
    """Rows without a grid, and runs whose base was trained: the page has a note with the cure."""
    gone = section_of(run.folder, {**warm, "cache": tmp_path / "empty"})
    info = json.loads((run.folder.path / "run.json").read_text())
    (run.folder.path / "run.json").write_text(json.dumps(info | {"regime": "fine-tuning"}))
    trained = section_of(RunFolder(run.folder.path), warm)
    (run.folder.path / "run.json").write_text(json.dumps(info))

    assert "images are not in the cache" in gone["note"]
    assert "`bottleneck features DATA` without --pool stores them" in gone["note"]
    assert "bottleneck predict linear IMAGES --evidence FOLDER" in trained["note"]


def test_maps_that_take_long_are_of_the_first_thumbnails(photos, warm, monkeypatch):
    """Neighbours are searched again for every cell; the page says how many have a map."""
    monkeypatch.setattr(module, "MAX_BLANKED", 5)
    knn = pipeline.fit(photos, "knn:k=3", name="near", plots=False, **RANDOM, **warm)
    content = gather_all(knn.folder, warm)
    evidence = content.sections[0]["evidence"]

    assert evidence["rows"] == sorted(list(content.galleries[0].thumbnails)[:5])
    assert (evidence["how"], evidence["limit"]) == ("blank", 5)
