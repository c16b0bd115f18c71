"""Maps of a page, from stored rows."""

import base64
import json

import numpy as np
import pytest

import pipeline
from pipeline.reports import evidence as module
from pipeline.reports.content import gather
from pipeline.runs.folder import RunFolder
from pipeline.runs.listing import group_runs
from pipeline.settings import Settings
from pipeline.tuner.choice import Choice
from pipeline.tuner.evidence import evidence_of
from pipeline.tuner.serve import open_session
from tests.calls import read as scan
from tests.conftest import RANDOM


def gather_all(run, places):
    return gather(group_runs([run]), Settings.of(**places), near=0.98, with_umap=False)


def section_of(run, places):
    [section] = gather_all(run, places).sections
    return section["evidence"]


@pytest.fixture(scope="module")
def run(photos, places):
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
    """Rows that are not stored: the page has a note with the cure."""
    gone = section_of(run.folder, {**warm, "cache": tmp_path / "empty"})

    assert "images are not in the cache" in gone["note"]
    assert "`bottleneck features DATA` without --pool stores them" in gone["note"]
    assert "`bottleneck predict RUN IMAGES --evidence FOLDER` computes those" in gone["note"]


def test_maps_that_take_long_are_of_the_first_thumbnails(photos, warm, monkeypatch):
    """Neighbours are searched again for every cell; the page says how many have a map."""
    monkeypatch.setattr(module, "MAX_SLOW", 5)
    knn = pipeline.fit(photos, "knn:k=3", name="near", plots=False, **RANDOM, **warm)
    content = gather_all(knn.folder, warm)
    evidence = content.sections[0]["evidence"]

    assert evidence["rows"] == sorted(list(content.galleries[0].thumbnails)[:5])
    assert (evidence["how"], evidence["limit"]) == ("blank", 5)


def as_shown(evidence, found):
    """Whether a page has these maps first, up to the rounding of a byte."""
    cells = np.frombuffer(base64.b64decode(evidence["cells"]), np.int8).reshape(
        -1, evidence["height"], evidence["width"]
    )
    return all(
        np.abs(shown / 127 * np.abs(one.map).max() - one.map).max() <= np.abs(one.map).max() / 127
        for shown, one in zip(cells, found, strict=False)
    )


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_fine_tuned_networks_have_maps(photos, places, monkeypatch, cached):
    """From the rows at their boundary, through the layers that were trained, as `predict --evidence`; for the thumbnails that come first."""
    monkeypatch.setattr(module, "MAX_SLOW", 5)
    tuned = pipeline.finetune(
        photos, "dense:4,relu", from_layer="fire9", cached=cached, epochs=1, head_epochs=1, plots=False, name="t", replace=True, **RANDOM, **places
    )  # fmt: skip
    content = gather_all(tuned.folder, places)
    evidence, [gallery] = content.sections[0]["evidence"], content.galleries
    images = [photos / gallery.predictions.names[row] for row in evidence["rows"]]

    assert evidence["rows"] == sorted(list(gallery.thumbnails)[:5])
    assert (evidence["how"], evidence["limit"]) == ("gradient", 5)
    assert as_shown(evidence, pipeline.explain(tuned, images, progress=False))


@pytest.mark.slow
def test_joined_bases_have_maps(photos, tmp_path):
    """From the rows of each base, which are kept when they are joined; without the weights that tell which these are, a note."""
    own = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    joined = {**RANDOM, "base": "squeezenet+mobilenetv2"}
    both = pipeline.fit(photos, "ridge", name="both", plots=False, **joined, **own)
    content = gather_all(both.folder, own)
    evidence, [gallery] = content.sections[0]["evidence"], content.galleries
    images = [photos / gallery.predictions.names[row] for row in evidence["rows"]]

    assert len(evidence["rows"]) == 48
    assert (evidence["how"], evidence["finer"]) == ("exact", None)
    assert as_shown(evidence, pipeline.explain(both, images, progress=False))

    session = open_session(photos, scan(photos), settings=Settings.of(**joined, **own))
    results = session.refit(Choice(value=100.0))
    assert evidence_of(session, results, [0, 1])["rows"] == [0, 1]

    info = json.loads((both.folder.path / "run.json").read_text())
    (both.folder.path / "run.json").write_text(json.dumps(info | {"weights": "imagenet"}))
    assert "are not on this machine" in section_of(RunFolder(both.folder.path), own)["note"]
