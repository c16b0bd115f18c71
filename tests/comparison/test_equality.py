"""Law of the comparison: without augmentation, training from the cache and end to end take the same steps."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bases.cut import cut_before
from pipeline.bases.table import find_base
from pipeline.bases.weights import load_base
from pipeline.images.decode import Decoder
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe, weights_file
from pipeline.stage_two.dense.batches import ArraySource
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.rows import load_task
from pipeline.stage_two.spec import parse_head
from pipeline.training.finetune.live import LiveSource, live_forward
from pipeline.training.finetune.tail import Phase, build_top, fit_top
from tests.calls import scan

TRAINING = Training(epochs=7, batch_size=8, learning_rate=1e-3, seed=5, keep="last")


def losses(photos: Path, options: Settings, first: str, *, cached: bool) -> list[float]:
    """The loss of each step of head and tail together, with dropout."""
    manifest = scan(photos, settings=options)
    spec = find_base(options.features.base)
    base = load_base(spec, options.features.size, weights_file(options))
    options = Settings.of(**{**vars(options), "cut": cut_before(base, first)})
    top = build_top(
        base, options.features.cut, parse_head("dense:8,relu,dropout:0.3"), pooling="avg", num_classes=2, seed=5
    )
    if cached:
        done = ensure(manifest, make_recipe(manifest, options)[0], options)
        task = load_task(done.manifest, done.store)
        forward, sources = top.forward, [ArraySource(part.X, part.y) for part in (task.train, task.validation)]
    else:
        forward = live_forward(top.trunk, top.forward, spec.native_preprocessing)
        parts = [manifest.split(name) for name in ("train", "validation")]
        sources = [
            LiveSource(part, part.label_ids(manifest.classes), Decoder(options.features.size), None, 5)
            for part in parts
        ]
    steps: list[float] = []
    before = top.digests()
    fit_top(top, forward, *sources, Phase("head and tail", TRAINING, first, base_rate=1e-4), steps=steps)
    assert top.digests()["trunk"] == before["trunk"]
    assert top.digests()[first] != before[first]
    return steps


@pytest.mark.parametrize(
    ("base", "size", "first", "weights"),
    [
        ("squeezenet", 48, "fire9_squeeze1x1", "random"),
        ("resnet50", 32, "conv5_block3_1_conv", "random"),
        ("mobilenetv2", 32, "block_16_expand", "random"),
        pytest.param("vgg16", 48, "block5_conv1", "imagenet", marks=pytest.mark.real),
    ],
)
def test_cached_and_live_training_take_the_same_steps(
    photos: Path, tmp_path: Path, base: str, size: int, first: str, weights: str
):
    """The loss of each of 21 steps agrees to 1e-4: order, dropout and updates included."""
    options = Settings.of(base=base, size=size, weights=weights, cache=tmp_path / "cache", runs=tmp_path / "runs")
    live = losses(photos, options, first, cached=False)
    cached = losses(photos, options, first, cached=True)

    assert len(cached) == 21
    assert len(set(cached)) > 15, "it must learn, or the comparison says nothing"
    np.testing.assert_allclose(cached, live, rtol=1e-4)
