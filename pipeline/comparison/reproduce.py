"""A published experiment trained again: every value as reported."""

from typing import Any

from pipeline.comparison.published import PUBLISHED, Published
from pipeline.errors import SettingError
from pipeline.images.augment import parse_augmentation
from pipeline.images.manifest import Manifest
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views, ensure_views
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.assembly import cut_of
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head


def find_published(name: str) -> Published:
    """The experiment of this name.

    Raises:
        SettingError: There is none.
    """
    if name.lower() not in PUBLISHED:
        raise SettingError(f"Unknown experiment {name!r}. Published experiments: {', '.join(PUBLISHED)}.")
    return PUBLISHED[name.lower()]


def reproduce(
    published: Published,
    manifest: Manifest,
    settings: Settings,
    *,
    cached: bool = False,
    num_views: int = 0,
    name: str | None = None,
    command: str | None = None,
) -> Run:
    """Train as an experiment was published.

    Args:
        published: An experiment that trains, as it was published or `changed`.
        manifest: The images, split as the experiment says.
        settings: `settings_of` the experiment.
        cached: Fine-tune from cached rows.
        num_views: With `cached`: number of views of the published augmentation to store and train on.
        name: The run's name; None: the experiment's, with what was changed.
        command: How to make it again.

    Raises:
        SettingError: The experiment does not train, or cannot be cached.
    """
    _check(published, cached=cached, num_views=num_views)
    training = Training(**published.training)
    name = name or _run_name(published, cached=cached, num_views=num_views)
    if published.verb == "head":
        return fit_head(
            manifest, published.head, settings, pool=published.pool, training=training, name=name, command=command
        )
    values: dict[str, Any] = dict(published.tuning)
    augmentation = parse_augmentation(values.pop("augmentation", "none"))
    tuning = FineTuning(
        head=published.head,
        pool=published.pool,
        augmentation=None if cached else augmentation,
        cached=cached,
        views=Views(num_views, augmentation) if num_views and augmentation else None,
        training=training,
        **values,
    )
    if tuning.views:
        boundary = settings.with_changes(cut=cut_of(tuning, settings))
        ensure_views(manifest, tuning.views, make_recipe(manifest, boundary)[0], boundary)
    return finetune(manifest, tuning, settings, name=name, command=command)


def settings_of(published: Published, settings: Settings) -> Settings:
    """The settings with the features that the experiment was published with."""
    return settings.with_changes(**published.base)


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
            f"--cached is for experiments that fine-tune. {published.name} is of the kind {published.verb!r}."
        )
    if num_views and not (cached and "augmentation" in published.tuning):
        raise SettingError(
            f"--views is for experiments that augment, with --cached. {published.name}'s augmentation: "
            f"{published.tuning.get('augmentation', 'none')}."
        )
