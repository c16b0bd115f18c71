"""The chosen regimes on the same splits and seed: one table, one plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.bases.table import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.cache.stores import made_from, seconds_to_make
from pipeline.comparison.break_even import RegimeResult, break_even
from pipeline.errors import SettingError
from pipeline.files import write_json
from pipeline.images.augment import Augmentation
from pipeline.images.manifest import Manifest
from pipeline.runs.drawing import draw_comparison
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe, trunk_of
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS
from pipeline.training.finetune.job import cut_of
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head

REGIMES = {
    "linear": "logistic regression on cached features",
    "dense": "dense head on cached features",
    "cached-finetune": "fine-tuning from cached features",
    "endtoend": "dense head end to end, live and augmented",
    "finetune": "fine-tuning end to end, live and augmented",
}
# Fine-tuning goes on from the head of the regime beside it, if that is compared too.
_HEAD_OF = {"cached-finetune": "dense", "finetune": "endtoend"}


@dataclass(frozen=True)
class Compared:
    """Which regimes are compared, and what they share."""

    regimes: tuple[str, ...] = ("linear", "dense", "endtoend")
    head: str = DEFAULT_LAYERS
    augmentation: Augmentation | None = None
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
            raise SettingError("Fine-tuning needs the first layer to be trained: --from LAYER.")

    @property
    def in_order(self) -> list[str]:
        """The regimes, those that train a head before those that go on from it."""
        return [regime for regime in REGIMES if regime in self.regimes]


@dataclass(frozen=True)
class Comparison:
    """Regimes side by side."""

    rows: Sequence[Mapping[str, Any]]
    """One per regime; see `RegimeResult.as_row`."""

    break_even: Mapping[str, Mapping[str, Any]]
    """{against, heads} of each cached regime."""

    plot: Path | None
    """Accuracy against seconds; None if it could not be drawn."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": list(self.rows),
            "break_even": dict(self.break_even),
            "plot": None if self.plot is None else str(self.plot),
        }


def compare_regimes(
    manifest: Manifest, compared: Compared, settings: Settings, *, command: str | None = None
) -> Comparison:
    """Train each regime, and set accuracy against seconds.

    The table and the plot are written into a folder of the runs folder.
    """
    if settings.features.cut and set(_HEAD_OF) & set(compared.regimes):
        raise SettingError(
            "Fine-tuning cuts the base where frozen meets trainable: leave out --cut, or the fine-tuning regimes."
        )
    if "cached-finetune" in compared.regimes:  # first, so that later layers are derived from these rows
        boundary = settings.with_changes(cut=cut_of(FineTuning(first=compared.first), settings))
        ensure(manifest, make_recipe(manifest, boundary)[0], boundary)
    results: dict[str, RegimeResult] = {}
    for regime in compared.in_order:
        head_of = results.get(_HEAD_OF.get(regime, ""))
        run = _train(regime, head_of, manifest, compared, settings, command)
        results[regime] = _result(regime, run, settings)
    comparison = Comparison([result.as_row() for result in results.values()], break_even(list(results.values())), None)
    folder = settings.paths.runs / f"comparison-{manifest.title}"
    plot, table = folder / "comparison.png", folder / "comparison.json"
    write_json(table, comparison.as_dict() | {"command": command})
    if draw_comparison(plot, comparison.rows, f"{manifest.title}: {settings.features.base}, validation accuracy"):
        comparison = replace(comparison, plot=plot)
        write_json(table, comparison.as_dict() | {"command": command})
    return comparison


def _train(
    regime: str,
    head_of: RegimeResult | None,
    manifest: Manifest,
    compared: Compared,
    settings: Settings,
    command: str | None,
) -> Run:
    name = f"compare-{manifest.title}-{regime}"
    if regime in ("linear", "dense"):
        head = "logreg" if regime == "linear" else compared.head
        return fit_head(manifest, head, settings, training=compared.training, name=name, command=command)
    cached = regime == "cached-finetune"
    tuning = FineTuning(
        head=compared.head,
        augmentation=None if cached else compared.augmentation,
        cached=cached,
        training=compared.training,
        first=None if regime == "endtoend" else compared.first,
        base_rate=compared.base_rate,
        head_rate=compared.head_rate,
        on_run=head_of.run if head_of else None,
    )
    return finetune(manifest, tuning, settings, name=name, command=command)


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
    """What a run's rows cost: those of the boundary, and those of the last layer that its head was trained on."""
    info = run.info
    recipe, num_images = Recipe.from_dict(info.recipe), sum(info.images.values())
    boundary = Store(settings.paths.cache, recipe)
    seconds = seconds_to_make(boundary, num_images)
    last_layer = find_base(recipe.base).last_layer
    if recipe.cut == last_layer or seconds is None:
        return seconds
    trunk, _ = trunk_of(replace(settings.features, cut=last_layer))
    last = Store(settings.paths.cache, replace(recipe, cut=last_layer, trunk_digest=trunk.digest))
    more = seconds_to_make(last, num_images)
    # The cost of rows that were made from the boundary's includes theirs.
    return seconds if more is None else more if boundary.name in made_from(last) else seconds + more
