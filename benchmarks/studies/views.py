"""How much do stored views bring? Validation accuracy against their number K, for three ways of training.

A logistic regression (all views), recipe R0's dense head and the fine-tuning of the last block on top of that head (both
draw one view an image in every epoch) are trained on the same stored views 1 to K with several seeds; K = 0 has none. With
--live-epochs N the dense head is also trained end to end for N epochs, its augmentation fresh in each of them, and the table says
how far the cached dense heads were after as many.

Every finished training is a line of OUT.jsonl, so the study goes on where it stopped; OUT.md and OUT.png are made from them.

    python benchmarks/studies/views.py --data photos --size 150 --from block5_conv1 --augment r0
        [--live-epochs 5] --out study/cats
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import pipeline
from pipeline.cache.store import Store
from pipeline.cache.stores import seconds_to_make
from pipeline.images.augment import parse_augmentation
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow
from pipeline.runs.plots.plots import COLOURS
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views, ensure_views
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.assembly import cut_of
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head

DENSE = "dense:256,relu,dropout:0.5"
TRAINING = Training(epochs=30, optimizer="rmsprop", keep="last")
REGIMES = ("logreg", "dense", "finetune")
LIVE = "live"


@dataclass(frozen=True)
class Study:
    """What all trainings share."""

    manifest: Manifest
    augment: str
    first: str
    training: Training
    """Of the dense head."""

    epochs: int
    """Of the fine-tuning, after the head's."""

    rate: float
    """Learning rate of the fine-tuning."""

    live_epochs: int
    given: Settings

    def views(self, count: int) -> Views | None:
        augmentation = parse_augmentation(self.augment)
        return Views(count, augmentation) if count and augmentation else None

    def store(self, count: int) -> None:
        """Rows of the boundary first; those of the last layer are made from them."""
        boundary = self.given.with_changes(cut=cut_of(FineTuning(first=self.first), self.given))
        for settings in (boundary, self.given):
            recipe, _ = make_recipe(self.manifest, settings)
            ensure(self.manifest, recipe, settings)
            views = self.views(count)
            if views:
                ensure_views(self.manifest, views, recipe, settings)

    def train(self, regime: str, count: int, seed: int) -> Run:
        views, training, name = self.views(count), replace(self.training, seed=seed), f"views-{regime}-{count}-{seed}"
        saving = Saving(name, replace=True, plots=False)
        if regime == "logreg":
            return fit_head(self.manifest, "logreg", self.given, saving, views=views, training=training)
        if regime == "dense":
            return fit_head(self.manifest, DENSE, self.given, saving, views=views, training=training)
        if regime == LIVE:
            augmentation, fewer = parse_augmentation(self.augment), replace(training, epochs=self.live_epochs)
            live = FineTuning(head=DENSE, augmentation=augmentation, training=fewer)
            return finetune(self.manifest, live, self.given, saving)
        tuning = FineTuning(
            head=DENSE,
            cached=True,
            views=views,
            training=replace(training, epochs=self.epochs),
            first=self.first,
            base_rate=self.rate,
            head_rate=self.rate,
            on_run=f"views-dense-{count}-{seed}",
        )
        return finetune(self.manifest, tuning, self.given, saving)

    def row(self, regime: str, count: int, seed: int, run: Run) -> dict[str, Any]:
        info, history = run.info, run.folder.history()
        has_early = regime in ("dense", LIVE) and self.live_epochs
        scores = {f"{split}_{key}": run.metrics[split][key] for split in run.metrics for key in ("accuracy", "ci95")}
        return {
            "regime": regime,
            "views": count,
            "seed": seed,
            **scores,
            "early": history[self.live_epochs - 1]["val_accuracy"] if has_early else None,
            "seconds": steady_seconds(run) if history else info.seconds,
            "seconds_per_epoch": info.seconds_per_epoch,
            "stage_one_seconds": 0.0 if regime == LIVE else self.stage_one_seconds(count),
            "settings": self.settings,
        }

    def stage_one_seconds(self, count: int) -> float:
        """Rows of the boundary, and those of the last layer that are made from them, for all images and views 1 to K."""
        recipe, _ = make_recipe(self.manifest, self.given)
        views, train = self.views(count), len(self.manifest.split("train"))
        more = seconds_to_make(Store(self.given.paths.cache, views.recipe(recipe)), train * count) if views else 0.0
        return (seconds_to_make(Store(self.given.paths.cache, recipe), len(self.manifest)) or 0.0) + (more or 0.0)

    @property
    def settings(self) -> dict[str, Any]:
        """What must be the same for all lines of a table."""
        features = self.given.features
        return {
            "base": features.base,
            "size": features.size,
            "preprocess": features.preprocess,
            "augment": self.augment,
            "from": self.first,
            "training": asdict(self.training),
            "epochs": self.epochs,
            "rate": self.rate,
            "live_epochs": self.live_epochs,
        }


def steady_seconds(run: Run) -> float:
    """Sum over the epochs, each at the median of its phase: a pause of the machine is no cost of a training."""
    seconds = [row["seconds"] for row in run.folder.history()]
    total, start = 0.0, 0
    for phase in run.info.phases or [{"epochs": len(seconds)}]:
        part = seconds[start : start + phase["epochs"]]
        total, start = total + statistics.median(part) * len(part), start + len(part)
    return total


def cells(counts: Sequence[int], seeds: int, regimes: Sequence[str], *, live: bool) -> Iterator[tuple[str, int, int]]:
    """In an order in which the first seed's answers come first, those of live photographs right after them."""
    for seed in range(seeds):
        for count in counts:
            for regime in regimes:
                # A logistic regression has one optimum; other seeds are the same answer.
                if regime != "logreg" or seed == 0:
                    yield regime, count, seed
        if live and seed == 0:
            yield LIVE, 0, 0


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: mean over the seeds, their range, and what 1, 10 and 100 heads cost."""
    num_live = rows[0]["settings"]["live_epochs"]
    lines = [
        f"| trained | K | seeds | validation, mean (lowest to highest) | 95 % interval, mean of the seeds' | after {num_live} epochs | test | stage one, s | a training, s | 1 / 10 / 100 heads, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for regime, count in sorted({(row["regime"], row["views"]) for row in rows}):
        group = [row for row in rows if (row["regime"], row["views"]) == (regime, count)]
        accuracy = [row["validation_accuracy"] for row in group]
        low, high = interval(group)
        early = [row["early"] for row in group if row["early"] is not None]
        test = [row["test_accuracy"] for row in group if "test_accuracy" in row]
        once, each = group[0]["stage_one_seconds"] or 0.0, statistics.mean(row["seconds"] for row in group)
        costs = " / ".join(f"{once + number * each:,.0f}" for number in (1, 10, 100))
        lines.append(
            f"| {regime} | {'fresh' if regime == LIVE else count} | {len(group)} | {statistics.mean(accuracy):.4f} "
            f"({min(accuracy):.4f} to {max(accuracy):.4f}) | {low:.3f} to {high:.3f} | "
            f"{f'{statistics.mean(early):.4f}' if early else '-'} | {f'{statistics.mean(test):.4f}' if test else '-'} | {once:,.0f} | {each:,.1f} | {costs} |"
        )
    return "\n".join(lines) + "\n"


def interval(group: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Mean of the seeds' Wilson intervals: all seeds are judged on the same images, so it does not shrink with them."""
    return tuple(statistics.mean(row["validation_ci95"][end] for row in group) for end in (0, 1))  # type: ignore[return-value]


def draw(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Accuracy against K; K is spaced by its logarithm, and 0 stands to its left."""
    figure = Figure(figsize=(9.5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    counts = sorted({row["views"] for row in rows if row["regime"] != LIVE})
    for place, (regime, marker) in enumerate(zip(REGIMES, "osD", strict=True)):
        points = [(k, [r for r in rows if (r["regime"], r["views"]) == (regime, k)]) for k in counts]
        points = [(k, group) for k, group in points if group]
        if not points:
            continue
        means = [statistics.mean(row["validation_accuracy"] for row in group) for _, group in points]
        ends = [interval(group) for _, group in points]
        errors = [[m - low for m, (low, _) in zip(means, ends, strict=True)]]
        errors.append([high - m for m, (_, high) in zip(means, ends, strict=True)])
        x = [counts.index(k) + 0.08 * (place - 1) for k, _ in points]
        axes.errorbar(x, means, yerr=errors, fmt=f"{marker}-", color=COLOURS[place], capsize=4, label=regime)
    live = [row for row in rows if row["regime"] == LIVE]
    if live:
        axes.axhline(
            statistics.mean(row["validation_accuracy"] for row in live),
            linestyle="--",
            color="black",
            label=f"end to end, {live[0]['settings']['live_epochs']} epochs",
        )
    axes.set_xticks(range(len(counts)), [str(k) for k in counts])
    axes.set_xlabel("stored views of each training image, K", fontsize=13)
    axes.set_ylabel("validation accuracy, 95 % interval", fontsize=13)
    axes.tick_params(labelsize=12)
    axes.grid(alpha=0.25)
    figure.legend(fontsize=12, frameon=False, loc="outside lower center", ncols=4)
    figure.suptitle(title, fontsize=14)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train what is missing; then the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--base", default="vgg16")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--from", dest="first", required=True, metavar="LAYER")
    parser.add_argument("--augment", required=True)
    parser.add_argument("--preprocess", default="native")
    parser.add_argument("--views", type=int, nargs="+", default=[0, 1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5, help="of the fine-tuning, after the head's 30")
    parser.add_argument("--rate", type=float, default=1e-5, help="learning rate of the fine-tuning")
    parser.add_argument("--lr", type=float, default=2e-5, help="learning rate of the dense head")
    parser.add_argument("--head-batch-size", type=int, default=20)
    parser.add_argument("--live-epochs", type=int, default=0, help="also end to end, with one seed; 0 leaves it out")
    parser.add_argument("--split", default="80/10/10", help="of data that have no validation folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    given = parser.parse_args()
    quiet_tensorflow()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings.of(
        base=given.base,
        size=given.size,
        preprocess=given.preprocess,
        cache=given.cache,
        runs=given.out.parent / f"{given.out.name}-runs",
        progress=True,
    )
    manifest = pipeline.scan(given.data, split=given.split, cache=given.cache)
    training = replace(TRAINING, learning_rate=given.lr, batch_size=given.head_batch_size)
    study = Study(manifest, given.augment, given.first, training, given.epochs, given.rate, given.live_epochs, settings)
    done = given.out.with_suffix(".jsonl")
    rows = [json.loads(line) for line in done.read_text().splitlines()] if done.exists() else []
    if any(row["settings"] != study.settings for row in rows):
        parser.error(f"{done} holds trainings with other settings than {study.settings}: choose another --out.")
    wanted = cells(given.views, given.seeds, REGIMES, live=given.live_epochs > 0)
    known = {(row["regime"], row["views"], row["seed"]) for row in rows}
    study.store(max(given.views))
    for cell in wanted:
        if cell in known:
            continue
        rows.append(study.row(*cell, study.train(*cell)))
        with done.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        given.out.with_suffix(".md").write_text(table(rows))
        draw(given.out.with_suffix(".png"), rows, f"{study.manifest.title}: {given.base} at {given.size} px")
    print(table(rows))


if __name__ == "__main__":
    main()
