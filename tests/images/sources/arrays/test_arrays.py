"""Arrays as data sets: `.npz` files, scikit-learn's digits, and what keras.datasets loads."""

import gzip
import hashlib
import json
import os
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataLayoutError, SettingError
from pipeline.images.decoding.decoder import Decoder, encode_array
from pipeline.images.manifest import Manifest
from pipeline.images.requirements import require_task
from pipeline.images.sources.arrays.arrays import FASHION, array_manifest, scan_keras, scan_npz, scan_sklearn
from pipeline.images.sources.reading import Reading
from tests import ready

READING = Reading(split="60/20/20")


def make_images(count: int, shape: tuple[int, ...] = (8, 8), first: int = 0) -> np.ndarray:
    """Images of noise, no two alike; image i is the same in every call."""
    return np.stack(
        [np.random.default_rng(number).integers(0, 256, shape, np.uint8) for number in range(first, first + count)]
    )


def scan(path: Path, label: str = "label") -> Manifest:
    """The manifest of an `.npz` file."""
    return scan_npz(path, replace(READING, label=label))


def save(folder: Path, **arrays) -> Path:
    """An `.npz` file."""
    path = folder / "birds.npz"
    np.savez(path, **arrays)
    return path


def test_image_of_an_array_has_a_key_like_any_file(tmp_path):
    """The key is the SHA-256 of the bytes that are decoded, and the pixels come back."""
    images = make_images(3, (8, 8, 3))
    manifest = scan(save(tmp_path, x=images, y=np.array(["owl", "tit", "owl"])))

    assert manifest.names == ("#0", "#1", "#2")
    assert manifest.labels == ("owl", "tit", "owl")
    assert manifest.title == "birds"
    assert manifest.digests == tuple(hashlib.sha256(encode_array(image)).digest() for image in images)
    for row in range(3):
        assert hashlib.sha256(manifest.read(row)).digest() == manifest.digests[row]
        np.testing.assert_array_equal(Decoder(8).decode(manifest.read(row)), images[row])


def test_splits_come_from_the_names_of_the_arrays(tmp_path):
    """x_train, x_validation and x_test are splits with labels of their own."""
    arrays = {}
    for number, split in enumerate(("test", "train", "validation")):
        arrays[f"x_{split}"] = make_images(2, first=10 * number)
        arrays[f"y_{split}"] = np.array([number, number + 1])
    manifest = scan(save(tmp_path, **arrays))

    assert manifest.splits == ("train", "train", "validation", "validation", "test", "test")
    assert manifest.labels == ("1", "2", "2", "3", "0", "1")
    np.testing.assert_array_equal(Decoder(8).decode(manifest.read(4))[..., 0], arrays["x_test"][0])


def test_validation_is_cut_from_train_when_there_is_a_test_split(tmp_path):
    """The usual four arrays get a validation split out of the training images alone."""
    path = save(
        tmp_path,
        x_train=make_images(200),
        y_train=np.arange(200) % 2,
        x_test=make_images(20, first=1000),
        y_test=np.arange(20) % 2,
    )
    manifest = scan(path)

    assert Counter(manifest.splits[200:]) == {"test": 20}
    assert set(manifest.splits[:200]) == {"train", "validation"}
    assert 25 < manifest.splits.count("validation") < 80


def test_single_array_is_split_by_percentages(tmp_path):
    """x and y alone are split like class folders: by content, so added images move no other."""
    few = scan(save(tmp_path, x=make_images(100), y=np.arange(100) % 2))
    many = scan(save(tmp_path, x=make_images(150), y=np.arange(150) % 2))

    assert set(few.splits) == {"train", "validation", "test"}
    assert many.splits[:100] == few.splits


def test_another_array_can_hold_the_labels(tmp_path):
    """A second set of labels over the same images is chosen by its name."""
    images = make_images(2)
    path = save(tmp_path, x=images, y=np.array([1, 2]), y_coarse=np.array(["a", "b"]))

    assert scan(path, "y_coarse").labels == ("a", "b")
    assert scan(path, "y_coarse").digests == scan(path).digests
    with pytest.raises(
        DataLayoutError, match=r"There is no label array \['y_fine'\]\. Received: \['x', 'y', 'y_coarse'\]"
    ):
        scan(path, "y_fine")


def test_images_without_labels_can_be_extracted(tmp_path):
    """Labels are needed by heads only."""
    assert scan(save(tmp_path, x=make_images(2))).labels == (None, None)


def test_column_of_labels_is_flattened(tmp_path):
    """Labels of the shape (N, 1), as Keras gives them, are labels of the shape (N,)."""
    assert scan(save(tmp_path, x=make_images(2), y=np.array([[4], [5]]))).labels == ("4", "5")


@pytest.mark.parametrize(
    "convert", [lambda x: x.astype(np.int64), lambda x: x / 255, lambda x: (x / 255).astype(np.float32)]
)
def test_same_pixels_in_another_type_are_the_same_images(convert):
    """Integers up to 255 and floats up to 1 are the same 8-bit pixels, so they share rows."""
    images = make_images(4, (8, 8, 3))

    assert array_manifest(convert(images)).digests == array_manifest(images).digests


@pytest.mark.parametrize(
    ("bits", "dtype"), [(10, np.uint16), (12, np.int16), (14, np.int32), (16, np.uint16), (12, np.int64)]
)
def test_range_of_integers_is_judged(bits, dtype, tmp_path):
    """As in a 16-bit file; all splits together, so that a dark one stays dark, and a warning says what was judged."""
    images = make_images(4).astype(dtype) << (bits - 8)
    manifest = scan(save(tmp_path, x_train=images, x_test=images // 16, y_train=[0, 1] * 2, y_test=[0, 1] * 2))
    plain = scan(save(tmp_path, x_train=make_images(4), x_test=make_images(4) // 16))

    assert manifest.digests == plain.digests
    assert (
        f"The array x_train has integers above 255: by its largest values they are judged to have {bits} bits"
        in manifest.warnings[0]
    )


def test_hot_pixels_and_noise_below_zero_do_not_count():
    """One value in a thousand may be larger, and a little may be below 0; 8-bit arrays are as they are."""
    images = (make_images(4, (32, 32)).astype(np.int32) << 4) - 2
    images[0, 0, :3] = 60_000

    np.testing.assert_array_equal(array_manifest(images).images.pixels[1:], np.clip(images[1:], 0, None) >> 4)
    assert array_manifest(make_images(4).astype(np.uint16)).digests == array_manifest(make_images(4)).digests
    assert "have 12 bits" in array_manifest(images).warnings[0]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((2, 4, 4), 2**16), r"or floats in \[0, 1\] or \[0, 255\]\. Received: int64 in \[65536, 65536\]"),
        (np.array([[[-900, 3000]]]), r"Received: int64 in \[-900, 3000\]\. Shift values with a sign"),
        (np.full((2, 4, 4), -1), r"Received: int64 in \[-1, -1\]"),
        (np.linspace(-2, 2.6, 32).reshape(2, 4, 4), r"Received: float64 in \[-2, 2\.6\]\. They look standardised"),
        (np.full((2, 4, 4), np.nan), r"Received: float64 in \[nan, nan\]"),
        (np.full((2, 4, 4), 300.0), r"Received: float64 in \[300, 300\]\. Divide them"),
        (np.full((2, 4, 4), -0.5), r"Received: float64 in \[-0\.5, -0\.5\]\. Bring them to \[0, 1\]"),
        (np.zeros((4, 4), np.uint8), r"shape \(N, H, W\) or \(N, H, W, 1, 3 or 4\)\. Received: \(4, 4\)"),
        (np.zeros((2, 4, 4, 2), np.uint8), r"Received: \(2, 4, 4, 2\)"),
        (np.zeros((2, 3, 4, 4, 3), np.uint8), r"Received: \(2, 3, 4, 4, 3\)"),
        (np.zeros((0, 4, 4), np.uint8), r"the same length, above 0\. Received: x \(0, 4, 4\)"),
    ],
)
def test_array_that_cannot_be_images_is_refused(pixels, message):
    """Pixels out of range are not guessed at, and shapes are named."""
    with pytest.raises(DataLayoutError, match=message):
        array_manifest(pixels)


def test_splits_of_different_ranges_are_refused(tmp_path):
    """The training images, divided by 255, would be black beside test images that are not; a dark split of whole values is not meant."""
    x, y = make_images(6), np.arange(6) % 2
    with pytest.raises(DataLayoutError, match=r"The array x_train has floats up to 1, and another one up to 25\d"):
        scan(save(tmp_path, x_train=x / 255, y_train=y, x_test=x.astype(float), y_test=y))

    assert len(scan(save(tmp_path, x_train=np.ones((6, 8, 8)), y_train=y, x_test=x.astype(float), y_test=y))) == 12


def test_floats_that_end_at_two_are_refused(tmp_path):
    """Half of them would be white: they were divided by 127.5. An overshoot at a few edges is cut off."""
    x, y = make_images(6) / 127.5, np.arange(6) % 2
    with pytest.raises(
        DataLayoutError, match=r"x with floats up to 2, of which 49% are above 1\. Divide them by their largest"
    ):
        scan(save(tmp_path, x=x, y=y))


def test_floats_that_were_divided_twice_are_almost_black(tmp_path):
    """It is a warning: the images may be dark."""
    manifest = scan(save(tmp_path, x=make_images(6) / 255 / 255, y=np.arange(6) % 2))

    assert any("its images are almost black. Were they divided by 255 twice?" in text for text in manifest.warnings)


@pytest.mark.parametrize(("most", "cure"), [(1, "Multiply it by 255 if 1"), (15, "Multiply it by 17 if 15"), (40, "")])
def test_small_integers_are_almost_black(most, cure, tmp_path):
    """Masks, and values of 4 bits, are no values from 0 to 255."""
    manifest = scan(save(tmp_path, x=make_images(6) % (most + 1), y=np.arange(6) % 2))

    found = [text for text in manifest.warnings if f"only the integers from 0 to {most}" in text]
    assert len(found) == bool(cure)
    assert all(cure in text for text in found)


def test_single_value_is_no_array_of_labels(tmp_path):
    """Its length would be that of all images."""
    with pytest.raises(DataLayoutError, match=r"x and y must have the same length\. Received: 6 and a single value"):
        scan(save(tmp_path, x=make_images(6), y=np.array(1)))


def test_labels_of_another_length_are_refused():
    """A label for each image, no more and no fewer."""
    with pytest.raises(DataLayoutError, match=r"the same length, above 0\. Received: x \(3, 8, 8\), y \(2,\)"):
        array_manifest(make_images(3), np.array([0, 1]))


def test_lengths_that_only_add_up_are_refused(tmp_path):
    """One label too many in train and one too few in test would shift all labels behind them."""
    images = make_images(5)
    path = save(tmp_path, x_train=images, y_train=np.zeros(6), x_test=images, y_test=np.zeros(4))

    with pytest.raises(DataLayoutError, match=r"x_train and y_train must have the same length\. Received: 5 and 6\."):
        scan(path)


def test_splits_of_different_image_sizes_are_refused(tmp_path):
    """All images of a file have the same shape."""
    path = save(tmp_path, x_train=make_images(2), x_test=make_images(3, (9, 9)))

    with pytest.raises(
        DataLayoutError, match=r"All images must have the same shape\. Received: \[\(2, 8, 8\), \(3, 9, 9\)\]\."
    ):
        scan(path)


def test_file_of_other_arrays_is_refused(tmp_path):
    """The message lists the names that were expected and those that are there."""
    with pytest.raises(
        DataLayoutError,
        match=r"Expected arrays named x and y, .*\. Received: a \(1, 8, 8\), b \(1, 8, 8\)\. .*np\.savez",
    ):
        scan(save(tmp_path, a=make_images(1), b=make_images(1)))


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_cut_npz_is_refused(tmp_path, kept):
    """A file that is cut short is never read in part."""
    path = save(tmp_path, x=make_images(5), y=np.zeros(5))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])

    with pytest.raises(DataLayoutError, match=r"birds\.npz is not an \.npz file of plain arrays: "):
        scan(path)


def test_altered_npz_is_refused(tmp_path):
    """A byte that changed inside an array is found by the checksum of the archive."""
    path = tmp_path / "birds.npz"
    np.savez_compressed(path, x=make_images(5))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(DataLayoutError, match=r"is not an \.npz file of plain arrays: "):
        scan(path)


class Trap:
    """Unpickling it leaves a trace."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_npz_of_objects_is_refused_and_not_run(tmp_path):
    """Pickled objects are never loaded: they could be a program."""
    path = save(tmp_path, x=np.array([Trap()], object))

    with pytest.raises(DataLayoutError, match=r"holds Python objects, .*y\.astype\(str\)"):
        scan(path)
    assert not Path("sprung").exists()


def test_single_array_that_is_named_npz_is_refused(tmp_path):
    """An `.npy` file under the name of an archive is none."""
    with (tmp_path / "birds.npz").open("wb") as file:
        np.save(file, make_images(2))

    with pytest.raises(DataLayoutError, match=r"birds\.npz is not an \.npz file of plain arrays"):
        scan(tmp_path / "birds.npz")


def test_digits_are_those_of_scikit_learn():
    """1,797 digits of ten classes, 16 gray levels spread over 8 bits, duplicates kept in one split."""
    from sklearn.datasets import load_digits

    manifest = scan_sklearn("digits", replace(READING, split_seed=1))
    pixels = Decoder(8).decode(manifest.read(17))[..., 0]

    assert len(manifest) == 1797
    assert manifest.classes == tuple("0123456789")
    assert manifest.labels[17] == str(load_digits().target[17])
    np.testing.assert_array_equal(np.round(pixels / 255 * 16), load_digits().images[17])
    assert manifest.duplicates_across_splits() == []
    require_task(manifest)


def test_other_names_of_scikit_learn_are_refused():
    """Only one data set of scikit-learn contains labelled images without a download."""
    with pytest.raises(SettingError, match=r"one of digits\. Received: 'iris'\."):
        scan_sklearn("iris", READING)


@pytest.mark.parametrize(
    ("name", "label", "message"),
    [
        ("imdb", "label", r"The data set of Keras is one of mnist, .*cifar100\. Received: 'imdb'\."),
        ("mnist", "coarse", r"The label of keras:mnist is one of label\. Received: 'coarse'\."),
        ("cifar100", "medium", r"The label of keras:cifar100 is one of label, fine, coarse\. Received: 'medium'\."),
    ],
)
def test_what_keras_does_not_have_is_refused(tmp_path, name, label, message):
    """Names and labels are checked before anything is downloaded."""
    with pytest.raises(SettingError, match=message):
        scan_keras(name, replace(READING, label=label, home=tmp_path))


def scan_in_a_process(home: Path, data: str, keras_home: Path | None = None) -> dict:
    """Scan keras:NAME in a Python of its own, where Keras has another home or cannot be imported."""
    code = f"""
import json, sys
from pathlib import Path
if {keras_home is None}:
    sys.modules["keras"] = None  # whoever imports it fails
else:
    from keras.src.backend import config
    config._KERAS_DIR = {str(keras_home)!r}
from pipeline.errors import DataLayoutError
from pipeline.images.sources.reading import Reading
from pipeline.images.scan import scan
found = {{}}
for name in {data.split()}:
    try:
        manifest = scan(name, Reading(home=Path({str(home)!r})))
        pixels = [list(manifest.read(row)[-784:][:3]) for row in range(len(manifest))]
        found[name] = [manifest.labels, manifest.splits, pixels, manifest.title]
    except DataLayoutError as error:
        found[name] = str(error)
print(json.dumps(found))
"""
    done = subprocess.run(
        [ready.python(), "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[3],
        # A closed port in the place of the network: what is not there cannot be downloaded.
        env=os.environ | {"https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_keras_data_set_is_loaded_once_and_kept(tmp_path):
    """Keras's own loader reads a small archive; afterwards the arrays are there without Keras, labels by name."""
    archive = tmp_path / "keras/datasets/fashion-mnist"
    archive.mkdir(parents=True)
    images = make_images(5, (28, 28))
    parts = {"train": (images[:3], [9, 0, 3]), "t10k": (images[3:], [0, 9])}
    for part, (pixels, labels) in parts.items():
        # The files' headers of 16 and 8 bytes are not looked at.
        (archive / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + pixels.tobytes()))
        (archive / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + bytes(labels)))
    home = tmp_path / "home"
    first = scan_in_a_process(home, "keras:fashion_mnist keras:mnist", tmp_path / "keras")
    labels, splits, pixels, title = first["keras:fashion_mnist"]

    assert (
        labels
        == [FASHION[number] for number in (9, 0, 3, 0, 9)]
        == ["Ankle boot", "T-shirt/top", "Dress", "T-shirt/top", "Ankle boot"]
    )
    assert splits[3:] == ["test", "test"]
    assert "test" not in splits[:3]
    assert pixels == [image.ravel()[:3].tolist() for image in images]
    assert title == "fashion_mnist"
    assert first["keras:mnist"].startswith("Keras could not load mnist: ")
    assert "Put its archive into the datasets folder of Keras" in first["keras:mnist"]
    assert [path.name for path in (home / "datasets").iterdir()] == ["keras-fashion_mnist.npz"]
    assert scan_in_a_process(home, "keras:fashion_mnist") == {"keras:fashion_mnist": first["keras:fashion_mnist"]}


def test_damaged_kept_arrays_are_named(tmp_path):
    """If the kept arrays are damaged the message says which file to delete."""
    kept = tmp_path / "datasets/keras-mnist.npz"
    kept.parent.mkdir()
    kept.write_bytes(b"")

    with pytest.raises(DataLayoutError, match=r"keras-mnist\.npz is not an \.npz file of plain arrays"):
        scan_keras("mnist", replace(READING, home=tmp_path))
