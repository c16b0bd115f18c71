"""A published recipe as a verb: every value as reported, ours beside theirs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.comparison.published import PUBLISHED, Published
from pipeline.errors import SettingError
from pipeline.images.augment import parse_augmentation
from pipeline.images.scan import Data
from pipeline.runs.run import Run
from pipeline.settings import Options
from pipeline.stage_one.ensure import scan
from pipeline.stage_one.views import Views, extract_views
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.job import Tuning, cut_of
from pipeline.training.finetune.tune import tune
from pipeline.training.heads import fit


def find_published(name: str) -> Published:
    """The recipe of this name.

    Raises:
        SettingError: There is none.
    """
    if name.lower() not in PUBLISHED:
        raise SettingError(f"Unknown recipe {name!r}. Published recipes: {', '.join(PUBLISHED)}.")
    return PUBLISHED[name.lower()]


def run_published(
    published: Published,
    data: Data,
    *,
    label: str = "label",
    root: Path | None = None,
    cached: bool = False,
    num_views: int = 0,
    name: str | None = None,
    command: str | None = None,
    options: Options | None = None,
) -> Run:
    """Train a recipe on a data set.

    Args:
        published: A recipe that trains, as it was published or `changed`.
        data: What `scan` takes.
        label: The label column of a table.
        root: Folder that a table's paths are relative to.
        cached: Fine-tune from cached rows.
        num_views: With `cached`: views of the published augmentation that are stored, and then trained on.
        name: The run's name; default: the recipe's, with what was changed.
        command: How to make it again.
        options: Weights and places; the base's settings are the recipe's.

    Raises:
        SettingError: The recipe does not train, or cannot be cached.
    """
    _check(published, cached=cached, num_views=num_views)
    chosen = replace(options or Options(), **published.base)
    training = Training(**published.training)
    manifest = scan(
        data, label=label, root=root, split=published.split, split_seed=published.split_seed, options=chosen
    )
    name = name or _run_name(published, cached=cached, num_views=num_views)
    if published.verb == "head":
        pool, head = published.pool, published.head
        return fit(manifest, head, pool=pool, training=training, name=name, command=command, options=chosen)
    settings: dict[str, Any] = dict(published.tuning)
    augmentation = parse_augmentation(settings.pop("augmentation", "none"))
    tuning = Tuning(published.head, published.pool, None if cached else augmentation, training, **settings)
    views = Views(num_views, augmentation) if num_views and augmentation else None
    if views:
        extract_views(manifest, views, options=replace(chosen, cut=cut_of(tuning, chosen)))
    return tune(manifest, tuning, cached=cached, views=views, name=name, command=command, options=chosen)


def _run_name(published: Published, *, cached: bool, num_views: int) -> str:
    """Tells all that differs, so that no run replaces one with other values."""
    changes = [f"{name}-{value}" for name, value in published.changes.items()]
    parts = [published.name, *(["cached"] if cached else []), *([f"{num_views}-views"] if num_views else []), *changes]
    return "-".join(parts)


def _check(published: Published, *, cached: bool, num_views: int) -> None:
    if published.verb == "classify":
        raise SettingError(f"{published.name} trains nothing: use `bottleneck classify IMAGE --base squeezenet`.")
    if cached and published.verb != "finetune":
        raise SettingError(
            f"--cached is for recipes that fine-tune. {published.name} is of the kind {published.verb!r}."
        )
    if num_views and not (cached and "augmentation" in published.tuning):
        raise SettingError(
            f"--views is for recipes that augment, with --cached. {published.name}'s augmentation: "
            f"{published.tuning.get('augmentation', 'none')}."
        )
