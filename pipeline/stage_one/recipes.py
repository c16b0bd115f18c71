"""From settings and data to a recipe: which trunk, which input, which number format."""

from pipeline.bases.digests import TrunkInfo
from pipeline.bases.table import BaseSpec, Preprocessing, choose_preprocessing
from pipeline.bases.trunks import trunk_of
from pipeline.cache.own import check_no_links
from pipeline.cache.recipe import Recipe
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.images.statistics import kept_statistics
from pipeline.settings import Settings


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
    trunk = trunk_of(spec, features.weights, features.last_layer)
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


def _preprocessing(spec: BaseSpec, manifest: Manifest, decoder: Decoder, settings: Settings) -> Preprocessing:
    if settings.features.preprocess != "standardize":
        return choose_preprocessing(spec, settings.features.preprocess)
    folder = settings.paths.cache / "statistics"
    check_no_links(folder)
    values = kept_statistics(manifest, decoder, folder, progress=settings.compute.progress)
    return Preprocessing("standardize", scale=values.scale, offset=values.offset)
