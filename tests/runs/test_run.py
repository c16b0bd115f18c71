"""Predicting with a run."""

import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline import Settings, Training, fit, load_run, predict
from pipeline.errors import (
    DamagedStoreError,
    DataNotFoundError,
    RunNotFoundError,
    SettingError,
    UnreadableImageError,
)
from pipeline.runs.folder import RunFolder
from tests.conftest import draw_photo

HEADS = {
    "linear": ("logreg:C=0.01", "avg"),
    "neighbours": ("knn:k=3", "none"),
    "dense": ("batchnorm,dense:8,relu", "none"),
}
NO_DEVICE = "no such device"
"""A network cannot be loaded on it, so whatever works with it comes from the store."""


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="module")
def runs(photos, options, home):
    """A run of each kind of head on the photographs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        for name, (head, pool) in HEADS.items():
            training = Training(epochs=3, batch_size=4, learning_rate=0.01)
            fit(photos, head, pool=pool, name=name, training=training, plots=False, settings=options)
    return options.paths.runs


@pytest.mark.parametrize("name", HEADS)
def test_prediction_from_raw_files_is_that_of_the_run(name, photos, options, runs):
    """Photographs given as files get the probabilities that the run gave them as its test split."""
    run = load_run(name, settings=options)
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
def test_second_prediction_loads_no_network(name, photos, options, runs):
    """Rows of images that were seen before are read from the store, under whatever name they come."""
    run = load_run(name, settings=options)
    first = run.predict([photos / "test"])
    again = load_run(name, settings=options.with_changes(device=NO_DEVICE)).predict([photos / "test"])

    assert again == first


def test_renamed_image_loads_no_network(photos, options, runs, tmp_path):
    """An image is known by its bytes: a copy with another name, and the same image twice, cost nothing."""
    copy = shutil.copy(photos / "test" / "red" / "red000.png", tmp_path / "copy.bin.png")
    run = load_run("linear", settings=options.with_changes(device=NO_DEVICE))
    first, second = run.predict([copy, photos / "test" / "red" / "red000.png"])

    assert first["top"] == second["top"]
    assert first["path"] == str(copy)


def test_new_image_needs_the_network(options, runs, tmp_path):
    """An image that was never seen is computed, and from then on it is in the store."""
    new = draw_photo(tmp_path / "new.png", (150, 90, 30), seed=77)
    broken = load_run("linear", settings=options.with_changes(device=NO_DEVICE))
    with pytest.raises(SettingError, match=f"No device '{NO_DEVICE}'"):
        broken.predict([new])
    expected = load_run("linear", settings=options).predict([new])

    assert broken.predict([new]) == expected


def test_probabilities_are_ranked(photos, options, runs):
    """The classes of an image come from the most likely down, as many as were asked for, and sum to 1."""
    run = load_run("linear", settings=options)
    image = photos / "test" / "red" / "red000.png"
    (entry,) = run.predict([image])
    (short,) = run.predict([image], top=1)

    assert len(entry["top"]) == 2
    assert entry["top"] == sorted(entry["top"], key=lambda pair: -pair[1])
    assert sum(probability for _, probability in entry["top"]) == pytest.approx(1)
    assert short["top"] == entry["top"][:1]


def test_every_image_has_its_row(photos, options, runs, tmp_path, caplog):
    """In the order given, twice where it was given twice, with the reason where it cannot be read; a warning counts those."""
    broken, cut = tmp_path / "broken.png", tmp_path / "cut.png"
    good = photos / "test" / "red" / "red000.png"
    broken.write_bytes(b"no image")
    cut.write_bytes(good.read_bytes()[:300])
    listed = [broken, good, "gone.png", good, cut, broken]
    received = load_run("linear", settings=options).predict(listed)

    assert [entry["path"] for entry in received] == [str(path) for path in listed]
    assert received[1] == received[3]
    assert (received[1]["label"], received[1]["reason"]) == (received[1]["top"][0][0], None)
    for number, reason in ((0, "not an image"), (2, "no such file"), (4, "damaged: "), (5, "not an image")):
        assert received[number] | {"path": "", "reason": ""} == {
            "path": "",
            "label": None,
            "probability": None,
            "top": [],
            "reason": "",
        }
        assert received[number]["reason"].startswith(reason)
    assert f"4 of 6 images cannot be read; the first: {broken}: not an image" in caplog.text


def test_unreadable_image_is_an_error_where_it_is_asked_for(photos, options, runs, tmp_path):
    """With `strict`; and where no image at all can be read."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = photos / "test" / "red" / "red000.png"
    run, strict = (load_run("linear", settings=options.with_changes(strict=strict)) for strict in (False, True))

    with pytest.raises(UnreadableImageError, match=r"^The image cannot be read: .*broken\.png: not an image"):
        run.predict(broken)
    with pytest.raises(UnreadableImageError, match=r"^2 of 2 images cannot be read; the first: .*broken\.png"):
        run.predict([broken, "gone.png"])
    with pytest.raises(UnreadableImageError, match=r"^1 of 2 images cannot be read; the first: .*broken\.png"):
        strict.predict([good, broken])
    with pytest.raises(DataNotFoundError, match=r"^1 of 2 images cannot be read; the first: gone\.png: no such file"):
        strict.predict([good, "gone.png"])
    assert len(strict.predict([good])) == 1


def test_missing_image_is_an_error(options, runs, tmp_path):
    """A path that does not exist is named."""
    with pytest.raises(DataNotFoundError, match=r"^The image cannot be read: .*gone\.png: no such file\."):
        load_run("linear", settings=options).predict([tmp_path / "gone.png"])


@pytest.mark.parametrize(
    "convert", [str, lambda path: path.read_bytes(), Image.open, lambda path: np.asarray(Image.open(path))]
)
def test_one_image_needs_no_list(convert, photos, options, runs):
    """A path as text, bytes, an open image and an array are one image each, with the prediction of the file."""
    run = load_run("linear", settings=options)
    path = photos / "test" / "red" / "red000.png"
    (expected,) = run.predict([path])
    (received,) = predict(run, convert(path))

    assert received["top"] == [[label, pytest.approx(p, abs=1e-5)] for label, p in expected["top"]]


@pytest.mark.parametrize("top", [0, -1])
def test_at_least_one_class_is_listed(top, photos, options, runs):
    """No class, or a negative number of them, is a mistake."""
    with pytest.raises(SettingError, match=f"At least one class .* Received: top {top}"):
        load_run("linear", settings=options).predict([photos / "test"], top=top)


def test_many_images_read_the_run_once(photos, options, runs, monkeypatch):
    """The files of a run are read when it is loaded, and not again for each image."""
    read, names = RunFolder._json, []
    monkeypatch.setattr(RunFolder, "_json", lambda run, name: (names.append(name), read(run, name))[1])
    run = load_run("linear", settings=options)
    run.predict([photos / "test"])
    _ = run.classes, run.metrics, run.metrics

    assert sorted(names) == ["metrics.json", "run.json"]


def test_settings_of_the_run_win(photos, options, runs):
    """A run predicts with its own base, size and weights, whatever the options say."""
    other = Settings.of(base="vgg16", size=224, weights="imagenet", cache=options.paths.cache, runs=options.paths.runs)

    assert load_run("linear", settings=other).predict([photos / "test"]) == load_run(
        "linear", settings=options
    ).predict([photos / "test"])


def test_unknown_run_is_an_error(options, runs):
    """The message names the runs that are there."""
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' .* Runs there: dense, linear, neighbours\."):
        load_run("mine", settings=options)


@pytest.mark.parametrize("name", HEADS)
def test_damaged_head_is_damage(name, options, runs, tmp_path):
    """A head whose bytes are gone is reported as damaged data, whatever its kind."""
    folder = shutil.copytree(runs / name, tmp_path / name)
    head = next(folder.glob("head.*"))
    head.write_bytes(head.read_bytes()[:100])

    with pytest.raises(DamagedStoreError, match=rf"{head.name} "):
        load_run(folder, settings=options)
