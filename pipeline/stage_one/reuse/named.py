"""Which stores feature settings name: `--base vgg16 --size 150` names all stores of these, whatever their other settings."""

from collections.abc import Callable
from dataclasses import fields

from pipeline.bases.find import find_base
from pipeline.bases.table import PREPROCESSING_NAMES, BaseSpec, choose_preprocessing
from pipeline.bases.trunks import trunk_of
from pipeline.cache.recipe import Recipe
from pipeline.errors import InvalidCutError
from pipeline.settings import FeatureSettings, Settings


def is_named(recipe: Recipe, settings: Settings) -> bool:
    """Whether a recipe contradicts none of the feature settings that the user gave.

    Args:
        recipe: Of a store.
        settings: `settings.given` names what the user gave.

    Raises:
        WeightsUnavailableError: Weights were given, and cannot be read.
    """
    names = [field.name for field in fields(FeatureSettings) if field.name in settings.given]
    return all(_CHECKS.get(name, _is_in_decoder(name))(recipe, settings.features) for name in names)


def _is_in_decoder(name: str) -> Callable[[Recipe, FeatureSettings], bool]:
    return lambda recipe, features: bool(getattr(recipe.decoder, name) == getattr(_decoder(features), name))


def _decoder(features: FeatureSettings) -> object:
    return features.make_decoder(features.spec.native_px)


def _has_cut(recipe: Recipe, features: FeatureSettings) -> bool:
    """Whether it has this last layer, or one of this block."""
    return features.cut is None or recipe.cut == features.cut or recipe.cut.startswith(f"{features.cut}_")


def _has_preprocessing(recipe: Recipe, features: FeatureSettings) -> bool:
    spec, values = features.spec, recipe.preprocessing.as_dict()
    if features.preprocess != "standardize":
        return bool(choose_preprocessing(spec, features.preprocess).as_dict() == values)
    return all(choose_preprocessing(spec, name).as_dict() != values for name in _fixed_names(spec))


def _fixed_names(spec: BaseSpec) -> list[str]:
    """Names of preprocessings that do not depend on images."""
    return [name for name in PREPROCESSING_NAMES if name != "standardize" and (name != "native" or spec.has_native)]


def _has_weights(recipe: Recipe, features: FeatureSettings) -> bool:
    """Whether these weights have its trunk."""
    try:
        spec = find_base(recipe.base, weights=features.weights)
        trunk = trunk_of(spec, features.weights, recipe.cut)
    except InvalidCutError:
        return False
    return trunk.digest == recipe.trunk_digest


_CHECKS: dict[str, Callable[[Recipe, FeatureSettings], bool]] = {
    "base": lambda recipe, features: recipe.base == features.spec.name,
    "size": lambda recipe, features: features.size in (None, recipe.decoder.size_px),
    "cut": _has_cut,
    "preprocess": _has_preprocessing,
    "weights": _has_weights,
    "decoder": lambda recipe, features: recipe.decoder.version == features.decoder,
    "dtype": lambda recipe, features: recipe.dtype == features.dtype,
    "precision": lambda recipe, features: recipe.precision == features.precision,
}
"""How a setting is compared; the others are fields of the decoder."""
