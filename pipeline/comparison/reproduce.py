"""Train a published experiment again, with every setting as it was published."""

from typing import Any

from pipeline.comparison.published import EXPERIMENTS, PIXELS, Experiment
from pipeline.errors import SettingError, did_you_mean
from pipeline.images.augment import parse_augmentation
from pipeline.images.manifest import Manifest
from pipeline.runs.naming import check_run_name, free_name
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views, ensure_views
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.assembly import cut_of
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head


def find_experiment(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        SettingError: There is none.
    """
    if name.lower() not in EXPERIMENTS:
        hint = did_you_mean(name.lower(), EXPERIMENTS)
        raise SettingError(f"Unknown experiment {name!r}.{hint} Published experiments: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name.lower()]


def reproduce(
    experiment: Experiment,
    manifest: Manifest,
    settings: Settings,
    *,
    cached: bool = False,
    num_views: int = 0,
    name: str | None = None,
    replace: bool = False,
    command: str | None = None,
) -> Run:
    """Train as published.

    Args:
        experiment: A published experiment, or one that was `changed`.
        manifest: The images, with the splits of the experiment.
        settings: `settings_of` the experiment.
        cached: Fine-tune from cached rows.
        num_views: With `cached`: number of views of the published augmentation to store and train on.
        name: The run's name; None: the experiment's, with its changes, and a number if there is such a run.
        replace: Replace an existing run of that name.
        command: How to make it again.

    Raises:
        SettingError: The experiment trains nothing, or does not use the cache or views.
    """
    _check(experiment, cached=cached, num_views=num_views)
    training = Training(**experiment.training)
    check_run_name(name, settings.paths.runs, replace=replace)
    name = name or free_name(_run_name(experiment, cached=cached, num_views=num_views), settings.paths.runs)
    if experiment.command == "head":
        return fit_head(
            manifest,
            experiment.head,
            settings,
            pool=experiment.pool,
            training=training,
            name=name,
            replace=replace,
            command=command,
        )
    values: dict[str, Any] = dict(experiment.tuning)
    augmentation = parse_augmentation(values.pop("augmentation", "none"))
    tuning = FineTuning(
        head=experiment.head,
        pool=experiment.pool,
        augmentation=None if cached else augmentation,
        cached=cached,
        views=Views(num_views, augmentation) if num_views and augmentation else None,
        training=training,
        **values,
    )
    if tuning.views:
        boundary = settings.with_changes(cut=cut_of(tuning, settings))
        ensure_views(manifest, tuning.views, make_recipe(manifest, boundary)[0], boundary)
    return finetune(manifest, tuning, settings, name=name, replace=replace, command=command)


def settings_of(experiment: Experiment, settings: Settings) -> Settings:
    """The settings with the features that the experiment was published with, and pixels as they were made then."""
    return settings.with_changes(**{**PIXELS, **experiment.base})


def _run_name(experiment: Experiment, *, cached: bool, num_views: int) -> str:
    """A name with all changes."""
    changes = [f"{name}-{value}" for name, value in experiment.changes.items()]
    parts = [experiment.name, *(["cached"] if cached else []), *([f"{num_views}-views"] if num_views else []), *changes]
    return "-".join(parts)


def _check(experiment: Experiment, *, cached: bool, num_views: int) -> None:
    if experiment.command == "classify":
        raise SettingError(f"{experiment.name} trains nothing: use `bottleneck classify IMAGE --base squeezenet`.")
    if cached and experiment.command != "finetune":
        raise SettingError(
            f"--cached is for experiments that fine-tune. {experiment.name} is made by `{experiment.command}`."
        )
    if num_views and not (cached and "augmentation" in experiment.tuning):
        raise SettingError(
            f"--views is for experiments that augment, with --cached. {experiment.name}'s augmentation: "
            f"{experiment.tuning.get('augmentation', 'none')}."
        )
