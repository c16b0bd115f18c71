"""Where a base can be divided: checked by brute force, and trunk plus tail against the undivided base."""

import keras
import numpy as np
import pytest

from pipeline.bases.cut import (
    check_cut,
    cut_before,
    divide,
    first_layer,
    last_layer,
    trunk_layers,
    valid_cuts,
)
from pipeline.bases.digests import tensor_digest
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.errors import InvalidCutError
from tests.bases.networks import run, small_base


def dividing_layers(base: keras.Model) -> list[str]:
    """By brute force: the layers without which no path leads from the input to the output."""
    names = {layer.name for layer in base.layers}
    feeds = {
        layer.name: [node.operation.name for node in layer._outbound_nodes if node.operation.name in names]
        for layer in base.layers
    }
    start, end = base.layers[0].name, base.layers[-1].name

    def connected_without(removed: str) -> bool:
        seen, waiting = {removed}, [start]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += feeds[name]
        return end in seen - {removed}

    return [layer.name for layer in base.layers[1:] if not connected_without(layer.name)]


@pytest.mark.parametrize(
    "name", ["vgg16", "squeezenet", "resnet50", "mobilenetv2", "densenet121", "inceptionv3", "nasnetmobile"]
)
def test_a_valid_cut_is_a_layer_that_disconnects_the_graph(name: str):
    """Taking the layer away leaves no path from input to output, and no other layer does that."""
    base = small_base(name)

    assert valid_cuts(base) == dividing_layers(base)


def test_a_chain_can_be_cut_at_every_layer():
    """VGG16 has no branches; only its input is no cut."""
    base = small_base("vgg16")

    assert valid_cuts(base) == [layer.name for layer in base.layers[1:]]


def test_a_published_cut_has_its_shape_and_parameters():
    """VGG19 at 256 px, cut at block2_pool, gives (64, 64, 128) from 260,160 parameters."""
    trunk, tail = divide(build_base(BASES["vgg19"], 256), "block2_pool")

    assert trunk.output_shape == (None, 64, 64, 128)
    assert trunk.count_params() == 260_160
    assert tail is not None
    assert tail.count_params() == 20_024_384 - 260_160


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("vgg16", "block1_conv1"),
        ("vgg16", "block4_pool"),
        ("squeezenet", "fire5_concat"),
        ("mobilenetv2", "block_6_expand_relu"),
        ("resnet50", "conv3_block4_out"),
        ("efficientnetb0", "block3a_expand_activation"),
    ],
)
def test_trunk_and_tail_are_the_whole_base(name: str, cut: str):
    """Images through the trunk and then the tail give what the undivided base gives."""
    base = small_base(name)
    size_px = BASES[name].smallest_px
    images = np.random.default_rng(0).normal(0, 1, (2, size_px, size_px, 3)).astype(np.float32)
    whole = run(base, images)

    trunk, tail = divide(base, cut)
    assert tail is not None
    joined = run(tail, run(trunk, images))

    assert np.abs(whole).max() > 0
    np.testing.assert_allclose(joined, whole, rtol=1e-4, atol=1e-5 * np.abs(whole).max())
    assert trunk.count_params() + tail.count_params() == base.count_params()


def test_trunk_and_tail_share_their_weights_with_the_base():
    """Training the tail trains the base; nothing is copied."""
    base = small_base("squeezenet")

    trunk, tail = divide(base, "fire5_concat")

    assert tail is not None
    assert [id(weight) for weight in trunk.weights + tail.weights] == [id(weight) for weight in base.weights]


def test_a_cut_at_the_last_layer_leaves_no_tail():
    """The classical bottleneck is the whole base as trunk."""
    base = small_base("squeezenet")

    trunk, tail = divide(base, "fire9_concat")

    assert tail is None
    assert trunk.count_params() == base.count_params()


@pytest.mark.parametrize("name", ["squeezenet", "mobilenetv2", "densenet121", "inceptionv3"])
def test_the_trunks_layers_are_known_without_building_it(name: str):
    """At every cut they are those of the built trunk, in its order, so both have one digest."""
    base = small_base(name)
    cuts = valid_cuts(base)

    for cut in cuts[:: max(1, len(cuts) // 12)]:
        listed = trunk_layers(base, cut)
        trunk, _ = divide(base, cut)

        assert [layer.name for layer in listed] == [layer.name for layer in trunk.layers], cut
        assert tensor_digest(listed) == tensor_digest(trunk.layers), cut


def test_dividing_changes_no_cut():
    """A base that was divided can be divided again anywhere."""
    base = small_base("mobilenetv2")
    before = valid_cuts(base)

    divide(base, "block_6_expand_relu")

    assert valid_cuts(base) == before


@pytest.mark.parametrize(
    ("name", "cut", "nearest"),
    [
        ("squeezenet", "fire4_expand1x1", "fire4_relu_squeeze1x1, fire4_concat"),
        ("resnet50", "conv2_block2_1_relu", "conv2_block1_out, conv2_block2_add"),
        ("mobilenetv2", "block_2_project_BN", "block_1_project_BN, block_2_add"),
    ],
)
def test_a_layer_that_a_path_passes_by_is_refused(name: str, cut: str, nearest: str):
    """The message names the last cut before it and the first one after it."""
    with pytest.raises(
        InvalidCutError,
        match=f"^'{cut}' does not divide {name}.*: a connection skips it. Nearest layers that do: {nearest}.$",
    ):
        divide(small_base(name), cut)


@pytest.mark.parametrize(
    ("cut", "near"), [("block4_pol", "block4_pool"), ("Block5_conv3", "block5_conv3"), ("zzz", "block5_pool")]
)
def test_an_unknown_layer_is_refused(cut: str, near: str):
    """The message names layers that are called like it, and the last one."""
    with pytest.raises(
        InvalidCutError, match=rf"^vgg16 has no layer '{cut}' to cut at\. Similar names: .*{near}.*; last: block5_pool"
    ):
        check_cut(small_base("vgg16"), cut)


def test_the_input_is_no_cut():
    """An empty trunk would cache the images themselves."""
    base = small_base("vgg16")

    with pytest.raises(InvalidCutError, match="block1_conv1"):
        divide(base, base.layers[0].name)


@pytest.mark.parametrize(
    ("name", "layer", "cut"),
    [
        ("vgg16", "block5_conv1", "block4_pool"),
        ("squeezenet", "fire4_relu_expand3x3", "fire4_relu_squeeze1x1"),
        ("resnet50", "conv5_block1_1_conv", "conv4_block6_out"),
    ],
)
def test_training_from_a_layer_on_cuts_before_it(name: str, layer: str, cut: str):
    """The layer and all after it are in the tail."""
    base = small_base(name)

    assert cut_before(base, layer) == cut


def test_there_is_no_cut_before_the_first_layer():
    """Training everything has no trunk that could be cached."""
    with pytest.raises(InvalidCutError, match="No layer before 'block1_conv1' divides vgg16; the first that does is"):
        cut_before(small_base("vgg16"), "block1_conv1")


def test_training_from_an_unknown_layer_is_refused():
    """The message names layers that are called like it."""
    expected = (
        r"vgg16 has no layer 'blok5' to train from\. Similar names: .*block5.*; blocks: block1, block2, .*block5\."
    )
    with pytest.raises(InvalidCutError, match=expected):
        cut_before(small_base("vgg16"), "blok5")


@pytest.mark.parametrize(
    ("name", "block", "first", "last"),
    [
        ("vgg16", "block5", "block5_conv1", "block5_pool"),
        ("squeezenet", "fire9", "fire9_squeeze1x1", "fire9_concat"),
        ("resnet50", "conv5", "conv5_block1_1_conv", "conv5_block3_out"),
        ("mobilenetv2", "block_2", "block_2_expand", "block_2_add"),
        ("vgg16", "block5_conv2", "block5_conv2", "block5_conv2"),
    ],
)
def test_a_block_stands_for_its_first_or_last_layer(name: str, block: str, first: str, last: str):
    """Training from a block on begins with its first layer, and a cut at a block is at its last one; layers stand for themselves."""
    base = small_base(name)

    assert (first_layer(base, block), last_layer(base, block)) == (first, last)
    assert cut_before(base, block) == cut_before(base, first)


def test_a_block_that_connections_skip_is_no_cut():
    """The sum behind the block has another name; the message names the nearest layers that divide the base."""
    with pytest.raises(
        InvalidCutError, match=r"in the block 'block2': connections skip .* divide it: block1_conv2_act, add"
    ):
        last_layer(small_base("xception"), "block2")
