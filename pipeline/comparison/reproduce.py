"""Train a published experiment again, with every setting as it was published."""

from dataclasses import replace
from typing import Any

from pipeline.comparison.published import EXPERIMENTS, PIXELS, Experiment
from pipeline.errors import SettingError, did_you_mean
from pipeline.images.augment import parse_augmentation
from pipeline.images.manifest import Manifest
from pipeline.runs.naming import free_name
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
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
    saving: Saving,
    *,
    cached: bool = False,
    num_views: int = 0,
) -> Run:
    """Train as published.

    Args:
        experiment: A published experiment, or one that was `changed`.
        manifest: The images, with the splits of the experiment.
        settings: `settings_of` the experiment.
        saving: Name and command of the run; without a name: the experiment's, with its changes, and a number if there is such a run.
        cached: Fine-tune from cached rows.
        num_views: With `cached`: number of views of the published augmentation to store and train on.

    Raises:
        SettingError: The experiment trains nothing, or does not use the cache or views.
    """
    _check(experiment, cached=cached, num_views=num_views)
    training = Training(**experiment.training)
    saving.check(settings.paths.runs)
    if saving.name is None:
        stem = _run_name(experiment, cached=cached, num_views=num_views)
        saving = replace(saving, name=free_name(stem, settings.paths.runs))
    if experiment.command == "head":
        return fit_head(manifest, experiment.head, settings, saving, pool=experiment.pool, training=training)
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
    return finetune(manifest, tuning, settings, saving)


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
