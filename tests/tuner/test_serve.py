"""Sessions on data sets, choices saved as runs, and where the page is served."""

import socket

import numpy as np
import pytest

from pipeline.errors import MissingExtraError, SettingError
from pipeline.runs.run import load_run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.tuner import serve as module
from pipeline.tuner.choice import Choice
from pipeline.tuner.serve import open_session, save, tune_heads
from tests.calls import read as scan
from tests.conftest import draw_tree


def no_scan():
    pytest.fail("scanned")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


def test_saved_run_is_the_head_of_the_page(photos, settings):
    """Its validation scores are those that were shown, and only it has test scores."""
    session = open_session(photos, scan(photos), settings=settings)
    choice = Choice("logreg", 0.001, pool="max", num_train=14)
    shown = session.refit(choice).validation
    run = load_run(save(session, choice, settings, Saving("tuned")).name, settings)
    info, rows = run.folder.info, run.folder.predictions()

    assert (info.head, info.pool, info.images["train"]) == ("logreg:C=0.001", "max", 14)
    assert run.metrics["validation"]["loss"] == pytest.approx(shown.scores.loss, rel=1e-5)
    assert run.metrics["test"]["n"] == 12
    probabilities = [float(row["p:blue"]) for row in rows if row["split"] == "validation"]
    assert np.allclose(probabilities, shown.outputs[:, 0], atol=2e-6)
    assert len(run.predict([photos / "test" / "red"])) == 6


def test_session_reads_no_row_of_a_test_image(photos, settings, monkeypatch):
    """The rows that heads are tuned on are those of training and validation images."""
    read = []
    real = module.read_rows
    session = open_session(photos, scan(photos), settings=settings)
    monkeypatch.setattr(
        module, "read_rows", lambda manifest, *a: read.append(set(manifest.splits)) or real(manifest, *a)
    )
    session.refit(Choice())

    assert read == [{"train", "validation"}]


def test_run_of_a_part_has_the_rows_of_the_page(photos, settings):
    """If the features depend on all training images, a run on some of them is refused."""
    standardized = settings.with_changes(preprocess="standardize")
    session = open_session(photos, scan(photos), settings=standardized)

    with pytest.raises(SettingError, match="features depend on all training images"):
        save(session, Choice(num_train=14), standardized, Saving())


def test_labels_are_found_again(tmp_path, settings):
    """A session starts with the label file of an earlier one, and the images are unchanged."""
    folder = draw_tree(tmp_path / "photos", {"train": 3, "validation": 2})
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    first = open_session(folder, scan(folder), settings=settings)
    name = first.manifest.names[0]
    first.relabel(0, "red")
    second = open_session(folder, scan(folder), settings=settings)

    assert name == "train/blue/blue000.png"
    assert second.manifest.labels[0] == "red"
    assert second.changes == []
    assert scan(tmp_path / "photos.labels.csv", root=folder).labels == second.manifest.labels
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_other_machines_have_access_only_on_request(photos, settings, monkeypatch, caplog):
    """Another host than this machine's gives a warning, and the page then answers to every name of the machine."""
    served = []
    monkeypatch.setattr("pipeline.tuner.page.serve", lambda *_, **keywords: served.append(keywords))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    tune_heads(photos, lambda: (scan(photos), settings), port=port)
    assert not any("anyone who can reach" in message for message in caplog.messages)
    tune_heads(photos, lambda: (scan(photos), settings), host="0.0.0.0", port=port)

    assert [(keywords["host"], keywords["is_local"]) for keywords in served] == [
        ("127.0.0.1", True),
        ("0.0.0.0", False),
    ]
    assert "anyone who can reach it can relabel images and save runs" in caplog.text


def test_page_without_its_package_is_an_error_with_a_cure(photos, monkeypatch):
    """The message is the command that installs it."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[tune\]'"):
        tune_heads(photos, no_scan)


def test_port_that_is_taken_is_an_error_before_anything_is_read(photos):
    """Nothing is scanned for a page that cannot be served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=rf"port {port} of 127\.0\.0\.1.*Choose another --port"):
            tune_heads(photos, no_scan, port=port)
