"""Live images as a source: the same features and the same steps as from the cache."""

from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.bases.cut import cut_before
from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.find import find_base
from pipeline.bases.weights import load_base
from pipeline.images.augment import AUGMENTATIONS
from pipeline.images.decoding.decoder import Decoder
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_two.dense.batches import ArraySource
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import compile_inference, predict
from pipeline.stage_two.rows import load_rows
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from pipeline.training.finetune.live import LiveSource, live_forward
from pipeline.training.finetune.tail import Phase, build_top, fit_top
from tests.calls import extract, scan

TRAINING = Training(epochs=4, batch_size=8, learning_rate=1e-3, seed=5, keep="last")


def losses(photos: Path, settings: Settings, first: str, *, cached: bool) -> list[float]:
    """Loss of each step of training head and tail together, with dropout."""
    manifest = scan(photos, settings=settings)
    spec = find_base(settings.features.base)
    base = load_base(spec, settings.features.size, weights_file(spec, settings.features.weights, home_folder()))
    settings = settings.with_changes(cut=cut_before(base, first))
    top = build_top(
        base,
        settings.features.cut,
        parse_head("dense:8,relu,dropout:0.3"),
        pooling="avg",
        task=Classification(("a", "b")),
        seed=5,
    )
    if cached:
        done = ensure(manifest, make_recipe(manifest, settings)[0], settings)
        task = load_rows(done.manifest, done.store)
        forward, sources = top.forward, [ArraySource(part.X, part.y) for part in (task.train, task.validation)]
    else:
        forward = live_forward(top.trunk, top.forward, spec.native_preprocessing)
        parts = [manifest.split(name) for name in ("train", "validation")]
        sources = [LiveSource(part, part.targets, Decoder(settings.features.size), None, 5) for part in parts]
    steps: list[float] = []
    before = top.digests()
    fit_top(
        top,
        forward,
        Classification(("a", "b")),
        *sources,
        Phase("head and tail", TRAINING, first, base_rate=1e-4),
        steps=steps,
    )
    assert top.digests()["trunk"] == before["trunk"]
    assert top.digests()[first] != before[first]
    return steps


@pytest.mark.parametrize(
    ("base", "size", "first", "weights"),
    [
        ("squeezenet", 48, "fire9_squeeze1x1", "random"),  # a tail that branches
        ("mobilenet", 32, "conv_pw_13_bn", "random"),  # batch normalisation
        pytest.param("vgg16", 32, "block5_conv1", "imagenet", marks=pytest.mark.real),
    ],
)
def test_cached_and_live_training_take_the_same_steps(
    photos: Path, tmp_path: Path, base: str, size: int, first: str, weights: str
):
    """The losses of 12 steps in four epochs agree to 1e-4, so order, dropout and updates are the same."""
    settings = Settings.of(base=base, size=size, weights=weights, cache=tmp_path / "cache", runs=tmp_path / "runs")
    live = losses(photos, settings, first, cached=False)
    cached = losses(photos, settings, first, cached=True)

    assert len(cached) == 12
    assert len(set(cached)) > 9, "the weights must change, otherwise the test proves nothing"
    np.testing.assert_allclose(cached, live, rtol=1e-4)


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_live_features_are_the_stored_rows(photos, settings):
    """The features of live images are the stored rows."""
    manifest = scan(photos, settings=settings)
    done = extract(manifest, settings=settings)
    spec = find_base("squeezenet")
    base = load_base(spec, 48, weights_file(spec, "random", home_folder()))
    top = build_top(
        base, "fire9_concat", parse_head("softmax"), pooling="none", task=Classification(("a", "b")), seed=0
    )
    identity = keras.Sequential([keras.Input(top.trunk.output_shape[1:]), keras.layers.Identity()])
    source = LiveSource(manifest, manifest.targets, Decoder(48), None, 0)
    live = predict(
        compile_inference(live_forward(top.trunk, identity, find_base("squeezenet").native_preprocessing)), source
    )
    rows = done.store.read(done.keys())

    assert np.abs(live - rows).max() <= 1e-5 * np.abs(rows).max()


def test_augmentation_is_fresh_in_every_epoch_and_never_for_validation(photos):
    """Training images differ between epochs, repeatably; an evaluation (epoch -1) sees them without augmentation."""
    manifest = scan(photos).split("train")
    source = LiveSource(manifest, manifest.targets, Decoder(48), AUGMENTATIONS["r0"], 0)
    order = np.arange(4)
    first, second, plain = (next(source.blocks(order, 4, epoch=epoch)) for epoch in (0, 1, -1))

    assert not np.array_equal(first, second)
    assert np.array_equal(next(source.blocks(order, 4, epoch=0)), first)
    assert np.array_equal(plain, np.stack([Decoder(48).decode(manifest.read(row)) for row in range(4)]))


@pytest.mark.parametrize("num_images", [3, 24])
def test_blocks_are_batches_in_the_order_given(photos, num_images):
    """Also if there are fewer batches than are decoded ahead; the last batch may be smaller."""
    manifest = scan(photos).split("train")
    source = LiveSource(manifest, manifest.targets, Decoder(48), None, 0)
    order = np.random.default_rng(0).permutation(24)[:num_images]
    blocks = list(source.blocks(order, 2, epoch=0))

    assert [len(block) for block in blocks] == [2] * (num_images // 2) + [1] * (num_images % 2)
    expected = np.stack([Decoder(48).decode(manifest.read(row)) for row in order])
    assert np.array_equal(np.concatenate(blocks), expected)
