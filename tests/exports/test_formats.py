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
from pipeline.exports.description import KEY, NAME, add_member
from pipeline.exports.formats import FORMATS, format_of, is_exported, load_format
from pipeline.exports.saved_model import load_serving
from pipeline.images.decoding.decoder import Decoder
from pipeline.tasks.classification import Classification
from tests.cli.commands import start
from tests.exports.models import LABELS, SIZE_PX, describe, make_model, make_pixels

NAMES = tuple(f"model{ending}" for ending in FORMATS)

# From Python 3.12 on flatbuffers' import of numpy gives a warning, and so does a helper of onnx that tf2onnx still uses.
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
    """The search for nearest neighbours consists of operations that every format has."""
    model, path = make_model("knn"), tmp_path / f"model{ending}"
    FORMATS[ending].write(model, path, describe())
    _, predict = FORMATS[ending].load(path)
    pixels = make_pixels(20)

    np.testing.assert_allclose(predict(pixels), model.predict(pixels, verbose=0), atol=1e-6)


def test_tflite_prints_nothing(folder):
    """The interpreter says once in a process that it made a delegate: not on a user's terminal."""
    code = (
        "import sys; from pathlib import Path; import numpy as np; from pipeline.exports.tflite_file import load\n"
        f"_, predict = load(Path(sys.argv[1])); predict(np.zeros((2, {SIZE_PX}, {SIZE_PX}, 3), np.float32))"
    )
    outcome = start("-c", code, folder / "model.tflite")

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


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
    """The message lists the formats."""
    with pytest.raises(SettingError, match=rf"name\.keras, name\.onnx, name\.tflite, or .* Received: .*{name}"):
        format_of(Path("out") / name)


def test_exported_files_are_recognised(folder, tmp_path):
    """A run's folder, a file without ending, and what is not there are something else."""
    (tmp_path / "model").write_bytes(b"")
    (tmp_path / "run.onnx").mkdir()

    assert all(is_exported(folder / name) for name in NAMES)
    assert not any(is_exported(tmp_path / name) for name in ("model", "run.onnx", "gone.onnx"))
    with pytest.raises(RunNotFoundError, match=r"gone\.onnx is no file"):
        load_format(tmp_path / "gone.onnx")


def without_description(path):
    """A TFLite file as TensorFlow wrote it: the archive at its end is left out."""
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes()[: min(member.header_offset for member in archive.infolist())]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_without_description_is_refused(name, own, model):
    """The labels and the decoder of another network are unknown."""
    path = own / name
    if path.is_dir():
        (path / "assets.extra" / NAME).unlink()
    elif path.suffix == ".onnx":
        proto = onnx.load(path)
        del proto.metadata_props[:]
        onnx.save(proto, path)
    elif path.suffix == ".tflite":
        path.write_bytes(without_description(path))
    else:
        path.unlink()
        model.save(path)

    with pytest.raises(DamagedStoreError, match="description"):
        load_format(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused(name, own):
    """Changed bytes in the middle of a file end in a message."""
    path = own / name if "." in name else own / name / "saved_model.pb"
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * (len(content) - 4000) + content[-3960:])

    with pytest.raises(DamagedStoreError, match=re.escape(str(own / name))):
        load_format(own / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_of_another_network_is_refused(name, model, own):
    """Labels and size have to be those of the network."""
    path = own / name
    for changes in ({"task": Classification(("a", "b"))}, {"decoder": Decoder(SIZE_PX + 1)}):
        if path.is_dir():  # the labels are part of its graph too, so the description alone is exchanged
            (path / "assets.extra" / NAME).write_text(describe(**changes).to_json())
        elif path.suffix == ".tflite":
            path.write_bytes(without_description(path))
            add_member(path, describe(**changes))
        else:
            format_of(path).write(model, path, describe(**changes))

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
    """It is read as plain values, and each of them is checked."""
    (own / "model" / "assets.extra" / NAME).write_text(text)

    with pytest.raises(DamagedStoreError, match="description"):
        load_format(own / "model")


def test_an_onnx_file_that_reads_other_files_is_refused(own):
    """Its weights could be the bytes of any file."""
    proto = onnx.load(own / "model.onnx")
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")
    (own / "model.onnx").write_bytes(proto.SerializeToString())

    with pytest.raises(DamagedStoreError, match="from other files"):
        load_format(own / "model.onnx")


def test_a_keras_file_that_runs_code_is_refused(own):
    """Keras files are loaded in safe mode, as those of heads are."""
    pixels = keras.Input((SIZE_PX, SIZE_PX, 3))
    path = own / "model.keras"
    with zipfile.ZipFile(path) as archive:
        text = archive.read(NAME)
    keras.Model(pixels, keras.layers.Lambda(lambda x: x[:, 0, 0])(pixels)).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAME, text)

    with pytest.raises(DamagedStoreError, match="safe mode"):
        load_format(path)


@pytest.mark.parametrize(("module", "library"), [(onnx_file, "onnxruntime"), (tflite_file, "ai_edge_litert")])
def test_a_missing_package_is_named(module, library, monkeypatch):
    """With the command that installs it."""
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == library else object())

    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[(onnx|tflite)\]'"):
        module.require()
