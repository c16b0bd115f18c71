"""Predictions of runs on new images."""

import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import DataNotFoundError, SettingError, UnreadableImageError
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from tests.conftest import draw_photo
from tests.runs.samples import HEADS

NO_DEVICE = "no such device"
"""Loading a network on this device is an error, so all that works with it comes from the store."""


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
            "p_value": None,
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


def test_settings_of_the_run_win(photos, settings, runs):
    """A run predicts with its own base, size and weights, not with those of the settings."""
    other = Settings.of(
        base="vgg16", size=224, weights="imagenet", cache=settings.paths.cache, runs=settings.paths.runs
    )

    assert load_run("linear", other).predict([photos / "test"]) == load_run("linear", settings=settings).predict(
        [photos / "test"]
    )
