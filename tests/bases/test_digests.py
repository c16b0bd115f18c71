"""Tensor digests: what weights are, whatever file they came from, and the memory of them."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.bases.digests import DigestMemory, TrunkInfo, growing_digests, tensor_digest
from pipeline.bases.model_file import load_model_file
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.bases.weights import load_base
from tests.bases.models import save_classifier
from tests.bases.networks import small_base


@dataclass
class Layer:
    """All that a digest looks at."""

    name: str
    weights: list[np.ndarray] = field(default_factory=list)


def digest_of(values: list[float], *, name: str = "conv", shape: tuple[int, ...] = (2, 2), dtype: str = "<f4") -> str:
    return tensor_digest([Layer(name, [np.array(values, dtype).reshape(shape)])])


def test_a_digest_is_a_sha256_of_the_content():
    """Equal content gives equal digests, of 64 hex digits."""
    assert digest_of([1, 2, 3, 4]) == digest_of([1, 2, 3, 4])
    assert len(digest_of([1, 2, 3, 4])) == 64
    int(digest_of([1, 2, 3, 4]), 16)


@pytest.mark.parametrize(
    "other",
    [
        digest_of([1, 2, 3, np.nextafter(np.float32(4), np.float32(5))]),
        digest_of([1, 3, 2, 4]),
        digest_of([1, 2, 3, 4], name="conv_1"),
        digest_of([1, 2, 3, 4], shape=(4,)),
        digest_of([1, 2, 3, 4], dtype="<f8"),
        tensor_digest([Layer("conv", [np.float32([1, 2]), np.float32([3, 4])])]),
        tensor_digest([]),
    ],
    ids=["last bit", "order of values", "layer name", "shape", "dtype", "number of tensors", "nothing"],
)
def test_a_digest_tells_tensors_apart(other: str):
    """The smallest change of a value, and the same bytes as another tensor, both show."""
    assert other != digest_of([1, 2, 3, 4])


def test_a_digest_depends_on_the_order_of_layers():
    """Two layers that exchange their weights are another network."""
    one, two = np.float32([1]), np.float32([2])

    assert tensor_digest([Layer("a", [one]), Layer("b", [two])]) != tensor_digest(
        [Layer("a", [two]), Layer("b", [one])]
    )
    assert tensor_digest([Layer("a", [one]), Layer("b", [two])]) != tensor_digest(
        [Layer("b", [two]), Layer("a", [one])]
    )


def test_memory_layout_does_not_matter():
    """A transposed view and its copy are the same tensor."""
    view = np.arange(6, dtype=np.float32).reshape(2, 3).T

    assert tensor_digest([Layer("a", [view])]) == tensor_digest([Layer("a", [view.copy(order="C")])])


def test_a_change_of_any_tensor_of_a_network_shows():
    """Each kernel and each bias of a real base, moved by the least step, gives a digest of its own."""
    base = build_base(BASES["squeezenet"], 32)
    digests = [tensor_digest(base.layers)]
    for weight in base.weights:
        values = weight.numpy()
        values.flat[-1] = np.nextafter(values.flat[-1], np.float32(np.inf))
        weight.assign(values)
        digests.append(tensor_digest(base.layers))

    assert len(base.weights) == 50
    assert len(set(digests)) == 51


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_a_digest_survives_every_file_format(suffix: str, tmp_path: Path):
    """Weights saved and loaded are the same weights, batch statistics included."""
    base = small_base("mobilenetv2")
    file = tmp_path / f"saved{suffix}"
    if suffix == ".weights.h5":
        base.save_weights(file)
    else:
        keras.saving.save_model(base, file)

    loaded = load_base(BASES["mobilenetv2"], 32, file)

    assert tensor_digest(loaded.layers) == tensor_digest(base.layers)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A stand-in for a weights file; the memory never reads it."""
    file = tmp_path / "some.weights.h5"
    file.write_bytes(b"tensors")
    return file


TRUNK = TrunkInfo("ab" * 32, 14_714_688, depth=19)


def test_nothing_is_known_before_the_first_time(weights: Path, tmp_path: Path):
    """A memory without a file has no answer."""
    assert DigestMemory(tmp_path / "home").recall(weights, "vgg16", "block5_pool") is None


def test_a_trunk_is_remembered_by_the_next_process(weights: Path, tmp_path: Path):
    """Digest and parameters are recalled from the disk, for this base and this cut only."""
    DigestMemory(tmp_path).remember(weights, "vgg16", "block5_pool", TRUNK)

    memory = DigestMemory(tmp_path)

    assert memory.recall(weights, "vgg16", "block5_pool") == TRUNK
    assert memory.recall(weights, "vgg16", "block4_pool") is None
    assert memory.recall(weights, "vgg19", "block5_pool") is None


def test_a_trunk_that_was_asked_for_by_its_block_is_known_by_its_layer(weights: Path, tmp_path: Path):
    """It is the same trunk, and nothing has to be computed again."""
    DigestMemory(tmp_path).remember(weights, "vgg16", "block4", replace(TRUNK, layer="block4_pool"))
    memory = DigestMemory(tmp_path)

    assert memory.recall(weights, "vgg16", "block4_pool") == replace(TRUNK, layer=None)
    assert memory.recall(weights, "vgg16", "block4_conv1") is None
    assert memory.recall(weights, "vgg19", "block4_pool") is None


def test_a_trunk_without_depth_is_known(weights: Path, tmp_path: Path):
    """Versions before 0.3 did not write it down; what they wrote is true."""
    known = replace(TRUNK, depth=None)
    DigestMemory(tmp_path).remember(weights, "vgg16", "block5_pool", known)

    assert "depth" not in (tmp_path / "weights" / "digests.json").read_text()
    assert DigestMemory(tmp_path).recall(weights, "vgg16", "block5_pool") == known


def test_a_weights_file_is_known_by_its_bytes(weights: Path, tmp_path: Path):
    """A renamed file is recognised; one that was written over is not."""
    memory = DigestMemory(tmp_path)
    memory.remember(weights, "vgg16", "block5_pool", TRUNK)
    renamed = weights.rename(tmp_path / "other-name.h5")

    assert memory.recall(renamed, "vgg16", "block5_pool") == TRUNK

    renamed.write_bytes(b"Tensors")

    assert memory.recall(renamed, "vgg16", "block5_pool") is None


def test_trunks_are_added_to_those_known(weights: Path, tmp_path: Path):
    """Two cuts of one base are remembered side by side, and the last word on one counts."""
    other = TrunkInfo("cd" * 32, 7)
    DigestMemory(tmp_path).remember(weights, "vgg16", "block5_pool", TRUNK)
    DigestMemory(tmp_path).remember(weights, "vgg16", "block4_pool", TRUNK)
    DigestMemory(tmp_path).remember(weights, "vgg16", "block4_pool", other)

    memory = DigestMemory(tmp_path)

    assert memory.recall(weights, "vgg16", "block5_pool") == TRUNK
    assert memory.recall(weights, "vgg16", "block4_pool") == other
    assert [file.name for file in (tmp_path / "weights").iterdir()] == ["digests.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "\x00\xff", '{"KEY": 7}', '{"KEY": "text"}', '{"KEY": {}}', '{"KEY": {"digest": "a"}}',
     '{"KEY": {"digest": "a", "parameters": "many"}}', '{"KEY": [1, 2]}'],
)  # fmt: skip
def test_a_damaged_memory_is_an_empty_one(text: str, weights: Path, tmp_path: Path):
    """It is only a cache: whatever the file contains, the trunk is computed again and remembered."""
    memory = DigestMemory(tmp_path)
    memory.remember(weights, "vgg16", "block5_pool", TRUNK)
    file = tmp_path / "weights" / "digests.json"
    key = file.read_text().split('"')[1]
    file.write_text(text.replace("KEY", key))

    assert memory.recall(weights, "vgg16", "block5_pool") is None

    memory.remember(weights, "vgg16", "block5_pool", TRUNK)

    assert memory.recall(weights, "vgg16", "block5_pool") == TRUNK


def graph_digest(file: Path) -> str:
    *_, digest = growing_digests(load_model_file(file).layers, with_graph=True)
    return digest


def test_the_graph_of_a_model_file_is_part_of_its_digest(tmp_path):
    """An activation has no tensors, and neither has the order of the layers; both change every row."""
    file = save_classifier(tmp_path / "flowers.keras")
    same = save_classifier(tmp_path / "again.h5")
    other = save_classifier(tmp_path / "other.keras", activation="tanh")

    assert graph_digest(file) == graph_digest(same) != graph_digest(other)
    assert tensor_digest(load_model_file(file).layers) == tensor_digest(load_model_file(other).layers)


def test_connections_are_part_of_it(tmp_path):
    """The same layers, one of them taken from another place."""

    def save(name: str, *, skips: bool) -> Path:
        keras.utils.set_random_seed(0)
        pixels = keras.Input((8, 8, 3))
        first = keras.layers.Conv2D(3, 1, name="first")(pixels)
        second = keras.layers.Conv2D(3, 1, name="second")(pixels if skips else first)
        keras.Model(pixels, keras.layers.Add(name="sum")([first, second])).save(tmp_path / name)
        return tmp_path / name

    assert graph_digest(save("a.keras", skips=False)) != graph_digest(save("b.keras", skips=True))


def test_the_size_of_the_images_is_not(tmp_path):
    """It is another field of the recipe: the digest of a file is computed once."""
    file = save_classifier(tmp_path / "flowers.keras")
    *_, larger = growing_digests(load_model_file(file, 48).layers, with_graph=True)

    assert larger == graph_digest(file)
