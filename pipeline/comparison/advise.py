"""Measure a sample of the images: which regime suits them, and what each regime costs on this machine."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bases.classify import class_probabilities
from pipeline.bases.files import home_folder, weights_file
from pipeline.cache.store import Store
from pipeline.comparison.advice import Evidence, Recommendation, advise_regime
from pipeline.comparison.command import command_on
from pipeline.comparison.leftovers import LeftRows, describe_left, left_rows, row_bytes
from pipeline.comparison.samples import decoding_seconds
from pipeline.errors import WeightsUnavailableError
from pipeline.html import show_table
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import require_pixels
from pipeline.images.summary import Skipped
from pipeline.settings import FeatureSettings, Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.missing import missing_items
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_two.linear.fit import cross_validated_accuracy
from pipeline.stage_two.spec import DEFAULT_LAYERS, parse_layers

if TYPE_CHECKING:
    import keras

_EARLY_SHARE = 0.3
"""Position of the early layer among the layers where the base can be divided."""


@dataclass(frozen=True)
class RegimeCosts:
    """What one regime costs on this machine."""

    regime: str
    stage_one_seconds: float
    """Once, for the rows that are still missing."""

    seconds_per_epoch: float
    megabytes: float
    """On disk, of the rows that are still missing."""


@dataclass(frozen=True, repr=False)
class Advice:
    """A recommended regime, the evidence for it, and the costs of each regime on this machine."""

    evidence: Evidence
    """What was measured on the sample."""

    early_layer: str
    num_sample: int
    """Number of images in the sample."""

    advice: Recommendation
    command: str
    """Command that trains as recommended."""

    costs: Sequence[RegimeCosts]
    """Of the images whose rows are still missing, and of the training."""

    left: Sequence[LeftRows] = ()
    """Rows of the sample that stay in the cache."""

    use: Mapping[str, Any] = field(default_factory=dict)
    """What became of the images: {classes, unlabelled, skipped, ignored}; see `pipeline.images.summary.ImageUse`. Of damaged ones those
    of the sample are known."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "evidence": self.evidence.as_dict() | {"early_layer": self.early_layer, "sample": self.num_sample},
            "advice": self.advice.as_dict() | {"command": self.command},
            "costs": [asdict(row) for row in self.costs],
            "left": [entry.as_dict() for entry in self.left],
            **self.use,
        }

    def __repr__(self) -> str:
        return f"Advice({self.advice.regime!r}, command={self.command!r})"

    def _repr_html_(self) -> str:
        """The recommendation, its reasons, and the costs as a table."""
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.advice.reasons)
        rows = [
            {
                "regime": row.regime,
                "stage one s": round(row.stage_one_seconds),
                "s per epoch": f"{row.seconds_per_epoch:.1f}",
                "MB on disk": f"{row.megabytes:.1f}",
            }
            for row in self.costs
        ]
        left = f"<pre>{html.escape(describe_left(self.left))}</pre>"
        run = f"Run: <code>{html.escape(self.command)}</code>"
        return f"<p>{html.escape(self.advice.summary)} {run}</p><ul>{reasons}</ul>{show_table(rows)}{left}"


def advise(manifest: Manifest, settings: Settings, *, num_sample: int = 200) -> Advice:
    """Recommend a regime, with the reasons and the costs.

    Args:
        manifest: The images, with labels.
        settings: Features, folders and compute.
        num_sample: Number of training images to measure; their features go into the cache.
    """
    from pipeline.bases.cut import cut_before, valid_cuts
    from pipeline.bases.weights import load_base

    require_pixels(manifest, "`advise`")
    settings = settings.with_changes(cut=None)
    features = settings.features
    spec = features.spec
    size = features.size or spec.native_px
    sample = _sample(manifest, num_sample)
    base = load_base(spec, size, weights_file(spec, features.weights, home_folder()), precision=features.precision)
    cuts = valid_cuts(base)
    early_layer = cuts[int(len(cuts) * _EARLY_SHARE)]
    early, late = _probe(sample, settings.with_changes(cut=early_layer)), _probe(sample, settings)
    train = manifest.split("train")
    evidence = Evidence(
        images_per_class=len(train) / len(manifest.classes),
        early_accuracy=early.accuracy,
        late_accuracy=late.accuracy,
        chance=max(Counter(train.labels).values()) / len(train),
        top_confidence=_top_confidence(sample, settings),
    )
    advice = advise_regime(evidence, _layers_after(base, cuts[0]))
    decoding = decoding_seconds(sample, settings.make_decoder(size))
    costs, probes = _costs(manifest, base, None, late, decoding), [early, late]
    if advice.first:
        boundary = _probe(sample, settings.with_changes(cut=cut_before(base, advice.first)))
        costs += _costs(manifest, base, advice.first, boundary, decoding)
        probes.append(boundary)
    return Advice(
        evidence=evidence,
        early_layer=early_layer,
        num_sample=len(sample),
        advice=advice,
        command=_command(manifest, features, advice.first),
        costs=costs,
        left=[probe.left for probe in probes if probe.left],
        use=_use(manifest, late.skipped),
    )


def _layers_after(base: "keras.Model", cut: str) -> list[str]:
    """Names of the layers with weights after a cut."""
    names = [layer.name for layer in base.layers]
    return [layer.name for layer in base.layers[names.index(cut) + 1 :] if layer.weights]


def _command(manifest: Manifest, features: FeatureSettings, first: str | None) -> str:
    """The command that trains a head, or the base from a layer on."""
    if first is None:
        return command_on(manifest, features, "head")
    return command_on(manifest, features, "finetune", "--from", first)


def _use(manifest: Manifest, skipped: tuple[Skipped, ...]) -> dict[str, Any]:
    """What became of the images, where some turned out to be unreadable after the scan."""
    gone = {entry.path for entry in skipped}
    used = manifest.select([row for row, name in enumerate(manifest.names) if name not in gone])
    return replace(used, skipped=skipped).use.as_dict()


@dataclass(frozen=True)
class _Probe:
    """How well features at one cut separate the classes, and where they are."""

    accuracy: float
    """Of a linear head on pooled features, cross-validated."""

    store: Store
    left: LeftRows | None
    """Rows that were added to the store."""

    skipped: tuple[Skipped, ...]
    """Images that were skipped, in the scan and in the sample."""


def _sample(manifest: Manifest, count: int) -> Manifest:
    """Training images, the same number of each class, and the same images at every call."""
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
    accuracy = cross_validated_accuracy(X, done.manifest.targets)
    return _Probe(accuracy, done.store, left_rows(done.store, done.num_new), done.manifest.skipped)


def _top_confidence(sample: Manifest, settings: Settings) -> float | None:
    rows = list(range(0, len(sample), max(1, len(sample) // 32)))
    features = settings.features
    spec = features.spec
    if not spec.has_imagenet_top:
        return None  # its classes are not those of ImageNet
    decoder = settings.with_changes(size=None).make_decoder(spec.native_px)
    try:
        probabilities, _ = class_probabilities(
            sample.select(rows), spec, features.weights, decoder, batch_size=settings.compute.batch_size
        )
    except WeightsUnavailableError:
        return None
    return float(probabilities.max(axis=1).mean()) if len(probabilities) else None


def _costs(
    manifest: Manifest, base: "keras.Model", first: str | None, probe: _Probe, decoding: float
) -> list[RegimeCosts]:
    """The costs of a regime from the cache and live, from a few measured steps. Only rows that are missing cost anything."""
    from pipeline.comparison.costs import measure_costs

    measured = measure_costs(base, first, parse_layers(DEFAULT_LAYERS), len(manifest.classes))
    trunk = max(measured.trunk, decoding)  # decoding and the trunk run at the same time
    num_train, num_watched = len(manifest.split("train")), len(manifest.split("validation"))
    epoch = num_train * measured.step + num_watched * measured.infer
    what = "head" if first is None else "fine-tuning"
    num_missing = len(missing_items(manifest, probe.store, (0,)))
    megabytes = num_missing * row_bytes(probe.store) / 1e6
    return [
        RegimeCosts(f"{what}, cached", num_missing * trunk, epoch, megabytes),
        RegimeCosts(f"{what}, live", 0.0, epoch + (num_train + num_watched) * trunk, 0.0),
    ]
