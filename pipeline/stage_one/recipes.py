"""From settings and data to a recipe: which trunk, which input, which number format.

TensorFlow is imported inside the functions that need it: with a complete store, a linear head never imports it.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.bases.digests import DigestMemory, TrunkInfo
from pipeline.bases.files import home_folder, weights_path
from pipeline.bases.find import find_base
from pipeline.bases.parts import note_parts
from pipeline.bases.table import BaseSpec, Preprocessing, choose_preprocessing
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

logger = logging.getLogger(__name__)


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
    trunk, cut = trunk_of(features, told=partial(told_trunk, features, settings.paths, first))
    recipe = Recipe(
        base=spec.name,
        decoder=decoder,
        preprocessing=_preprocessing(spec, manifest, decoder, settings),
        trunk_digest=trunk.digest,
        cut=cut,
        dtype=features.dtype,
        precision=features.precision,
    )
    return recipe, trunk


def trunk_of(
    features: FeatureSettings, *, with_depth: bool = False, told: Callable[[], TrunkInfo | None] | None = None
) -> tuple[TrunkInfo, str]:
    """The facts known about the trunk, and its last layer; the network is built only for a weights file that was never read before.

    Args:
        features: Base, weights and cut.
        with_depth: The depth is needed too, which earlier versions did not remember.
        told: What others say of the trunk, for a machine without the weights or without TensorFlow; None: nobody is asked.

    Raises:
        InvalidCutError: The layer does not divide the base.
        WeightsUnavailableError: No route led to the weights.
        MissingExtraError: The weights are read for the first time, and TensorFlow is not installed.
    """
    cut = features.cut or features.spec.last_layer
    try:
        known = _read_trunk(features, cut, with_depth=with_depth)
    except (MissingExtraError, WeightsUnavailableError) as error:
        found = told() if told else None
        if found is None and told and isinstance(error, MissingExtraError):
            asked = f"{features.spec.name}, cut at {cut}, with the weights {features.weights!r}"
            raise MissingExtraError(
                f"{error}\nNo store says which rows are those of {asked}. Others are chosen by --base and --size."
            ) from error
        if found is None:
            raise
        known = found
    return known, known.layer or cut


def _read_trunk(features: FeatureSettings, cut: str, *, with_depth: bool) -> TrunkInfo:
    spec, home = features.spec, home_folder()
    # The weights of parts may have changed, which is noticed when their files are looked at.
    file = weights_file(spec.name, features.weights) if spec.parts else weights_path(spec, features.weights, home)
    known = DigestMemory(home).recall(file, spec.name, cut) if file.exists() or spec.is_file else None
    if known is None or (with_depth and known.depth is None):
        logger.info("%s, cut at %s: reading the weights for the first time.", spec.name, cut)
        from pipeline.bases.trunks import learn_trunk

        known = learn_trunk(spec, weights_file(spec.name, features.weights), cut, home)
    return known


def weights_file(base: str, weights: str) -> Path:
    """The file of a base's weights, fetched first if need be.

    Args:
        base: A name of `bottleneck bases`.
        weights: `imagenet`, `random`, or a file.
    """
    spec = find_base(base, weights=weights)
    path = weights_path(spec, weights, home_folder())
    if spec.parts:
        return note_parts([weights_file(part.name, weights) for part in spec.parts], path)
    if spec.is_file or path.exists():
        return path
    from pipeline.bases.weights import fetch_weights

    return fetch_weights(spec, weights, home_folder())


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
