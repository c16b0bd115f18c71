"""A pretrained network as it is."""

import numpy as np
import pytest

from pipeline import Settings
from pipeline.bases import classify as verb
from pipeline.bases.classify import classify
from pipeline.errors import DataNotFoundError, SettingError, UnreadableImageError


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Settings with a network that is sure of class 207, a golden retriever, whatever it sees."""

    class Network:
        def predict(self, inputs, **_):
            return np.tile(np.eye(1000, dtype=np.float32)[207], (len(inputs), 1))

    monkeypatch.setattr("pipeline.bases.weights.fetch_weights", lambda *_, **__: None)
    monkeypatch.setattr("pipeline.bases.weights.load_base", lambda *_, **__: Network())
    return Settings.of(base="squeezenet", cache=tmp_path / "cache")


def test_every_image_has_its_row(photos, options, tmp_path, caplog):
    """In the order given; what cannot be read has its reason, and is counted in a warning."""
    broken, good = tmp_path / "broken.png", photos / "test" / "red" / "red000.png"
    broken.write_bytes(b"no image")
    received = classify([broken, good, "gone.png", good.read_bytes()], top=2, settings=options)

    assert [entry["path"] for entry in received] == [str(broken), str(good), "gone.png", "#3"]
    assert [entry["label"] for entry in received] == [None, "golden retriever", None, "golden retriever"]
    assert [len(entry["top"]) for entry in received] == [0, 2, 0, 2]
    assert [entry["reason"] is None for entry in received] == [False, True, False, True]
    assert f"2 of 4 images cannot be read; the first: {broken}: not an image" in caplog.text


def test_one_image_needs_no_list(photos, options):
    """A path as text is one image."""
    (entry,) = classify(str(photos / "test" / "red" / "red000.png"), settings=options)

    assert entry["label"] == "golden retriever"


def test_mistakes_are_errors(photos, options, tmp_path):
    """No image that can be read, one that cannot with `strict`, and no class to list."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")

    with pytest.raises(DataNotFoundError, match=r"gone\.png: no such file"):
        classify("gone.png", settings=options)
    with pytest.raises(UnreadableImageError, match=r"The image cannot be read: .*broken\.png: not an image"):
        classify(broken, settings=options)
    with pytest.raises(UnreadableImageError, match=r"1 of 13 images cannot be read; the first: .*broken\.png"):
        classify([photos / "test", broken], settings=options.with_changes(strict=True))
    with pytest.raises(SettingError, match="Received: top 0"):
        verb.classify([photos / "test"], top=0, settings=options)
