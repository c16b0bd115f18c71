"""Fine-tuning from the cache again without some images: from the rows at the boundary, with the same settings and seed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import MissingRowsError, SettingError
from pipeline.forgetting.refit import decisions_of, saving_again, training_of, views_of
from pipeline.images.manifest import Manifest
from pipeline.runs.folder import RunFolder
from pipeline.settings import Settings
from pipeline.stage_one.reuse.stored import settings_of
from pipeline.training.finetune.settings import FineTuning


def retrain(run: RunFolder, manifest: Manifest, settings: Settings, keep: Sequence[Path]) -> None:
    """Fine-tune again, and replace the run.

    Args:
        run: A run that was fine-tuned from the cache.
        manifest: Its other images.
        settings: Folders; features of the run.
        keep: Files of the run's folder that are not made by the training.

    Raises:
        MissingRowsError: Rows at the boundary are not in the cache.
        SettingError: The run does not record what is needed.
        PipelineError, OSError: It cannot be trained, or no image can be read for the check at its end.
    """
    info, recorded = run.info, run.info.fine_tuning
    recipe = Recipe.from_dict(dict(info.recipe))
    if recorded is None:
        raise SettingError("A version before 0.5 made it, which did not record its learning rates.")
    store = Store(settings.paths.cache, recipe)
    missing = int((~store.has(row_keys(manifest.digests))).sum())
    if missing:
        raise MissingRowsError(f"{missing:,} of {len(manifest):,} rows at the boundary are not in {store.name}.")
    features = settings_of(recipe, info.weights)
    if features is None:
        raise SettingError(f"Its weights ({info.weights}) are not here, or are others now.")
    from pipeline.training.finetune.train import finetune

    tuning = FineTuning(
        head=info.head,
        pool=info.head_pool,
        cached=True,
        views=views_of(info),
        training=training_of(info),
        head_epochs=recorded["head_epochs"],
        first=info.first_trained_layer,
        base_rate=recorded["base_lr"],
        head_rate=recorded["head_lr"],
        on_run=recorded["on_run"],
    )
    finetune(
        manifest,
        tuning,
        replace(settings, features=features),
        saving_again(run, keep),
        decisions=decisions_of(run),
    )
