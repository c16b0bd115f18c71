"""Images like others: the nearest rows by cosine among those of a data set or a run."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import MissingRowsError, SettingError
from pipeline.images.given import GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.insight.neighbours import Array
from pipeline.insight.page import Section, Thumbnails, card, check_page, figure, name_in_bold, render_page, write_page
from pipeline.insight.search import Found, find_rows
from pipeline.runs.folder import RunFolder, open_run
from pipeline.runs.images import find_images
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_one.ensure import ensure, make_rows
from pipeline.stage_one.recipes import make_recipe

logger = logging.getLogger(__name__)

MAX_SHOWN = 100
"""Given images that a page shows, each with those like it."""

_MAX_IN_NOTEBOOK = 20


@dataclass(frozen=True)
class Collection:
    """Images that others are compared with."""

    name: str
    recipe: Recipe
    """Of the rows; the images that are given get theirs by the same."""

    settings: Settings
    """Base and weights of the recipe, and the cache."""

    store: Store
    """Has a row of each image."""

    keys: Keys
    """Of the rows, (N,)."""

    names: tuple[str, ...]
    digests: tuple[bytes, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str, ...]
    read: Callable[[int], bytes | None] = field(repr=False)
    """The bytes of an image, by its position."""

    note: str | None = None
    """Why no image can be shown; None if some may be."""

    @property
    def pooling(self) -> str:
        """Rows that are pooled already are as they are, grids are averaged."""
        return "none" if self.store.recipe.pooling != "none" else "avg"

    def rows(self, keys: Keys) -> Array:
        """Pooled rows of the store, (n, D)."""
        rows = self.store.read(keys, pooling=self.pooling)
        return rows.reshape(len(rows), -1)


@dataclass(frozen=True)
class Match:
    """An image that is like another one."""

    path: str
    label: str | None
    split: str
    cosine: float
    row: int = field(repr=False)
    """Its position in the collection."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"path": self.path, "label": self.label, "split": self.split, "cosine": self.cosine}


@dataclass(frozen=True)
class Alike:
    """One image that was given, and those like it."""

    path: str
    similar: tuple[Match, ...]
    """The nearest first; images with the same bytes are not among them."""

    copies: tuple[str, ...] = ()
    """Images with the same bytes."""

    reason: str | None = None
    """Why the image cannot be read."""

    row: int | None = field(default=None, repr=False)
    """Its position among the images that could be read."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": self.path,
            "reason": self.reason,
            "copies": list(self.copies),
            "similar": [match.as_dict() for match in self.similar],
        }


@dataclass(frozen=True, repr=False)
class Similar(Sequence[Alike]):
    """What is like each image that was given, in their order."""

    images: tuple[Alike, ...]
    collection: str
    num_images: int
    """Of the collection."""

    page: Path | None
    given: Manifest = field(repr=False)
    read: Callable[[int], bytes | None] = field(repr=False)
    is_exact: bool = True
    """False: found by an index, which may miss some."""

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "in": self.collection,
            "num_images": self.num_images,
            "exact": self.is_exact,
            "images": [one.as_dict() for one in self.images],
            "page": None if self.page is None else str(self.page),
        }

    def __repr__(self) -> str:
        return f"Similar({len(self)} image{'s' * (len(self) != 1)}, {self.num_images:,} images in {self.collection})"

    def as_html(self) -> str:
        """The page: each image, with those like it."""
        given, others = Thumbnails(self.given.read), Thumbnails(self.read)
        cards = [_card(one, given, others) for one in self.images[:MAX_SHOWN]]
        more = f" The first {MAX_SHOWN} of {len(self):,} images; --json has all." if len(self) > MAX_SHOWN else ""
        note = (
            "Cosine of the pooled features: 1 is the same direction. The first image of each row is the one that was given."
            + ("" if self.is_exact else " They were found by an index, which may miss some.")
            + more
        )
        section = Section("similar", f"In {self.collection}", note, cards, kind="wide")
        count = sum(one.reason is None for one in self.images)
        answer = f"The nearest of {self.num_images:,} images for {count:,} image{'s' * (count != 1)}."
        return render_page(f"Similar images in {self.collection}", answer, [section], "")

    def _repr_html_(self) -> str:
        """Thumbnails with labels and cosines, for notebooks."""
        given, others = Thumbnails(self.given.read), Thumbnails(self.read)
        readable = [one for one in self.images[:_MAX_IN_NOTEBOOK] if one.row is not None]
        cells = [
            _cell(given[one.row or 0], one.path, "given")
            + "".join(
                _cell(others[match.row], match.path, f"{match.label or ''} {match.cosine:.3f}") for match in one.similar
            )
            for one in readable
        ]
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _cell(address: str | None, path: str, caption: str) -> str:
    image = f'<img src="{address}" alt="" style="max-width: 64px"><br>' if address else ""
    return f'<td title="{escape(path)}" style="text-align: center">{image}{escape(caption)}</td>'


def find_similar(
    images: GivenImages,
    collection: Collection,
    *,
    k: int = 12,
    out: Path | None = None,
    reading: Reading | None = None,
) -> Similar:
    """The nearest images of a collection for each image that is given.

    Args:
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        collection: Where to look.
        k: How many.
        out: A page of thumbnails; None: none is written.
        reading: How data sets among the given images are read.

    Raises:
        SettingError: `k` is below 1, or the page cannot be written.
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
    """
    if k < 1:
        raise SettingError(f"The number of similar images (-k) is at least 1. Received: {k}.")
    if out is not None:
        check_page(out)
    settings, recipe = collection.settings, collection.recipe
    given = read_given(images, settings.paths.hashes, exif=recipe.decoder.exif, reading=reading)
    given.check(given.manifest, need_all=settings.compute.strict)
    made = make_rows(given.manifest, recipe, settings, keep=False, opened=collection.store)
    given.check(made.manifest, need_all=settings.compute.strict)
    queries = replace(collection, store=made.store).rows(made.keys())
    search = find_rows(queries, made.manifest.digests, collection, k, progress=settings.compute.progress)
    found = [_matches(collection, one) for one in search.found]
    reasons = given.unread(made.manifest)
    places = {position: row for row, position in enumerate(made.manifest.positions)}
    alike = tuple(
        Alike(name, (), reason=reasons[index])
        if index in reasons
        else Alike(name, *found[places[index]], row=places[index])
        for index, name in enumerate(given.names)
    )
    done = Similar(
        images=alike,
        collection=collection.name,
        num_images=len(collection.names),
        page=out,
        given=made.manifest,
        read=collection.read,
        is_exact=search.is_exact,
    )
    if out is not None:
        if collection.note is not None:
            logger.warning(
                "The page shows no images of %s: %s Give the data set with --in.", collection.name, collection.note
            )
        write_page(out, done.as_html())
    return done


def _matches(collection: Collection, one: Found) -> tuple[tuple[Match, ...], tuple[str, ...]]:
    """The matches of a query, and the names of its copies."""
    near = tuple(_match(collection, row, cosine) for row, cosine in one.near)
    return near, tuple(collection.names[row] for row in one.copies)


def _match(collection: Collection, row: int, cosine: float) -> Match:
    return Match(collection.names[row], collection.labels[row], collection.splits[row], round(cosine, 4), row)


def _card(one: Alike, given: Thumbnails, others: Thumbnails) -> str:
    if one.row is None:
        return card([figure(None, one.path, ())], one.reason or "")
    own = figure(given[one.row], one.path, ("given",), is_first=True)
    near = [
        figure(others[match.row], match.path, (name_in_bold(match.label or "-"), f"cosine {match.cosine:.3f}"))
        for match in one.similar
    ]
    return card([own, *near], f"Same bytes: {', '.join(one.copies)}." if one.copies else "")


def collect_data(manifest: Manifest, settings: Settings) -> Collection:
    """All images of a data set, with or without labels; missing rows are computed first."""
    recipe, _ = make_recipe(manifest, settings)
    done = ensure(manifest, recipe, settings, alternative=recipe.with_pooling("avg"))
    images = done.manifest
    return Collection(
        name=images.title,
        recipe=done.store.recipe,
        settings=settings,
        store=done.store,
        keys=done.keys(),
        names=images.names,
        digests=images.digests,
        labels=images.labels,
        splits=images.splits,
        read=images.read,
    )


def collect_run(run: RunFolder, settings: Settings) -> Collection:
    """The images of a run, whose rows are in the cache.

    Raises:
        MissingRowsError: They are not.
    """
    recipe = Recipe.from_dict(dict(run.info.recipe))
    names, labels, splits, texts = run.prediction_columns("path", "label", "split", "sha256")
    digests = tuple(map(bytes.fromhex, texts))
    own = settings.with_changes(base=recipe.base, weights=run.info.weights)
    store = Store(settings.paths.cache, recipe.with_max_pixels(settings.compute.max_pixels))
    keys = row_keys([digest or bytes(32) for digest in digests])
    missing = int((~store.has(keys)).sum())
    if missing:
        raise MissingRowsError(
            f"{missing:,} of the {len(keys):,} images of the run {run.name} have no row in {settings.paths.cache}. Name the folder of the "
            "rows with --cache, or give the data set with --in."
        )
    images = find_images(run, names, digests, settings)
    return Collection(
        name=run.name,
        recipe=recipe,
        settings=own,
        store=store,
        keys=keys,
        names=names,
        digests=digests,
        labels=labels,
        splits=splits,
        read=lambda row: images.read(digests[row]),
        note=images.note,
    )


def collect(target: Any, open_data: Callable[[Any], tuple[Manifest, Settings]], settings: Settings) -> Collection:
    """The images of a run, or of a data set. A folder with a run.json is a run, and so is a name below the runs of which there is no path.

    Args:
        target: A run, its name or folder, or a data set.
        open_data: Reads a data set; gives the images, and the settings of their features.
        settings: Folders of the runs and the cache.
    """
    if isinstance(target, Run):
        return collect_run(target.folder, target.settings)
    if isinstance(target, str | Path) and _is_run(target, settings.paths.runs):
        return collect_run(open_run(target, settings.paths.runs), settings)
    return collect_data(*open_data(target))


def _is_run(name: str | Path, runs: Path) -> bool:
    path = Path(name)
    return (path / "run.json").is_file() or (not path.exists() and (runs / path / "run.json").is_file())
