"""The comparison as a verb: the chosen regimes on the same splits and seed, one table, one picture."""

from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.bases.table import find_base
from pipeline.cache.audit import made_from, seconds_to_make
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.comparison.break_even import Outcome, break_even
from pipeline.errors import SettingError
from pipeline.files import write_json
from pipeline.images.augment import Augmentation
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.runs.drawing import draw_comparison
from pipeline.runs.run import Run
from pipeline.settings import Options, trunk_of
from pipeline.stage_one.ensure import extract, manifest_of
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS
from pipeline.training.finetune.job import Tuning, cut_of
from pipeline.training.finetune.tune import tune
from pipeline.training.heads import fit

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
class Comparison:
    """What all regimes share."""

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


def compare(
    data: Data | Manifest, comparison: Comparison, *, command: str | None = None, options: Options | None = None
) -> dict[str, Any]:
    """Train each regime, and set accuracy against seconds.

    Returns:
        {rows: one a regime, break_even: heads and opponent by cached regime, picture: file, None if it could not be drawn}.
    """
    chosen = options or Options()
    if chosen.cut and set(_HEAD_OF) & set(comparison.regimes):
        raise SettingError(
            "Fine-tuning cuts the base where frozen meets trainable: leave out --cut, or the fine-tuning regimes."
        )
    manifest = manifest_of(data, chosen)
    if "cached-finetune" in comparison.regimes:  # first, so that later layers start from these rows
        extract(manifest, options=replace(chosen, cut=cut_of(Tuning(first=comparison.first), chosen)))
    outcomes: dict[str, Outcome] = {}
    for regime in comparison.in_order:
        head_of = outcomes.get(_HEAD_OF.get(regime, ""))
        run = _train(regime, head_of, manifest, comparison, command, chosen)
        outcomes[regime] = _outcome(regime, run, chosen)
    rows = [outcome.as_row() for outcome in outcomes.values()]
    folder = chosen.runs / f"comparison-{manifest.title}"
    folder.mkdir(parents=True, exist_ok=True)
    picture, table = folder / "comparison.png", folder / "comparison.json"
    result: dict[str, Any] = {"rows": rows, "break_even": break_even(list(outcomes.values())), "picture": None}
    write_json(table, result | {"command": command})
    if draw_comparison(picture, rows, f"{manifest.title}: {chosen.base}, validation accuracy"):
        result["picture"] = str(picture)
        write_json(table, result | {"command": command})
    return result


def _train(
    regime: str,
    head_of: Outcome | None,
    manifest: Manifest,
    comparison: Comparison,
    command: str | None,
    options: Options,
) -> Run:
    name = f"compare-{manifest.title}-{regime}"
    if regime in ("linear", "dense"):
        head = "logreg" if regime == "linear" else comparison.head
        return fit(manifest, head, training=comparison.training, name=name, command=command, options=options)
    cached = regime == "cached-finetune"
    tuning = Tuning(
        head=comparison.head,
        augmentation=None if cached else comparison.augmentation,
        training=comparison.training,
        first=None if regime == "endtoend" else comparison.first,
        base_rate=comparison.base_rate,
        head_rate=comparison.head_rate,
        on_run=head_of.run if head_of else None,
    )
    return tune(manifest, tuning, cached=cached, name=name, command=command, options=options)


def _outcome(regime: str, run: Run, options: Options) -> Outcome:
    info = run.folder.info
    return Outcome(
        regime=regime,
        run=run.name,
        metrics=run.metrics,
        training_seconds=info["seconds"],
        seconds_per_epoch=info["seconds_per_epoch"],
        extraction_seconds=0.0 if regime in ("endtoend", "finetune") else _stage_one_seconds(run, options),
        trainable_params=info["trainable_params"],
    )


def _stage_one_seconds(run: Run, options: Options) -> float | None:
    """What a run's rows cost: those of the boundary, and those of the last layer that its head was trained on."""
    info = run.folder.info
    recipe, num_images = Recipe.from_dict(info["recipe"]), sum(info["images"].values())
    boundary = Store(options.cache, recipe)
    seconds = seconds_to_make(boundary, num_images)
    last_layer = find_base(recipe.base).last_layer
    if recipe.cut == last_layer or seconds is None:
        return seconds
    trunk, _ = trunk_of(replace(options, cut=last_layer))
    last = Store(options.cache, replace(recipe, cut=last_layer, trunk_digest=trunk.digest))
    more = seconds_to_make(last, num_images)
    # The cost of rows that were made from the boundary's includes theirs.
    return seconds if more is None else more if boundary.name in made_from(last) else seconds + more
