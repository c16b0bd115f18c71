"""Train the chosen regimes on the same splits with the same seed, and put them into one table and one plot."""

import html
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.bases.trunks import trunk_of
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.cache.stores import made_from, seconds_to_make
from pipeline.comparison.break_even import BreakEven, RegimeResult, break_even
from pipeline.comparison.regimes import REGIMES
from pipeline.errors import SettingError
from pipeline.files import write_json
from pipeline.html import show_png, show_table
from pipeline.images.augment import Augmentation
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import require_pixels
from pipeline.images.summary import USES
from pipeline.runs.naming import numbered, plain_name
from pipeline.runs.plots.plots import draw_comparison
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS
from pipeline.training.finetune.assembly import cut_of
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head

# Fine-tuning starts from the head of the other regime, if that is compared too.
_HEAD_OF = {"cached-finetune": "dense", "finetune": "endtoend"}


@dataclass(frozen=True)
class ComparisonSettings:
    """Which regimes are compared, and the settings that they share."""

    regimes: tuple[str, ...] = ("linear", "dense", "endtoend")
    """Names of `REGIMES`."""

    head: str = DEFAULT_LAYERS
    """The dense head."""

    augmentation: Augmentation | None = None
    """Of the live regimes."""

    training: Training = field(default_factory=Training)
    first: str | None = None
    """First layer that the fine-tuning regimes train."""

    base_rate: float = 1e-5
    head_rate: float = 1e-5

    def __post_init__(self) -> None:
        unknown = set(self.regimes) - set(REGIMES)
        if unknown or not self.regimes:
            raise SettingError(f"Regimes are {', '.join(REGIMES)}. Received: {', '.join(self.regimes) or 'none'}.")
        if self.first is None and {"cached-finetune", "finetune"} & set(self.regimes):
            raise SettingError(
                "The fine-tuning regimes need the first layer to train: --from LAYER, such as --from block5 of vgg16. "
                "`bottleneck bases BASE --size N` lists the layers of a base."
            )

    @property
    def in_order(self) -> list[str]:
        """The regimes; those that train a head come before those that start from it."""
        return [regime for regime in REGIMES if regime in self.regimes]


@dataclass(frozen=True)
class Comparison:
    """Regimes side by side."""

    rows: Sequence[RegimeResult]
    """One per regime."""

    break_even: Mapping[str, BreakEven]
    """One per cached regime."""

    plot: Path | None
    """Accuracy against seconds; None if it could not be drawn."""

    augmentation: str | None = None
    """Of the live regimes, as text; None if there are none."""

    use: Mapping[str, Any] = field(default_factory=dict)
    """What became of the images: {classes, skipped, ignored}; see `pipeline.images.summary.ImageUse`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": [row.as_dict() for row in self.rows],
            "break_even": {regime: found.as_dict() for regime, found in self.break_even.items()},
            "plot": None if self.plot is None else str(self.plot),
            "augmentation": self.augmentation,
            **self.use,
        }

    def _repr_html_(self) -> str:
        """The table, when each cached regime breaks even, and the plot."""
        rows = [
            {
                "regime": row.regime,
                "what is trained": REGIMES[row.regime],
                "validation": row.scores["validation"].main,
                "95 % interval": "{:.3f} to {:.3f}".format(*row.scores["validation"].ci95),
                "test": row.scores["test"].main if "test" in row.scores else None,
                "overfitting gap": f"{row.overfitting_gap:+.3f}",
                "training s": row.training_seconds,
                "with stage one s": row.total_seconds,
                "s per epoch": row.seconds_per_epoch,
                "trained parameters": row.trainable_params,
            }
            for row in self.rows
        ]
        sentences = [found.describe(regime) for regime, found in self.break_even.items()]
        if self.augmentation:
            sentences.insert(0, f"Augmentation of the live regimes: {self.augmentation}.")
        parts = [show_table(rows), *(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)]
        if self.plot is not None and self.plot.is_file():
            parts.append(
                show_png(self.plot, f"Validation {self.rows[0].scores['validation'].main_words} against seconds")
            )
        return "".join(parts)


def compare_regimes(
    manifest: Manifest, chosen: ComparisonSettings, settings: Settings, *, command: str | None = None
) -> Comparison:
    """Train each regime, and compare accuracy and seconds. Table and plot are written into a folder of the runs folder.

    Args:
        manifest: The images, with labels and splits.
        chosen: The regimes.
        settings: Features, folders and compute.
        command: How to make the comparison again.

    Raises:
        SettingError: A cut is set together with fine-tuning, which sets its own.
    """
    if settings.features.cut and set(_HEAD_OF) & set(chosen.regimes):
        raise SettingError(
            "Fine-tuning cuts the base before the first trained layer. Leave out --cut, or the fine-tuning regimes."
        )
    if _live_text(chosen) is not None:
        require_pixels(manifest, "Training on live images")
    if "cached-finetune" in chosen.regimes:  # first, so that rows of later layers are derived from these
        boundary = settings.with_changes(cut=cut_of(FineTuning(first=chosen.first), settings))
        ensure(manifest, make_recipe(manifest, boundary)[0], boundary)
    results: dict[str, RegimeResult] = {}
    title = _free_title(plain_name(manifest.title), chosen, settings.paths.runs)
    for regime in chosen.in_order:
        head_of = results.get(_HEAD_OF.get(regime, ""))
        saving = Saving(_run_name(title, regime), command=command)
        run = _train(regime, head_of, manifest, chosen, settings, saving)
        results[regime] = _result(regime, run, settings)
    use = {name: run.as_dict()[name] for name in USES}
    comparison = Comparison(tuple(results.values()), break_even(tuple(results.values())), None, _live_text(chosen), use)
    folder = settings.paths.runs / f"comparison-{title}"
    plot, file = folder / "comparison.png", folder / "comparison.json"
    write_json(file, comparison.as_dict() | {"command": command})
    words = comparison.rows[0].scores["validation"].main_words
    heading = f"{manifest.title}: {settings.features.base}, validation {words}"
    if draw_comparison(plot, comparison.as_dict()["rows"], heading):
        comparison = replace(comparison, plot=plot)
        write_json(file, comparison.as_dict() | {"command": command})
    return comparison


def _live_text(chosen: ComparisonSettings) -> str | None:
    """The augmentation of the live regimes; None if there are none."""
    if not {"endtoend", "finetune"} & set(chosen.regimes):
        return None
    return chosen.augmentation.as_text() if chosen.augmentation else "none"


def _free_title(stem: str, chosen: ComparisonSettings, runs: Path) -> str:
    """The stem, with a number from 2 on if there is such a comparison, or a run of one."""
    for number in itertools.count(1):
        title = stem if number == 1 else numbered(stem, number)
        names = [f"comparison-{title}", *(_run_name(title, regime) for regime in chosen.in_order)]
        if not any((runs / name).exists() for name in names):
            break
    return title


def _run_name(title: str, regime: str) -> str:
    return f"compare-{title}-{regime}"


def _train(
    regime: str,
    head_of: RegimeResult | None,
    manifest: Manifest,
    chosen: ComparisonSettings,
    settings: Settings,
    saving: Saving,
) -> Run:
    if regime in ("linear", "dense"):
        head = "logreg" if regime == "linear" else chosen.head
        return fit_head(manifest, head, settings, saving, training=chosen.training)
    cached = regime == "cached-finetune"
    tuning = FineTuning(
        head=chosen.head,
        augmentation=None if cached else chosen.augmentation,
        cached=cached,
        training=chosen.training,
        first=None if regime == "endtoend" else chosen.first,
        base_rate=chosen.base_rate,
        head_rate=chosen.head_rate,
        on_run=head_of.run if head_of else None,
    )
    return finetune(manifest, tuning, settings, saving)


def _result(regime: str, run: Run, settings: Settings) -> RegimeResult:
    info = run.info
    return RegimeResult(
        regime=regime,
        run=run.name,
        scores=run.scores,
        training_seconds=info.seconds,
        seconds_per_epoch=info.seconds_per_epoch,
        extraction_seconds=0.0 if regime in ("endtoend", "finetune") else _stage_one_seconds(run, settings),
        trainable_params=info.trainable_params,
    )


def _stage_one_seconds(run: Run, settings: Settings) -> float | None:
    """Cost of a run's rows: those of its cut, and those of the last layer, on which its head was trained."""
    info = run.info
    recipe, num_images = Recipe.from_dict(info.recipe), sum(info.images.values())
    boundary = Store(settings.paths.cache, recipe)
    seconds = seconds_to_make(boundary, num_images)
    last_layer = settings.features.spec.last_layer
    if recipe.cut == last_layer or seconds is None:
        return seconds
    trunk = trunk_of(settings.features.spec, settings.features.weights, last_layer)
    last = Store(settings.paths.cache, replace(recipe, cut=last_layer, trunk_digest=trunk.digest))
    more = seconds_to_make(last, num_images)
    # If the last layer's rows were derived from the boundary's, their cost includes those.
    return seconds if more is None else more if boundary.name in made_from(last) else seconds + more
