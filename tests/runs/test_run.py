"""Runs: loaded, predicting, and shown."""

import base64
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import (
    DamagedStoreError,
    DataNotFoundError,
    RunNotFoundError,
    SettingError,
    UnreadableImageError,
)
from pipeline.files import write_json
from pipeline.runs.folder import RunFolder
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from tests.calls import fit
from tests.conftest import draw_photo

HEADS = {
    "linear": ("logreg:C=0.01", "avg"),
    "neighbours": ("knn:k=3", "none"),
    "dense": ("batchnorm,dense:8,relu", "none"),
}
NO_DEVICE = "no such device"
"""Loading a network on this device is an error, so all that works with it comes from the store."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="module")
def runs(photos, settings, home):
    """A run of each kind of head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        for name, (head, pool) in HEADS.items():
            training = Training(epochs=3, batch_size=4, learning_rate=0.01)
            fit(photos, head, pool=pool, name=name, training=training, plots=name == "dense", settings=settings)
    return settings.paths.runs


@pytest.mark.parametrize("name", HEADS)
def test_prediction_from_raw_files_is_that_of_the_run(name, photos, settings, runs):
    """Files get the probabilities that the run has for them as its test split."""
    run = load_run(name, settings)
    expected = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
    received = run.predict([photos / "test"])

    assert len(received) == len(expected) == 12
    for entry in received:
        row = expected[entry["path"].removeprefix(f"{photos}/")]
        probabilities = dict(entry["top"])

        assert entry["label"] == row["predicted"]
        assert entry["probability"] == max(probabilities.values()) == entry["top"][0][1]
        for label in ("red", "blue"):
            assert probabilities[label] == pytest.approx(float(row[f"p:{label}"]), abs=2e-6)


@pytest.mark.parametrize("name", HEADS)
def test_second_prediction_loads_no_network(name, photos, settings, runs):
    """The rows of known images are read from the store."""
    run = load_run(name, settings)
    first = run.predict([photos / "test"])
    again = load_run(name, settings.with_changes(device=NO_DEVICE)).predict([photos / "test"])

    assert again == first


def test_renamed_image_loads_no_network(photos, settings, runs, tmp_path):
    """An image is identified by its bytes: a copy with another name needs no forward pass."""
    copy = shutil.copy(photos / "test" / "red" / "red000.png", tmp_path / "copy.bin.png")
    run = load_run("linear", settings.with_changes(device=NO_DEVICE))
    first, second = run.predict([copy, photos / "test" / "red" / "red000.png"])

    assert first["top"] == second["top"]
    assert first["path"] == str(copy)


def test_new_image_needs_the_network(settings, runs, tmp_path):
    """A new image needs a forward pass, and is in the store afterwards."""
    new = draw_photo(tmp_path / "new.png", (150, 90, 30), seed=77)
    broken = load_run("linear", settings.with_changes(device=NO_DEVICE))
    with pytest.raises(SettingError, match=f"No device '{NO_DEVICE}'"):
        broken.predict([new])
    expected = load_run("linear", settings).predict([new])

    assert broken.predict([new]) == expected


def test_probabilities_are_ranked(photos, settings, runs):
    """The classes of an image are sorted by probability, and `top` limits their number."""
    run = load_run("linear", settings)
    image = photos / "test" / "red" / "red000.png"
    (entry,) = run.predict([image])
    (short,) = run.predict([image], top=1)

    assert len(entry["top"]) == 2
    assert list(entry["top"]) == sorted(entry["top"], key=lambda pair: -pair[1])
    assert sum(probability for _, probability in entry["top"]) == pytest.approx(1)
    assert short["top"] == entry["top"][:1]


def test_every_image_has_its_row(photos, settings, runs, tmp_path, caplog):
    """Rows are in the order given, also for duplicates; an unreadable image has a reason, and a warning counts these images."""
    broken, cut = tmp_path / "broken.png", tmp_path / "cut.png"
    good = photos / "test" / "red" / "red000.png"
    broken.write_bytes(b"no image")
    cut.write_bytes(good.read_bytes()[:300])
    listed = [broken, good, "gone.png", good, cut, broken]
    received = load_run("linear", settings).predict(listed)

    assert [entry["path"] for entry in received] == [str(path) for path in listed]
    assert received[1] == received[3]
    assert (received[1]["label"], received[1]["reason"]) == (received[1]["top"][0][0], None)
    for number, reason in ((0, "not an image"), (2, "no such file"), (4, "damaged: "), (5, "not an image")):
        assert received[number].as_dict() | {"path": "", "reason": ""} == {
            "path": "",
            "label": None,
            "probability": None,
            "top": [],
            "reason": "",
        }
        assert received[number]["reason"].startswith(reason)
    assert f"4 of 6 images cannot be read; the first: {broken}: not an image" in caplog.text


def test_unreadable_image_is_an_error_if_strict(photos, settings, runs, tmp_path):
    """One unreadable image is an error with `strict`; without it, only if no image can be read."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = photos / "test" / "red" / "red000.png"
    run, strict = (load_run("linear", settings.with_changes(strict=strict)) for strict in (False, True))

    with pytest.raises(UnreadableImageError, match=r"^The image cannot be read: .*broken\.png: not an image"):
        run.predict(broken)
    with pytest.raises(UnreadableImageError, match=r"^2 of 2 images cannot be read; the first: .*broken\.png"):
        run.predict([broken, "gone.png"])
    with pytest.raises(UnreadableImageError, match=r"^1 of 2 images cannot be read; the first: .*broken\.png"):
        strict.predict([good, broken])
    with pytest.raises(DataNotFoundError, match=r"^1 of 2 images cannot be read; the first: gone\.png: no such file"):
        strict.predict([good, "gone.png"])
    assert len(strict.predict([good])) == 1


def test_missing_image_is_an_error(settings, runs, tmp_path):
    """The message names a path that does not exist."""
    with pytest.raises(DataNotFoundError, match=r"^The image cannot be read: .*gone\.png: no such file\."):
        load_run("linear", settings).predict([tmp_path / "gone.png"])


@pytest.mark.parametrize(
    "convert", [str, lambda path: path.read_bytes(), Image.open, lambda path: np.asarray(Image.open(path))]
)
def test_one_image_needs_no_list(convert, photos, settings, runs):
    """A path as text, bytes, a PIL image and an array are one image each, with the prediction of the file."""
    run = load_run("linear", settings)
    path = photos / "test" / "red" / "red000.png"
    (expected,) = run.predict([path])
    (received,) = run.predict(convert(path))

    assert received.as_dict()["top"] == [[label, pytest.approx(p, abs=1e-5)] for label, p in expected["top"]]


@pytest.mark.parametrize("top", [0, -1])
def test_at_least_one_class_is_listed(top, photos, settings, runs):
    """A `top` below 1 is an error."""
    with pytest.raises(SettingError, match=f"1 or more. Received: top {top}"):
        load_run("linear", settings).predict([photos / "test"], top=top)


def test_many_images_read_the_run_once(photos, settings, runs, monkeypatch):
    """The files of a run are read once, and not for each image."""
    read, names = RunFolder._json, []
    monkeypatch.setattr(RunFolder, "_json", lambda run, name: (names.append(name), read(run, name))[1])
    run = load_run("linear", settings)
    run.predict([photos / "test"])
    _ = run.classes, run.metrics, run.metrics

    assert sorted(names) == ["metrics.json", "run.json"]


def test_settings_of_the_run_win(photos, settings, runs):
    """A run predicts with its own base, size and weights, not with those of the settings."""
    other = Settings.of(
        base="vgg16", size=224, weights="imagenet", cache=settings.paths.cache, runs=settings.paths.runs
    )

    assert load_run("linear", other).predict([photos / "test"]) == load_run("linear", settings=settings).predict(
        [photos / "test"]
    )


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
        for path in (run.folder.path / "curves.png", run.folder.path / "confusion.png")
        if path.exists()
    ]
    assert len(plots) == (2 if name == "dense" else 0)


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
