"""Advice as a verb: measure a sample, then say which regime suits, and what each would cost on this machine."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bases.zoo import find_base
from pipeline.cache.audit import seconds_to_make
from pipeline.comparison.advice import Evidence, advise_regime
from pipeline.errors import WeightsUnavailableError
from pipeline.images.manifest import Manifest
from pipeline.stage_two.linear import cross_validated_accuracy
from pipeline.verbs.classify import class_probabilities
from pipeline.verbs.options import Options
from pipeline.verbs.rows import extract, manifest_of

if TYPE_CHECKING:
    import keras

_EARLY_SHARE = 0.3
"""An early layer lies behind this share of the layers where the base can be divided."""

# Forward and backward through a trained layer cost about three times its forward pass.
_BACKWARD_FACTOR = 3.0


def advise(data: str | Path | Manifest, *, num_sample: int = 200, options: Options | None = None) -> dict[str, Any]:
    """Recommend a regime, with the reasons and the costs.

    Args:
        data: What `scan` takes, or a manifest.
        num_sample: Training images to look at; their features go into the cache.
        options: Base and places.

    Returns:
        {evidence, advice, costs: one entry a regime}.
    """
    from pipeline.bases.cut import cut_before, valid_cuts

    chosen = options or Options()
    manifest = manifest_of(data, chosen)
    manifest.require_task()
    sample = _sample(manifest, num_sample)
    base = _build(chosen)
    cuts = valid_cuts(base)
    early_cut = cuts[int(len(cuts) * _EARLY_SHARE)]
    early, late = _probe(sample, replace(chosen, cut=early_cut), pool="avg"), _probe(sample, chosen)
    train = manifest.split("train")
    evidence = Evidence(
        images_a_class=len(train) / len(manifest.classes),
        early_accuracy=early.accuracy,
        late_accuracy=late.accuracy,
        chance=max(Counter(train.labels).values()) / len(train),
        top_confidence=_top_confidence(sample, chosen),
    )
    advice = advise_regime(evidence, cuts)
    boundary = _probe(sample, replace(chosen, cut=cut_before(base, advice.first))) if advice.first else late
    return {
        "evidence": asdict(evidence) | {"early_layer": early_cut, "sample": len(sample)},
        "advice": asdict(advice),
        "costs": _costs(manifest, late, boundary),
    }


@dataclass(frozen=True)
class _Probe:
    """What a sample's features at one cut are worth and cost."""

    accuracy: float
    """Of a linear head on pooled features, cross-validated."""

    seconds: float
    """Of the trunk, for each image."""

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


def _build(options: Options) -> "keras.Model":
    from pipeline.bases.network import build_base

    spec = find_base(options.base)
    return build_base(spec, options.size or spec.native_px)


def _probe(sample: Manifest, options: Options, *, pool: str = "none") -> _Probe:
    done = extract(sample, pool=pool, options=options)
    X = done.store.read(done.keys(), pooling="avg")
    seconds = seconds_to_make(done.store, len(X)) or done.seconds
    size = sum(path.stat().st_size for path in done.store.shard_paths()) / len(done.store)
    accuracy = cross_validated_accuracy(X, done.manifest.label_ids(sample.classes))
    return _Probe(accuracy, seconds / len(X), size / 1e6)


def _top_confidence(sample: Manifest, options: Options) -> float | None:
    rows = list(range(0, len(sample), max(1, len(sample) // 32)))
    try:
        probabilities, _ = class_probabilities(sample.select(rows), options)
    except WeightsUnavailableError:
        return None
    return float(probabilities.max(axis=1).mean()) if len(probabilities) else None


def _costs(manifest: Manifest, late: _Probe, boundary: _Probe) -> list[dict[str, Any]]:
    """Seconds once, seconds an epoch and MB for each regime, from the measured sample."""
    num_all, num_train = len(manifest), len(manifest.split("train"))
    num_watched = num_train + len(manifest.split("validation"))
    tail_epoch = max(late.seconds - boundary.seconds, 0.0) * (num_train * _BACKWARD_FACTOR + num_watched - num_train)
    rows = [
        ("head on cached features", num_all * late.seconds, 0.0, num_all * late.megabytes),
        ("head, live and augmented", 0.0, num_watched * late.seconds, 0.0),
    ]
    if boundary is not late:
        rows += [
            ("fine-tuning from cached features", num_all * boundary.seconds, tail_epoch, num_all * boundary.megabytes),
            ("fine-tuning, live and augmented", 0.0, num_watched * boundary.seconds + tail_epoch, 0.0),
        ]
    names = ("regime", "stage_one_seconds", "seconds_per_epoch", "megabytes")
    return [dict(zip(names, row, strict=True)) for row in rows]
