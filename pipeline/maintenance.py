"""Looking after bases, weights and stores: one function per command of `bases`, `weights` and `cache`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from pipeline.errors import SettingError
from pipeline.html import Listing, show_table
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.keywords import DataKeywords, gather
from pipeline.progress import is_shown
from pipeline.surroundings import user_path

if TYPE_CHECKING:
    from pipeline.bases.table import BaseSpec
    from pipeline.cache.audit import Pruning, Repair, Verification
    from pipeline.cache.compact import Compaction
    from pipeline.cache.exchange import CacheExport, Import
    from pipeline.cache.shared.transfer import Exchange
    from pipeline.cache.stores import StoreSummary
    from pipeline.forgetting.certificate import Certificate
    from pipeline.stage_one.recompute import Recomputed

_CACHE = "features_cache"


@dataclass(frozen=True)
class BaseInfo:
    """A base, and at a given size what its features look like."""

    base: str
    native_px: int
    smallest_px: int
    preprocessing: str
    """`caffe`, `tf` or `torch`, as in keras.applications; `inside`: the network preprocesses its input itself."""

    last_layer: str
    channels: int
    parameters: int
    shape: tuple[int, ...] | None = None
    """Shape of one image's features (h, w, C); None if no size was given."""

    cuts: tuple[str, ...] | None = None
    """Layers at which the base can be cut; None if the base was not named together with a size."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without those that are None."""
        values = asdict(self) | {
            name: list(value) for name, value in (("shape", self.shape), ("cuts", self.cuts)) if value is not None
        }
        return {name: value for name, value in values.items() if value is not None}

    def as_row(self) -> dict[str, Any]:
        """What a table of bases shows; of the layers at which it can be cut, the number."""
        cuts = {} if self.cuts is None else {"cuts": len(self.cuts)}
        shape = {} if self.shape is None else {"shape": " x ".join(map(str, self.shape))}
        return {name.replace("_", " "): value for name, value in (self.as_dict() | shape | cuts).items()}


@dataclass(frozen=True)
class WeightsFile:
    """A base's ImageNet weights, fetched and converted."""

    base: str
    file: Path

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"base": self.base, "file": str(self.file)}


@dataclass(frozen=True)
class WeightsFolder:
    """The project's own weights folder."""

    folder: Path
    files: Sequence[Path]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{"file": path.name, "bytes": path.stat().st_size} for path in self.files]
        return {"folder": str(self.folder), "weights": rows}

    def _repr_html_(self) -> str:
        """A table of the files."""
        return show_table(self.as_dict()["weights"], caption=str(self.folder))


@dataclass(frozen=True)
class CacheCheck:
    """Result of reading every byte of every store."""

    found: "Verification"
    recomputed: "Recomputed | None" = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged, unreadable or, if rows were recomputed, different."""
        return not self.found.bad and not (self.recomputed and self.recomputed.bad)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self.found.as_dict() | ({"recomputed": asdict(self.recomputed)} if self.recomputed else {})


def list_bases(names: str | Sequence[str] = (), *, size: int | None = None) -> Listing[BaseInfo]:
    """The table of bases (command `bases`), or what model files are as bases.

    Args:
        names: Names of bases, or model files; empty: all bases, or all that can be built at `size`.
        size: Input height and width in px. The bases are then built, to give the shape of their features; of bases that are
            named, also the layers at which they can be cut. Model files are built at their own size if there is no other.

    Raises:
        UnknownBaseError: No base has this name, or the size is too small for it.
    """
    from pipeline.bases.find import find_base
    from pipeline.bases.table import BASES

    chosen = (names,) if isinstance(names, str) else names
    fitting = [spec for spec in BASES.values() if size is None or size >= spec.smallest_px]
    if not chosen:
        return Listing(_describe_base(spec, size) for spec in fitting)
    return Listing(_describe_base(find_base(name, size), size, name) for name in chosen)


def list_weights() -> WeightsFolder:
    """The weights in the project's own folder (command `weights ls`)."""
    from pipeline.bases.files import home_folder

    folder = home_folder() / "weights"
    return WeightsFolder(folder, sorted(folder.glob("*.weights.h5")))


def fetch_weights(names: str | Sequence[str]) -> list[WeightsFile]:
    """Fetch ImageNet weights of bases into the project's own folder (command `weights fetch`).

    Raises:
        UnknownBaseError: No base has this name.
        WeightsUnavailableError: No source has the weights; the message names each source and its error.
    """
    from pipeline.bases.files import home_folder, weights_file
    from pipeline.bases.find import find_base

    chosen = (names,) if isinstance(names, str) else names
    return [WeightsFile(name, weights_file(find_base(name), "imagenet", home_folder())) for name in chosen]


def list_stores(cache: str | Path = _CACHE) -> "Listing[StoreSummary]":
    """All stores of a cache folder (command `cache ls`)."""
    from pipeline.cache.stores import summarize_all

    return Listing(summarize_all(user_path(cache)))


def describe_store(store: str, cache: str | Path = _CACHE) -> "StoreSummary":
    """Rows, shards, bytes, recipe and provenance of a store (command `cache info`).

    Args:
        store: The store's name, or the start or end of it.
        cache: The cache folder.

    Raises:
        DataNotFoundError: No store, or more than one, matches.
    """
    from pipeline.cache.stores import find_store, summarize

    return summarize(find_store(store, user_path(cache)))


def verify_cache(
    data: Data | Manifest | None = None, *, recompute: int = 0, **keywords: Unpack[DataKeywords]
) -> CacheCheck:
    """Read every byte of every store (command `cache verify`); nothing is changed.

    Args:
        data: Images whose rows are recomputed.
        recompute: Number of random rows of `data` to compute again and to compare with the stored ones.
        keywords: Of `pipeline.keywords.DataKeywords`.

    Raises:
        SettingError: `recompute` is given without `data`.
    """
    from pipeline.cache import audit
    from pipeline.stage_one.recompute import recompute as recompute_rows

    given = gather(keywords, verify_cache, data=data, recompute=recompute)
    if recompute and data is None:
        raise SettingError("Rows are recomputed from their images: give data together with recompute.")
    found = audit.verify_cache(given.settings.paths.cache, progress=given.settings.compute.progress)
    if not recompute or data is None:
        return CacheCheck(found, None)
    manifest, settings = given.open(data)
    return CacheCheck(found, recompute_rows(manifest, recompute, settings))


def repair_cache(cache: str | Path = _CACHE, *, progress: bool | None = None) -> "Repair":
    """Set damaged shards aside (command `cache repair`); stage one makes their rows again, and no others."""
    from pipeline.cache import audit

    return audit.repair_cache(user_path(cache), progress=is_shown(progress))


def compact_cache(
    stores: str | Sequence[str] = (), cache: str | Path = _CACHE, *, progress: bool | None = None
) -> "list[Compaction]":
    """Merge the small shards of stores into full ones (command `cache compact`).

    Args:
        stores: Names of stores, or the start or end of a name; empty: all stores.
        cache: The cache folder.
        progress: Show progress bars; None: on a terminal and in a notebook.

    Returns:
        One entry per store; one that could not be merged has an `error`, and the others are merged.
    """
    from pipeline.cache.compact import compact_all
    from pipeline.cache.stores import find_store
    from pipeline.cache.stores import list_stores as list_all

    names, folder = (stores,) if isinstance(stores, str) else stores, user_path(cache)
    chosen = [find_store(name, folder) for name in names] or list_all(folder)
    return compact_all(chosen, progress=is_shown(progress))


def prune_cache(stores: str | Sequence[str] = (), cache: str | Path = _CACHE, *, yes: bool = False) -> "Pruning":
    """Delete stores and all quarantined shards (command `cache prune`).

    Args:
        stores: Names of stores, or the start or end of a name.
        cache: The cache folder.
        yes: Delete; otherwise only list what would be deleted.
    """
    from pipeline.cache.audit import prune

    return prune(user_path(cache), (stores,) if isinstance(stores, str) else stores, is_dry=not yes)


def forget_images(
    images: str | Path | Sequence[str | Path],
    cache: str | Path = _CACHE,
    *,
    runs: str | Path = "runs",
    with_runs: bool = False,
    out: str | Path | None = None,
    yes: bool = False,
    progress: bool | None = None,
) -> "Certificate":
    """Remove all that a cache, and its runs if wanted, hold of images (command `cache forget`).

    Args:
        images: Files, folders, tables of paths, archives, SHA-256 of 64 hexadecimal digits, or paths that existed once.
        cache: The cache folder.
        runs: Folder of the runs.
        with_runs: Also remove them from all runs, and fit the heads that were trained on them again without them.
        out: A JSON file for the certificate; not in the cache or among the runs.
        yes: Do it; otherwise only find out what would be done.
        progress: Show progress bars; None: on a terminal and in a notebook.

    Raises:
        DataNotFoundError: A path does not exist, and nothing remembers it.
    """
    from pipeline.forgetting.forget import forget_images as forget
    from pipeline.settings import Settings

    named = [images] if isinstance(images, str | Path) else list(images)
    settings = Settings.of(cache=cache, runs=runs, progress=is_shown(progress))
    return forget(named, settings, with_runs=with_runs, out=None if out is None else user_path(out), is_dry=not yes)


def export_cache(
    data: Data | Manifest, file: str | Path, *, pool: str = "none", **keywords: Unpack[DataKeywords]
) -> "CacheExport":
    """Write the features of a data set to one plain HDF5 file (command `cache export`).

    Args:
        data: What `scan` takes, or its result.
        file: The file; its groups `train`, `validation` and `test` hold `features`, `labels` and `paths`. An earlier export is replaced.
        pool: `none`, `avg` or `max` over the grid.
        keywords: Of `pipeline.keywords.DataKeywords`.

    Raises:
        SettingError: Something else has the name of the file.
    """
    from pipeline.cache.exchange import CacheExport, check_replaceable, export_plain
    from pipeline.stage_one.ensure import ensure
    from pipeline.stage_one.recipes import make_recipe

    given, path = gather(keywords, export_cache, data=data), user_path(file)
    check_replaceable(path)
    manifest, settings = given.open(data)
    done = ensure(manifest, make_recipe(manifest, settings)[0], settings)
    return CacheExport(path, export_plain(done.manifest, done.store, path, pooling=pool))


def import_cache(folder: str | Path, cache: str | Path = _CACHE, *, progress: bool | None = None) -> "Import":
    """Copy the shards of a store from elsewhere into the cache, after checking each (command `cache import`).

    Args:
        folder: The store's folder.
        cache: The cache folder.
        progress: Show progress bars; None: on a terminal and in a notebook.

    Raises:
        DamagedStoreError: A shard is damaged, or does not belong to its recipe.
    """
    from pipeline.cache.exchange import import_store

    return import_store(user_path(folder), user_path(cache), progress=is_shown(progress))


def push_cache(url: str | Path, data: Data | Manifest | None = None, **keywords: Unpack[DataKeywords]) -> "Exchange":
    """Copy the shards that a shared cache lacks to it (command `cache push`), after checking each.

    Args:
        url: `s3://BUCKET/PREFIX`, `gs://`, `az://`, `file:///FOLDER`, or a folder.
        data: Images whose rows are copied, of any view; None: all rows.
        keywords: Of `pipeline.keywords.DataKeywords`; feature settings that are given name the stores.

    Raises:
        UnwritableStoreError, UnreachableDataError: The server fails, or denies access; what was copied before stays.
    """
    from pipeline.cache.shared.open import open_shared
    from pipeline.cache.shared.push import push
    from pipeline.stage_one.reuse.named import is_named
    from pipeline.stage_one.reuse.told import keep_notes

    given = gather(keywords, push_cache, data=data)
    settings, digests = given.settings, None if data is None else given.scan(data).digests
    keep_notes(settings.paths.cache)
    shared, fits = open_shared(url, settings.paths.cache), partial(is_named, settings=settings)
    return push(shared, settings.paths.cache, digests, fits, progress=settings.compute.progress)


def pull_cache(url: str | Path, data: Data | Manifest | None = None, **keywords: Unpack[DataKeywords]) -> "Exchange":
    """Copy the shards that the cache lacks from a shared one (command `cache pull`), after checking each.

    Args:
        url: `s3://BUCKET/PREFIX`, `gs://`, `az://`, `https://`, `file:///FOLDER`, or a folder.
        data: Images, or a manifest file, whose rows are copied, of any view; None: all rows.
        keywords: Of `pipeline.keywords.DataKeywords`; feature settings that are given name the stores.

    Raises:
        DataNotFoundError: No store is there.
        UnreachableDataError: The server fails, or denies access; what was copied before stays.
    """
    from pipeline.cache.shared.open import open_shared
    from pipeline.cache.shared.pull import pull
    from pipeline.stage_one.reuse.named import is_named
    from pipeline.stage_one.reuse.record import known_shape

    given = gather(keywords, pull_cache, data=data)
    settings, manifest = given.settings, None if data is None else given.scan(data)
    shared, fits = open_shared(url, settings.paths.cache), partial(is_named, settings=settings)
    shape = None if manifest is None else partial(known_shape, manifest)
    digests = None if manifest is None else manifest.digests
    return pull(shared, settings.paths.cache, digests, fits, shape, progress=settings.compute.progress)


def _describe_base(spec: "BaseSpec", size: int | None, source: str | None = None) -> BaseInfo:
    """The facts of a base, and how it looks at a size; with its cuts if the user has named it (`source`)."""
    info = BaseInfo(
        base=spec.name,
        native_px=spec.native_px,
        smallest_px=spec.smallest_px,
        preprocessing="own" if spec.own_preprocessing else {"none": "inside", "": "unknown"}.get(spec.mode, spec.mode),
        last_layer=spec.last_layer,
        channels=spec.channels,
        parameters=spec.parameters,
    )
    size = spec.native_px if size is None and spec.is_file else size
    return info if size is None else _build_at(info, spec, size, source)


def _build_at(info: BaseInfo, spec: "BaseSpec", size: int, source: str | None) -> BaseInfo:
    from pipeline.bases.cut import valid_cuts
    from pipeline.bases.model_file import load_model_file
    from pipeline.bases.network import build_base
    from pipeline.bases.onnx_model import OnnxBase

    if spec.parts:
        return replace(info, shape=(spec.channels,), cuts=(spec.last_layer,))
    if source and spec.is_onnx:
        onnx = OnnxBase.open(Path(source), size)
        return replace(info, shape=onnx.row_shape(spec.last_layer), cuts=tuple(onnx.cuts))
    base = load_model_file(Path(source), size) if source and spec.is_file else build_base(spec, size)
    cuts = tuple(valid_cuts(base)) if source else None
    return replace(info, shape=tuple(base.output_shape[1:]), cuts=cuts)
