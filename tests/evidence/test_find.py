"""Evidence of runs, on a real base with random weights."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipeline
from pipeline.errors import DataNotFoundError, SettingError
from pipeline.tasks.multilabel import Multilabel
from tests.conftest import RANDOM


@pytest.fixture
def images(photos):
    return sorted((photos / "test").rglob("*.png"))[:6]


@pytest.mark.parametrize(
    ("name", "how"), [("avg", "exact"), ("max", "exact"), ("none", "exact"), ("knn", "blank"), ("dense", "gradient")]
)
def test_evidence_explains_the_prediction(runs, warm, images, name, how):
    """Of every kind of head from stored rows alone: the answer is the prediction, and its log odds are those of the probabilities."""
    found = pipeline.explain(runs[name], images)
    predicted = runs[name].predict(images)

    assert [one.answer for one in found] == [one.label for one in predicted]
    assert {one.how for one in found} == {how}
    for one, prediction in zip(found, predicted, strict=True):
        (label, p), (other, q) = prediction.top
        assert (one.answer, one.against, one.path) == (label, other, prediction.path)
        assert one.map.shape == (2, 2)
        if how == "blank":
            assert (one.total, one.unit) == (pytest.approx(p - q, abs=1e-5), "share of neighbours")
        else:
            assert one.total == pytest.approx(math.log(p / q), abs=1e-3)
            assert one.map.mean() + one.rest == pytest.approx(one.total, abs=1e-5)


def test_calibration_and_thresholds_change_no_map(photos, warm, images, runs):
    """They come after the logits; a threshold changes which class is asked for."""
    plain = pipeline.explain(runs["avg"], images, of="red")
    own = pipeline.fit(
        photos, "ridge", name="sure", calibrate="temperature", threshold=0.9, plots=False, **RANDOM, **warm
    )
    found = pipeline.explain(own, images, of="red")

    for one, other in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one.map, other.map)
        assert one.total == other.total


@pytest.mark.slow
def test_rows_whose_grid_was_not_kept_are_made_again(photos, tmp_path, images, runs):
    """A run on a pooled store: the grid is computed for the images that are asked for, and the map is the same."""
    own = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    pipeline.extract(photos, pool="avg", **RANDOM, **own)
    run = pipeline.fit(photos, "ridge", name="pooled", plots=False, **RANDOM, **own)
    found = pipeline.explain(run, images[:2])

    assert run.info.recipe["pooling"] == "avg"
    for one, other in zip(found, pipeline.explain(runs["avg"], images[:2]), strict=True):
        np.testing.assert_allclose(one.map, other.map, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_fine_tuned_networks_have_gradients(photos, places, images):
    """Through the tail, from the rows at its boundary, whose grid is finer."""
    run = pipeline.finetune(
        photos,
        "dense:4,relu",
        from_layer="fire9",
        cached=True,
        epochs=1,
        head_epochs=1,
        plots=False,
        name="tuned",
        **RANDOM,
        **places,
    )
    found = pipeline.explain(run, images[:2])

    for one, prediction in zip(found, run.predict(images[:2]), strict=True):
        (_, p), (_, q) = prediction.top
        assert one.how == "gradient"
        assert one.map.shape == tuple(run.head.model.input_shape[1:3])
        assert one.total == pytest.approx(math.log(p / q), abs=1e-3)
        assert one.map.mean() + one.rest == pytest.approx(one.total, abs=1e-5)
        assert np.abs(one.map).max() > 0


def test_evidence_is_shown(runs, warm, images):
    """As overlays in a notebook, as plain values, and as a text."""
    found = pipeline.explain(runs["avg"], images[:2])

    assert found._repr_html_().count("data:image/jpeg;base64,") == 2
    assert "exact: their mean" in found._repr_html_()
    assert repr(found) == "Evidence(avg: 2 images, maps of 2x2 cells)"
    plain = json.loads(json.dumps(found.as_dict()))
    assert np.shape(plain["images"][0]["map"]) == (2, 2)
    assert found[0].title.startswith(f"{found[0].answer} against ")
    assert found[0].title.endswith(" logits")


def test_labels_and_numbers_have_questions_of_their_own(photos, warm, tmp_path):
    """Of labels the most probable one is asked for, without another one against it; of numbers the first column, in its unit."""
    files = sorted((photos / "train").rglob("*.png")) + sorted((photos / "validation").rglob("*.png"))
    lines = ["path,tags,age,split"]
    for number, file in enumerate(files):
        tags = "|".join(filter(None, [file.parent.name, "old" * (number % 3 == 0)]))
        lines.append(f"{file},{tags},{10 + number % 4 + 20 * (file.parent.name == 'red')},{file.parts[-3]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    shared = {**RANDOM, **warm, "plots": False}
    tags = pipeline.fit(tmp_path / "table.csv", "ridge", label="tags", task="multilabel", name="tags", **shared)
    age = pipeline.fit(tmp_path / "table.csv", "ridge", label="age", task="regression", name="age", **shared)
    [of_tags], [of_age] = pipeline.explain(tags, files[0]), pipeline.explain(age, files[0])
    [old] = pipeline.explain(tags, files[0], of="old")
    [prediction] = age.predict(files[0])

    assert isinstance(tags.task, Multilabel)
    assert (of_tags.answer, of_tags.against, of_tags.unit) == (tags.predict(files[0])[0].top[0][0], None, "logits")
    assert of_tags.ends == (f"not {of_tags.answer}", of_tags.answer)
    assert old.answer == "old"
    assert (of_age.answer, of_age.unit, of_age.ends) == ("age", "age", ("less", "more"))
    assert of_age.total == pytest.approx(prediction.values["age"][0], abs=1e-3)
    assert of_age.map.mean() + of_age.rest == pytest.approx(of_age.total, abs=1e-3)


def test_overlays_are_files_beside_the_predictions(runs, warm, images, tmp_path):
    """One for each image that can be read, named in the prediction; a second time they are replaced."""
    again = tmp_path / images[0].parent.name / images[0].name
    again.parent.mkdir()
    shutil.copy(images[0], again)
    given = [*images[:2], "gone.png", again]
    for _ in range(2):
        done = pipeline.predict(runs["avg"], iter(given), evidence="looked")
    files = [one.evidence for one in done]

    assert files[2] is None
    assert sorted(str(path) for path in tmp_path.glob("looked/*")) == sorted(
        str(tmp_path / file) for file in files if file
    )
    assert len(set(files)) == 4
    assert Path(files[3]).stem == f"{Path(files[0]).stem}-2"
    with Image.open(files[0]) as overlay:
        assert overlay.width == 384
        assert overlay.height > 384
    assert done[0].as_dict()["evidence"] == files[0]
    assert "evidence" not in pipeline.predict(runs["avg"], given[:1])[0].as_dict()


def test_foreign_files_stay(runs, warm, photos, images, tmp_path):
    """A file that is no overlay, a folder of the images, a file in place of the folder."""
    (tmp_path / "looked").mkdir()
    (tmp_path / "looked" / "blue-blue000.jpg").write_bytes(b"my own photo")
    with pytest.raises(SettingError, match="no overlay of this package"):
        pipeline.predict(runs["avg"], images[:1], evidence="looked")
    with pytest.raises(SettingError, match="inside that of the images"):
        pipeline.predict(runs["avg"], photos / "test", evidence=photos / "test" / "red" / "looked")
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="Choose another --evidence"):
        pipeline.predict(runs["avg"], images[:1], evidence="file")

    assert (tmp_path / "looked" / "blue-blue000.jpg").read_bytes() == b"my own photo"
    assert not (photos / "test" / "red" / "looked").exists()


def test_what_cannot_be_explained_is_refused(runs, warm, images, tmp_path):
    """An exported file, a class that is none, images that are gone."""
    (tmp_path / "model.keras").touch()
    with pytest.raises(SettingError, match="an exported file: it takes pixels and gives no rows"):
        pipeline.explain("model.keras", images[:1], **warm)
    with pytest.raises(SettingError, match=r"'reed' is no class of this run\. Did you mean"):
        pipeline.explain(runs["avg"], images[:1], of="reed")
    with pytest.raises(DataNotFoundError):
        pipeline.explain(runs["avg"], "gone.png")
