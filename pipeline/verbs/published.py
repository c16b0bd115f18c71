"""A published recipe as a verb: every value as reported, ours beside theirs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.comparison.published import PUBLISHED, Published
from pipeline.errors import SettingError
from pipeline.images.views import parse_augmentation
from pipeline.stage_two.training import Training
from pipeline.verbs.heads import fit
from pipeline.verbs.options import Options
from pipeline.verbs.rows import scan
from pipeline.verbs.run import Run
from pipeline.verbs.tune import Tuning, tune


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
    data: str | Path,
    *,
    label: str = "label",
    root: Path | None = None,
    epochs: int | None = None,
    cached: bool = False,
    name: str | None = None,
    command: str | None = None,
    options: Options | None = None,
) -> Run:
    """Train a recipe on a data set.

    Args:
        published: A recipe that trains.
        data: What `scan` takes.
        label: The label column of a table.
        root: Folder that a table's paths are relative to.
        epochs: Fewer epochs than published, where the full length is out of reach.
        cached: Fine-tune from cached rows, without augmentation.
        name: The run's name; default: the recipe's.
        command: How to make it again.
        options: Weights and places; the base's settings are the recipe's.

    Raises:
        SettingError: The recipe does not train, or cannot be cached.
    """
    if published.verb == "classify":
        raise SettingError(f"{published.name} trains nothing: use `bottleneck classify IMAGE --base squeezenet`.")
    if cached and published.verb != "finetune":
        raise SettingError(
            f"--cached is for recipes that fine-tune. {published.name} is of the kind {published.verb!r}."
        )
    chosen = replace(options or Options(), **published.base)
    training = Training(**published.training)
    if epochs is not None:
        training = replace(training, epochs=epochs)
    manifest = scan(
        data, label=label, root=root, split=published.split, split_seed=published.split_seed, options=chosen
    )
    title = name or f"{published.name}{'-cached' if cached else ''}"
    if published.verb == "head":
        return fit(
            manifest,
            published.head,
            pool=published.pool,
            training=training,
            name=title,
            command=command,
            options=chosen,
        )
    settings: dict[str, Any] = dict(published.tuning)
    augmentation = parse_augmentation(settings.pop("augmentation", "none"))
    tuning = Tuning(
        head=published.head,
        pool=published.pool,
        augmentation=None if cached else augmentation,
        training=training,
        **settings,
    )
    return tune(manifest, tuning, cached=cached, name=title, command=command, options=chosen)
