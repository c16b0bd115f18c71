"""Predicting with a run."""

import shutil
from dataclasses import replace

import pytest

from pipeline import Options, Training, fit, load_run
from pipeline.errors import DamagedStoreError, DataLayoutError, DataNotFoundError, RunNotFoundError, SettingError
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
    return Options(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="module")
def runs(photos, options, home):
    """A run of each kind of head on the photographs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        for name, (head, pool) in HEADS.items():
            training = Training(epochs=3, batch_size=4, learning_rate=0.01)
            fit(photos, head, pool=pool, name=name, training=training, pictures=False, options=options)
    return options.runs


@pytest.mark.parametrize("name", HEADS)
def test_prediction_from_raw_files_is_that_of_the_run(name, photos, options, runs):
    """Photographs given as files get the probabilities that the run gave them as its test split."""
    run = load_run(name, options=options)
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
    run = load_run(name, options=options)
    first = run.predict([photos / "test"])
    again = load_run(name, options=replace(options, device=NO_DEVICE)).predict([photos / "test"])

    assert again == first


def test_renamed_image_loads_no_network(photos, options, runs, tmp_path):
    """An image is known by its bytes: a copy with another name, and the same image twice, cost nothing."""
    copy = shutil.copy(photos / "test" / "red" / "red000.png", tmp_path / "copy.bin.png")
    run = load_run("linear", options=replace(options, device=NO_DEVICE))
    first, second = run.predict([copy, photos / "test" / "red" / "red000.png"])

    assert first["top"] == second["top"]
    assert first["path"] == str(copy)


def test_new_image_needs_the_network(options, runs, tmp_path):
    """An image that was never seen is computed, and from then on it is in the store."""
    new = draw_photo(tmp_path / "new.png", (150, 90, 30), seed=77)
    broken = load_run("linear", options=replace(options, device=NO_DEVICE))
    with pytest.raises(SettingError, match=f"No device '{NO_DEVICE}'"):
        broken.predict([new])
    expected = load_run("linear", options=options).predict([new])

    assert broken.predict([new]) == expected


def test_probabilities_are_ranked(photos, options, runs):
    """The classes of an image come from the most likely down, as many as were asked for, and sum to 1."""
    run = load_run("linear", options=options)
    image = photos / "test" / "red" / "red000.png"
    (entry,) = run.predict([image])
    (short,) = run.predict([image], top=1)

    assert len(entry["top"]) == 2
    assert entry["top"] == sorted(entry["top"], key=lambda pair: -pair[1])
    assert sum(probability for _, probability in entry["top"]) == pytest.approx(1)
    assert short["top"] == entry["top"][:1]


def test_unreadable_image_is_left_out(photos, options, runs, tmp_path):
    """Of several images those that can be read are labelled; if none can be, that is an error."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    run = load_run("linear", options=options)
    good = photos / "test" / "red" / "red000.png"

    assert [entry["path"] for entry in run.predict([broken, good])] == [str(good)]
    with pytest.raises(DataLayoutError, match=r"None of the 1 images can be read: .*broken\.png"):
        run.predict([broken])
    with pytest.raises(DataLayoutError, match=r"1 images had to be skipped, and --strict is set: .*broken\.png"):
        load_run("linear", options=replace(options, strict=True)).predict([broken, good])


def test_missing_image_is_an_error(options, runs, tmp_path):
    """A path that does not exist is named."""
    with pytest.raises(DataNotFoundError, match=r"No such image: .*gone\.png"):
        load_run("linear", options=options).predict([tmp_path / "gone.png"])


def test_settings_of_the_run_win(photos, options, runs):
    """A run predicts with its own base, size and weights, whatever the options say."""
    other = Options(base="vgg16", size=224, weights="imagenet", cache=options.cache, runs=options.runs)

    assert load_run("linear", options=other).predict([photos / "test"]) == load_run("linear", options=options).predict(
        [photos / "test"]
    )


def test_unknown_run_is_an_error(options, runs):
    """The message names the runs that are there."""
    with pytest.raises(RunNotFoundError, match=r"No run 'mine' .* Runs there: dense, linear, neighbours\."):
        load_run("mine", options=options)


@pytest.mark.parametrize("name", HEADS)
def test_damaged_head_is_damage(name, options, runs, tmp_path):
    """A head whose bytes are gone is reported as damaged data, whatever its kind."""
    folder = shutil.copytree(runs / name, tmp_path / name)
    head = next(folder.glob("head.*"))
    head.write_bytes(head.read_bytes()[:100])

    with pytest.raises(DamagedStoreError, match=rf"{head.name} "):
        load_run(folder, options=options)
