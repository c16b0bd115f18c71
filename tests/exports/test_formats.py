"""Each kind of file: written, loaded again, and what is refused."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from pipeline.errors import DamagedStoreError, MissingExtraError, RunNotFoundError, SettingError
from pipeline.exports import onnx_file, tflite_file
from pipeline.exports.description import KEY, NAME
from pipeline.exports.formats import FORMATS, format_of, is_exported, load_format
from pipeline.exports.saved_model import load_serving
from pipeline.images.decode import Decoder
from tests.exports.models import LABELS, SIZE_PX, describe, make_model, make_pixels

NAMES = tuple(f"model{ending}" for ending in FORMATS)

# Python 3.12 on tells of flatbuffers' own way to import numpy; onnx of a helper that tf2onnx still uses.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The model in all formats. Read only."""
    made = tmp_path_factory.mktemp("exported")
    for name in NAMES:
        format_of(Path(name)).write(model, made / name, describe())
    return made


@pytest.fixture
def own(folder, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(folder, tmp_path / "exported")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_predicts_what_its_model_does(name, folder, model):
    """For any number of images, and another number after that."""
    description, predict = load_format(folder / name)

    assert description == describe()
    for count in (5, 1, 9):
        pixels = make_pixels(count)
        expected = model.predict(pixels, verbose=0)
        np.testing.assert_allclose(predict(pixels), expected, atol=1e-5)
    assert expected.std(axis=0).max() > 0.05


@pytest.mark.parametrize("ending", FORMATS)
def test_neighbours_can_be_written(ending, tmp_path):
    """The search among stored rows is made of operations that every format has."""
    model, path = make_model("knn"), tmp_path / f"model{ending}"
    FORMATS[ending].write(model, path, describe())
    _, predict = FORMATS[ending].load(path)
    pixels = make_pixels(20)

    np.testing.assert_allclose(predict(pixels), model.predict(pixels, verbose=0), atol=1e-6)


def test_labels_can_be_read_without_this_package(folder):
    """By archive tools in a Keras and a TFLite file, as metadata of ONNX, as a file and by the signature of a SavedModel."""
    texts = [(folder / "model" / "assets.extra" / NAME).read_text(encoding="utf-8")]
    for name in ("model.keras", "model.tflite"):
        with zipfile.ZipFile(folder / name) as archive:
            texts.append(archive.read(NAME).decode())
            assert archive.read("labels.txt").decode().splitlines() == ["ä b", '"c"', "d e"]
    texts.append({entry.key: entry.value for entry in onnx.load(folder / "model.onnx").metadata_props}[KEY])
    classes = tf.saved_model.load(folder / "model").signatures["pixels"](pixels=tf.constant(make_pixels(2)))["classes"]

    assert [json.loads(text)["labels"] for text in texts] == [list(LABELS)] * 4
    assert [[label.decode() for label in row] for row in classes.numpy()] == [list(LABELS)] * 2


def test_served_bytes_are_decoded_in_the_graph(folder, model):
    """The default signature of a SavedModel takes encoded files, here of the input's own size and lossless."""
    pixels = make_pixels(6)
    files = [tf.io.encode_png(tf.constant(image.astype(np.uint8))).numpy() for image in pixels]

    np.testing.assert_allclose(load_serving(folder / "model")(files), model.predict(pixels, verbose=0), atol=1e-5)


@pytest.mark.parametrize("name", ["model.h5", "model.pb", "model.ONNX", "v1.2"])
def test_another_ending_is_refused(name):
    """The message lists what there is."""
    with pytest.raises(SettingError, match=rf"name\.keras, name\.onnx, name\.tflite, or .* Received: .*{name}"):
        format_of(Path("out") / name)


def test_what_is_exported_is_known_by_its_looks(folder, tmp_path):
    """A run's folder, a file without ending, and what is not there are something else."""
    (tmp_path / "model").write_bytes(b"")
    (tmp_path / "run.onnx").mkdir()

    assert all(is_exported(folder / name) for name in NAMES)
    assert not any(is_exported(tmp_path / name) for name in ("model", "run.onnx", "gone.onnx"))
    with pytest.raises(RunNotFoundError, match=r"gone\.onnx is no file"):
        load_format(tmp_path / "gone.onnx")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_without_description_is_refused(name, own, model):
    """Networks of other origin are not guessed at."""
    path = own / name
    if path.is_dir():
        (path / "assets.extra" / NAME).unlink()
    elif path.suffix == ".onnx":
        proto = onnx.load(path)
        del proto.metadata_props[:]
        onnx.save(proto, path)
    else:
        path.unlink()
        arguments = {"format": "litert", "verbose": False} if path.suffix == ".tflite" else {}
        (model.export if arguments else model.save)(path, **arguments)

    with pytest.raises(DamagedStoreError, match="description"):
        load_format(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused(name, own):
    """Bytes that are changed in the middle, or no network at all, end in a message."""
    path = own / name if "." in name else own / name / "saved_model.pb"
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * (len(content) - 4000) + content[-3960:])

    with pytest.raises(DamagedStoreError, match=re.escape(str(own / name))):
        load_format(own / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_of_another_network_is_refused(name, model, tmp_path):
    """Labels and size have to be those of the network."""
    for number, changes in enumerate(({"labels": ("a", "b")}, {"decoder": Decoder(SIZE_PX + 1)})):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        # Size and labels are part of a SavedModel's graph, so there the description alone is exchanged.
        format_of(path).write(model, path, describe() if path.suffix == "" else describe(**changes))
        if path.is_dir():
            (path / "assets.extra" / NAME).write_text(describe(**changes).to_json())

        with pytest.raises(DamagedStoreError, match="but its network goes from"):
            load_format(path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"schema": 2, "labels": ["a"], "decoder": {"size_px": 12}, "origin": {}}',
        '{"schema": 1, "labels": [], "decoder": {"size_px": 12}, "origin": {}}',
        '{"schema": 1, "labels": [1], "decoder": {"size_px": 12}, "origin": {}}',
        '{"schema": 1, "labels": ["a"], "decoder": {"size_px": 1000000}, "origin": {}}',
        '{"schema": 1, "labels": ["a"], "decoder": {"size_px": 12, "resize": "magic"}, "origin": {}}',
        '{"schema": 1, "labels": ["a"], "decoder": {"size_px": "12"}, "origin": {}}',
    ],
)
def test_an_absurd_description_is_refused(text, own):
    """Whatever stands in it, it is read as plain values and checked."""
    (own / "model" / "assets.extra" / NAME).write_text(text)

    with pytest.raises(DamagedStoreError, match="description"):
        load_format(own / "model")


def test_an_onnx_file_that_reads_other_files_is_refused(own):
    """Its numbers could be those of any file."""
    proto = onnx.load(own / "model.onnx")
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")
    (own / "model.onnx").write_bytes(proto.SerializeToString())

    with pytest.raises(DamagedStoreError, match="from other files"):
        load_format(own / "model.onnx")


def test_a_keras_file_that_runs_code_is_refused(own):
    """Safe mode, as for heads."""
    pixels = keras.Input((SIZE_PX, SIZE_PX, 3))
    path = own / "model.keras"
    with zipfile.ZipFile(path) as archive:
        text = archive.read(NAME)
    keras.Model(pixels, keras.layers.Lambda(lambda x: x[:, 0, 0])(pixels)).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAME, text)

    with pytest.raises(DamagedStoreError, match="safe mode"):
        load_format(path)


class _Reading(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.float32, name="pixels")])
    def pixels(self, pixels):
        number = tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
        return {"scores": number + pixels[:, 0, 0]}


class _Writing(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.float32, name="pixels")])
    def pixels(self, pixels):
        scores = pixels[:, 0, 0]
        # Inside a branch, which is a function of its own.
        tf.cond(tf.reduce_any(scores > 0), lambda: tf.io.write_file("written", "x"), tf.no_op)
        return {"scores": scores}


class _Looking(tf.Module):
    def __init__(self, file):
        super().__init__()
        rows = tf.lookup.TextFileInitializer(
            file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(rows, -1)

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.float32, name="pixels")])
    def pixels(self, pixels):
        return {"scores": tf.cast(self.table.lookup(tf.constant("a")), tf.float32) + pixels[:, 0, 0]}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: _Reading(), "the operation ReadFile"),
        (lambda _: _Writing(), "the operation WriteFile"),
        (_Looking, "an object of kind (asset|resource)"),
    ],
    ids=["reads", "writes", "looks up"],
)
def test_a_saved_model_that_does_more_than_compute_is_refused(make, reason, own, tmp_path):
    """A SavedModel is a program; one that reads or writes files is not loaded."""
    (tmp_path / "lines.txt").write_text("a\n")
    module, path = make(str(tmp_path / "lines.txt")), tmp_path / "hostile"
    tf.saved_model.save(module, str(path), signatures={"pixels": module.pixels})
    shutil.copytree(own / "model" / "assets.extra", path / "assets.extra")

    with pytest.raises(DamagedStoreError, match=reason):
        load_format(path)


@pytest.mark.parametrize(("module", "library"), [(onnx_file, "onnxruntime"), (tflite_file, "ai_edge_litert")])
def test_a_missing_package_is_named(module, library, monkeypatch):
    """With the command that installs it."""
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == library else object())

    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[(onnx|tflite)\]'"):
        module.require()
