"""A sample is measured: which regime suits, and what each would cost on this machine."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bases.classify import class_probabilities
from pipeline.bases.table import find_base
from pipeline.comparison.advice import Evidence, Recommendation, advise_regime
from pipeline.errors import UnreadableImageError, WeightsUnavailableError
from pipeline.images.decode import Decoder
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe, weights_file
from pipeline.stage_two.linear.fit import cross_validated_accuracy
from pipeline.stage_two.spec import DEFAULT_LAYERS, parse_layers

if TYPE_CHECKING:
    import keras

_EARLY_SHARE = 0.3
"""An early layer lies behind this share of the layers where the base can be divided."""


@dataclass(frozen=True)
class Advice:
    """A recommended regime, why, and what each regime costs on this machine."""

    evidence: Mapping[str, Any]
    """What was measured on the sample."""

    advice: Recommendation
    costs: Sequence[Mapping[str, Any]]
    """{regime, stage_one_seconds, seconds_per_epoch, megabytes} of each regime."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"evidence": dict(self.evidence), "advice": asdict(self.advice), "costs": list(self.costs)}


def advise(manifest: Manifest, settings: Settings, *, num_sample: int = 200) -> Advice:
    """Recommend a regime, with the reasons and the costs.

    Args:
        manifest: The images, with labels.
        settings: Features, folders and compute.
        num_sample: Training images to look at; their features go into the cache.
    """
    from pipeline.bases.cut import cut_before, valid_cuts
    from pipeline.bases.weights import load_base

    settings = settings.with_changes(cut=None)
    features = settings.features
    spec = find_base(features.base)
    size = features.size or spec.native_px
    manifest.require_task()
    sample = _sample(manifest, num_sample)
    base = load_base(spec, size, weights_file(spec.name, features.weights), precision=features.precision)
    cuts = valid_cuts(base)
    early_cut = cuts[int(len(cuts) * _EARLY_SHARE)]
    early, late = _probe(sample, settings.with_changes(cut=early_cut)), _probe(sample, settings)
    train = manifest.split("train")
    evidence = Evidence(
        images_a_class=len(train) / len(manifest.classes),
        early_accuracy=early.accuracy,
        late_accuracy=late.accuracy,
        chance=max(Counter(train.labels).values()) / len(train),
        top_confidence=_top_confidence(sample, settings),
    )
    names = [layer.name for layer in base.layers]
    after_a_cut = [layer for layer in base.layers[names.index(cuts[0]) + 1 :] if layer.weights]
    advice = advise_regime(evidence, [layer.name for layer in after_a_cut])
    decoding = decoding_seconds(sample, Decoder(size, features.resize, features.exif))
    costs = _costs(manifest, base, None, late.megabytes, decoding)
    if advice.first:
        boundary = _probe(sample, settings.with_changes(cut=cut_before(base, advice.first)))
        costs += _costs(manifest, base, advice.first, boundary.megabytes, decoding)
    return Advice(asdict(evidence) | {"early_layer": early_cut, "sample": len(sample)}, advice, costs)


@dataclass(frozen=True)
class _Probe:
    """What a sample's features at one cut are worth and cost."""

    accuracy: float
    """Of a linear head on pooled features, cross-validated."""

    megabytes: float
    """On the disk, for each image."""


def _sample(manifest: Manifest, count: int) -> Manifest:
    """Training images, evenly over the classes, the same ones at every call."""
    train = manifest.split("train")
    rng = np.random.default_rng(0)
    share = max(10, count // len(manifest.classes))
    rows: list[int] = []
    for label in manifest.classes:
        of_class = [row for row, name in enumerate(train.labels) if name == label]
        rows += [int(row) for row in rng.permutation(of_class)[:share]]
    return train.select(rows)


def _probe(sample: Manifest, settings: Settings) -> _Probe:
    done = ensure(sample, make_recipe(sample, settings)[0], settings)
    X = done.store.read(done.keys(), pooling="avg")
    size = sum(path.stat().st_size for path in done.store.shard_paths()) / len(done.store)
    return _Probe(cross_validated_accuracy(X, done.manifest.label_ids(sample.classes)), size / 1e6)


def _top_confidence(sample: Manifest, settings: Settings) -> float | None:
    rows = list(range(0, len(sample), max(1, len(sample) // 32)))
    features = settings.features
    spec = find_base(features.base)
    decoder = Decoder(spec.native_px, features.resize, features.exif)
    try:
        probabilities, _ = class_probabilities(
            sample.select(rows), spec, features.weights, decoder, batch_size=settings.compute.batch_size
        )
    except WeightsUnavailableError:
        return None
    return float(probabilities.max(axis=1).mean()) if len(probabilities) else None


def decoding_seconds(sample: Manifest, decoder: Decoder) -> float:
    """Reading and decoding, for each image, with a thread on each core."""

    def decode(row: int) -> None:
        with contextlib.suppress(UnreadableImageError):
            decoder.decode(sample.read(row))

    rows = range(min(len(sample), 64))
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, rows))
    return (time.perf_counter() - start) / len(rows)


def _costs(
    manifest: Manifest, base: "keras.Model", first: str | None, megabytes: float, decoding: float
) -> list[dict[str, Any]]:
    """Seconds once, seconds an epoch and MB, from the cache and live, by a few measured steps."""
    from pipeline.comparison.costs import measure_costs

    measured = measure_costs(base, first, parse_layers(DEFAULT_LAYERS), len(manifest.classes))
    trunk = max(measured.trunk, decoding)  # the one runs while the other does
    num_train, num_watched = len(manifest.split("train")), len(manifest.split("validation"))
    epoch = num_train * measured.step + num_watched * measured.infer
    what = "head" if first is None else "fine-tuning"
    names = ("regime", "stage_one_seconds", "seconds_per_epoch", "megabytes")
    rows = (
        (f"{what}, cached", len(manifest) * trunk, epoch, len(manifest) * megabytes),
        (f"{what}, live", 0.0, epoch + (num_train + num_watched) * trunk, 0.0),
    )
    return [dict(zip(names, row, strict=True)) for row in rows]
