"""Feature settings that the user did not give, taken from the rows that are stored for the same images.

`bottleneck features photos --size 150`, then `bottleneck head photos`: the head is trained on the rows of 150 px. A manifest file says itself which rows
it was written with.
"""

import logging
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from pipeline.bases.find import find_base
from pipeline.bases.table import PREPROCESSING_NAMES, BaseSpec, choose_preprocessing
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.cache.stores import count_images, store_folders
from pipeline.errors import PipelineError, SettingError, UnknownBaseError
from pipeline.images.manifest import Manifest
from pipeline.settings import FeatureSettings, Settings
from pipeline.stage_one.reuse.record import Record, recorded
from pipeline.stage_one.reuse.told import is_known, is_of, known_here, note_of_store

logger = logging.getLogger(__name__)

_NAMES = tuple(field.name for field in fields(FeatureSettings))


def with_stored_features(manifest: Manifest, settings: Settings) -> Settings:
    """The settings, with the feature settings that the user did not give as a manifest file records them, or else as `stored_features` has them.

    A record has a cut, too. If it contradicts a given setting, it does not count. A warning says which settings are not the user's.

    Args:
        manifest: The images.
        settings: `settings.given` names what the user gave.

    Raises:
        SettingError: As `stored_features`, or a manifest file was written with a model or weights of the user's own, which have to be given.
        DataLayoutError: What a manifest file records is damaged.
    """
    record = recorded(manifest)
    features = _as_recorded(record, settings, manifest) if record else None
    what = f"the features that {_file_of(manifest)} was written with"
    if features is None:
        features, what = stored_features(manifest, settings), "the stored features of these images"
    if features in (settings.features, _completed(settings.features)):
        return settings
    logger.warning("Using %s: %s. Give other values to compute others.", what, _as_options(features))
    return replace(settings, features=features)


def stored_features(manifest: Manifest, settings: Settings) -> FeatureSettings:
    """The feature settings; those that the user did not give are taken from stored rows of these images.

    Stores that contradict a given setting, and stores of augmented views, do not count. Where stores differ in anything but the
    size, the default is preferred: reproduced experiments store rows of other settings by themselves. The cut is never taken from a
    store: fine-tuning stores rows of earlier layers by itself. Without a store of these images the defaults hold.

    Args:
        manifest: The images.
        settings: `settings.given` names what the user gave.

    Raises:
        SettingError: Stores of these images differ in a setting that the user did not give; the message lists the options.
    """
    wanted = _completed(settings.features)
    stores = _fitting_stores(settings)
    if set(stores) <= {wanted}:
        return settings.features  # nothing to choose from, so no shard has to be opened
    found = _prefer_defaults(_with_rows_of(manifest, stores))
    if found == [wanted] or not found:
        return settings.features
    if len(found) > 1:
        listed = "\n".join(f"  {_as_options(features)}" for features in found)
        raise SettingError(
            f"The cache has features of these images with several settings. Choose by options:\n{listed}"
        )
    return found[0]


def _as_recorded(record: Record, settings: Settings, manifest: Manifest) -> FeatureSettings | None:
    """The settings that lead to the rows of a manifest file; None if something else was given, or their weights are not known.

    Raises:
        SettingError: They were made with a model, or with weights, that the user has to give.
    """
    recipe, given = record.recipe, settings.given.intersection(_NAMES)
    if "base" in given and settings.features.spec.name != recipe.base:
        return None
    weights = settings.features.weights
    if "weights" not in given and weights == FeatureSettings.weights:
        weights = _recorded_weights(record, manifest)
    try:
        spec = find_base(recipe.base, recipe.decoder.size_px, weights=weights)
    except UnknownBaseError:
        raise SettingError(
            f"{_file_of(manifest)} was written with rows of {recipe.base}, which is not a base of the table. Give the model: --base FILE."
        ) from None
    features, wanted = _features_of(recipe, spec, weights), _completed(settings.features)
    return features if all(getattr(features, name) == getattr(wanted, name) for name in given) else None


def _recorded_weights(record: Record, manifest: Manifest) -> str:
    if record.note is None:
        return FeatureSettings.weights
    if record.note.weights is None:
        raise SettingError(
            f"{_file_of(manifest)} was written with rows of {record.recipe.base} with weights of your own. Give them: --weights FILE, or --base FILE if "
            "it is a model."
        )
    return record.note.weights


def _file_of(manifest: Manifest) -> str:
    """The name of a manifest file."""
    return Path(manifest.source or manifest.title).name


def _fitting_stores(settings: Settings) -> dict[FeatureSettings, list[Store]]:
    """Stores of view 0 whose settings are known and contradict nothing that was given."""
    wanted, stores = _completed(settings.features), defaultdict(list)
    given = settings.given.intersection(_NAMES)
    for folder in store_folders(settings.paths.cache):
        try:
            store = Store.open(folder)
        except PipelineError:
            continue  # reported by the commands that look after the cache
        features = settings_of(store.recipe, settings.features.weights, store)
        if features and "cut" not in given:  # rows of the last layer are derived from those of an earlier one
            features = replace(features, cut=features.spec.last_layer)
        if features and all(getattr(features, name) == getattr(wanted, name) for name in given):
            stores[features].append(store)
    return stores


def _completed(features: FeatureSettings) -> FeatureSettings:
    """The same settings with size, cut and background as recipes have them."""
    spec = features.spec
    return replace(
        features,
        base=spec.name,
        size=features.size or spec.native_px,
        cut=features.last_layer,
        background=features.make_decoder(spec.native_px).background,
    )


def settings_of(recipe: Recipe, weights: str, store: Store | None = None) -> FeatureSettings | None:
    """The settings that lead to a recipe with these weights; None if these weights do not, or it has an augmentation.

    Args:
        recipe: Of rows.
        weights: `imagenet`, `random`, or a file.
        store: Its note names its weights, where they are not here or were never read; None: there is no such note.
    """
    if recipe.augmentation is not None:
        return None
    if not known_here(recipe, weights) and not (store and _is_told(store, weights)):
        return None
    try:
        return _features_of(recipe, find_base(recipe.base, recipe.decoder.size_px, weights=weights), weights)
    except (PipelineError, OSError):
        return None


def _is_told(store: Store, weights: str) -> bool:
    """Whether the weights of a store cannot be known here, and its note says that they are these."""
    note = note_of_store(store, weights)
    return note is not None and is_of(note, weights) and not is_known(store.recipe, weights)


def _features_of(recipe: Recipe, spec: BaseSpec, weights: str) -> FeatureSettings:
    return FeatureSettings(
        base=spec.name,
        size=recipe.decoder.size_px,
        cut=recipe.cut,
        preprocess=preprocessing_of(recipe, spec),
        weights=weights,
        resize=recipe.decoder.resize,
        exif=recipe.decoder.exif,
        fit=recipe.decoder.fit,
        background=recipe.decoder.background,
        decoder=recipe.decoder.version,
        dtype=recipe.dtype,
        precision=recipe.precision,
    )


def preprocessing_of(recipe: Recipe, spec: BaseSpec) -> str:
    """The name that leads to the preprocessing of a recipe; `standardize` if no fixed one does."""
    values = recipe.preprocessing.as_dict()
    fixed = [name for name in PREPROCESSING_NAMES if name != "standardize" and (name != "native" or spec.has_native)]
    return next((name for name in fixed if choose_preprocessing(spec, name).as_dict() == values), "standardize")


def _with_rows_of(manifest: Manifest, stores: dict[FeatureSettings, list[Store]]) -> list[FeatureSettings]:
    """Settings whose stores have rows of these images, at least half as many as the fullest."""
    digests = set(manifest.digests)
    counts = {features: max(count_images(store, digests) for store in of) for features, of in stores.items()}
    most = max(counts.values())
    return [features for features, count in counts.items() if count and 2 * count >= most]


def _prefer_defaults(found: Sequence[FeatureSettings]) -> list[FeatureSettings]:
    """Those with the default value of each setting except the size, wherever some have it."""
    kept = list(found)
    for name in _NAMES:
        if name != "size":
            kept = [features for features in kept if _is_default(features, name)] or kept
    return kept


def _is_default(features: FeatureSettings, name: str) -> bool:
    default = _completed(FeatureSettings(base=features.base, weights=features.weights))
    return bool(getattr(features, name) == getattr(default if name != "base" else FeatureSettings(), name))


def _as_options(features: FeatureSettings) -> str:
    """Base, size, and what else is not usual, as options of the command line."""
    usual = _completed(FeatureSettings(base=features.base, weights=features.weights))
    values = {name: getattr(features, name) for name in _NAMES}
    unusual = {name: value for name, value in values.items() if name == "size" or value != getattr(usual, name)}
    return shlex.join(FeatureSettings(**{"base": features.base, "weights": features.weights, **unusual}).as_options())
