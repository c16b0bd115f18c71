"""The weights of stored rows where they cannot be read: taken from the notes of the stores, `trunk.json`.

The digest of a trunk is taken from its weights, with TensorFlow. Without either, the note of a store is trusted for the name of its weights.
As soon as a row has to be computed, the weights are loaded and their digest is compared with the recipe's.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.bases.digests import DigestMemory, TrunkInfo, sha256_of
from pipeline.bases.files import home_folder, weights_path
from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.shared.contents import read_shared_recipe
from pipeline.cache.shared.open import open_shared
from pipeline.cache.shared.trunks import read_shared_note
from pipeline.cache.store import Store
from pipeline.cache.stores import store_folders
from pipeline.cache.trunk_note import NAMED, TrunkNote, add_note, read_note
from pipeline.errors import PipelineError, WeightsUnavailableError
from pipeline.settings import FeatureSettings, Paths

logger = logging.getLogger(__name__)

Told = tuple[Recipe, TrunkNote, str]
"""A recipe, its weights, and the source that names them, for messages."""


def is_of(note: TrunkNote, weights: str) -> bool:
    """Whether the weights of a note are these: `imagenet`, `random`, or a file with the same bytes."""
    if weights in NAMED:
        return note.weights == weights
    file = Path(weights).expanduser()
    return file.is_file() and sha256_of(file) == note.weights_sha256


def known_here(recipe: Recipe, weights: str) -> TrunkNote | None:
    """The note of a recipe, if its trunk is known to be of these weights, which are on this machine."""
    file, trunk = _recall(recipe, weights)
    if file is None or trunk is None or trunk.digest != recipe.trunk_digest:
        return None
    try:
        name = weights if weights in NAMED else None
        return TrunkNote(name, sha256_of(file), trunk.parameters, trunk.depth)
    except (OSError, ValueError):
        return None


def is_known(recipe: Recipe, weights: str) -> bool:
    """Whether these weights are here and were read at this cut: no note is needed then."""
    return _recall(recipe, weights)[1] is not None


def _recall(recipe: Recipe, weights: str) -> tuple[Path | None, TrunkInfo | None]:
    """The file of the weights, and what is known of their trunk at the cut of a recipe."""
    try:
        spec = find_base(recipe.base, recipe.decoder.size_px, weights=weights)
        file = weights_path(spec, weights, home_folder())
        return file, DigestMemory(home_folder()).recall(file, spec.name, recipe.cut) if file.exists() else None
    except (PipelineError, OSError):
        return None, None


def note_of_store(store: Store, weights: str) -> TrunkNote | None:
    """The note of a store with these weights, known here or read in its folder."""
    return known_here(store.recipe, weights) or _read(store.folder)


def keep_note(store: Store, weights: str) -> None:
    """Leave a note in a store that has none, if its trunk is known to be of these weights."""
    if not (store.folder / "trunk.json").exists() and (note := known_here(store.recipe, weights)):
        add_note(note, store.folder)


def keep_notes(cache: Path) -> None:
    """Leave notes in the stores of a cache that earlier versions made, where the weights are here."""
    for store in _stores(cache):
        for weights in NAMED:
            keep_note(store, weights)


def told_trunk(features: FeatureSettings, paths: Paths, first: Told | None = None) -> TrunkInfo | None:
    """The trunk of these settings by the notes of stores; None: there is no note.

    Args:
        features: Base, weights and cut.
        paths: Where stores are: the own cache comes first, then the shared one.
        first: What is taken before the stores.

    Raises:
        WeightsUnavailableError: Two stores say different things.
    """
    for told in (iter([] if first is None else [first]), _in_cache(paths.cache), _in_shared(features, paths)):
        found = {entry[0].trunk_digest: entry for entry in told if _fits(entry, features)}
        if len(found) > 1:
            (_, _, one), (_, _, other), *_ = found.values()
            raise WeightsUnavailableError(
                f"{one} and {other} both say that their rows are those of {features.spec.name} with the weights {features.weights!r}, and their trunks "
                f"differ. The weights, or TensorFlow, are not here to tell which is right. Remove one (`bottleneck cache prune STORE`)."
            )
        for recipe, note, source in found.values():
            logger.warning(
                "The weights %r of %s cannot be read here. %s says which rows are theirs.",
                features.weights,
                features.spec.name,
                source,
            )
            return TrunkInfo(recipe.trunk_digest, note.parameters, None, note.depth, is_told=True)
    return None


def _fits(told: Told, features: FeatureSettings) -> bool:
    recipe, note, _ = told
    spec = features.spec
    return (recipe.base, recipe.cut) == (spec.name, features.cut or spec.last_layer) and is_of(note, features.weights)


def _stores(cache: Path) -> Iterator[Store]:
    for folder in store_folders(cache):
        try:
            yield Store.open(folder)
        except PipelineError:
            continue  # reported by the commands that look after the cache


def _in_cache(cache: Path) -> Iterator[Told]:
    for store in _stores(cache):
        if note := _read(store.folder):
            yield store.recipe, note, store.name


def _in_shared(features: FeatureSettings, paths: Paths) -> Iterator[Told]:
    if paths.shared is None:
        return
    shared, spec = open_shared(paths.shared, paths.cache), features.spec
    prefix = f"{spec.name}-{features.size or spec.native_px}px-{features.cut or spec.last_layer}-"
    for name in (name for name in shared.stores() if name.startswith(prefix)):
        try:
            if note := read_shared_note(shared, name):
                yield read_shared_recipe(shared, name), note, f"{name} at {shared.shown}"
        except (PipelineError, FileNotFoundError) as error:
            logger.warning("%s It is passed over.", error)


def _read(store: Path) -> TrunkNote | None:
    try:
        return read_note(store)
    except PipelineError as error:
        logger.warning("%s", error)
        return None
