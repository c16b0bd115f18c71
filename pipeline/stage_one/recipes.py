"""From settings and data to a recipe: which trunk, which input, which number format."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.bases.digests import TrunkInfo
from pipeline.bases.table import BaseSpec, Preprocessing, choose_preprocessing
from pipeline.bases.trunks import trunk_of
from pipeline.cache.own import check_no_links
from pipeline.cache.recipe import Recipe
from pipeline.errors import MissingExtraError, WeightsUnavailableError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.images.statistics import kept_statistics
from pipeline.settings import FeatureSettings, Settings
from pipeline.stage_one.reuse.record import recorded
from pipeline.stage_one.reuse.stored import preprocessing_of
from pipeline.stage_one.reuse.told import told_trunk


def make_recipe(manifest: Manifest, settings: Settings) -> tuple[Recipe, TrunkInfo]:
    """The recipe of these images under these settings, and the facts known about its trunk.

    Raises:
        UnknownBaseError: No such base, or the size is too small for it.
        InvalidCutError: The layer does not divide the base.
        WeightsUnavailableError: No route led to the weights.
    """
    features = settings.features
    spec = features.spec
    decoder = settings.make_decoder(spec.native_px)
    record = recorded(manifest)
    first = (
        (record.recipe, record.note, Path(manifest.source or manifest.title).name) if record and record.note else None
    )
    trunk = _trunk_of(features, partial(told_trunk, features, settings.paths, first))
    recipe = Recipe(
        base=spec.name,
        decoder=decoder,
        preprocessing=_preprocessing(spec, manifest, decoder, settings),
        trunk_digest=trunk.digest,
        cut=trunk.layer or features.last_layer,
        dtype=features.dtype,
        precision=features.precision,
    )
    return recipe, trunk


def _trunk_of(features: FeatureSettings, told: Callable[[], TrunkInfo | None]) -> TrunkInfo:
    """What is known of the trunk, from its weights, or from what others say on a machine without the weights or TensorFlow.

    Raises:
        MissingExtraError: The weights are read for the first time, and TensorFlow is not installed.
    """
    try:
        return trunk_of(features.spec, features.weights, features.last_layer)
    except (MissingExtraError, WeightsUnavailableError) as error:
        found = told()
        if found is not None:
            return found
        if isinstance(error, WeightsUnavailableError):
            raise
        asked = f"{features.spec.name}, cut at {features.last_layer}, with the weights {features.weights!r}"
        raise MissingExtraError(
            f"{error}\nNo store says which rows are those of {asked}. Others are chosen by --base and --size."
        ) from error


def _preprocessing(spec: BaseSpec, manifest: Manifest, decoder: Decoder, settings: Settings) -> Preprocessing:
    if settings.features.preprocess != "standardize":
        return choose_preprocessing(spec, settings.features.preprocess)
    record = recorded(manifest)
    if record and record.recipe.decoder == decoder and preprocessing_of(record.recipe, spec) == "standardize":
        return replace(record.recipe.preprocessing, name="standardize")  # of the same training images
    folder = settings.paths.cache / "statistics"
    check_no_links(folder)
    values = kept_statistics(manifest, decoder, folder, progress=settings.compute.progress)
    return Preprocessing("standardize", scale=values.scale, offset=values.offset)
