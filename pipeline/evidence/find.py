"""Evidence: where in each image a run looked, and how it is shown."""

import base64
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.cache.recipe import Recipe
from pipeline.errors import PipelineError, SettingError
from pipeline.evidence.explain import explain_with
from pipeline.evidence.finer import offer_finer
from pipeline.evidence.folder import check_folder, check_replaceable, file_names, write_overlay
from pipeline.evidence.grids import Grids, check_has_grid, make_grids
from pipeline.evidence.maps import Array, Parts, head_rows
from pipeline.evidence.overlay import as_number, draw_overlay
from pipeline.evidence.question import ask, directions, unit_of
from pipeline.images.given import Given, GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.images.summary import Skipped
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings
from pipeline.stage_one.scan import make_reading
from pipeline.stage_two.head import Head, predict_rows
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

_BLOCK = 64
_SHOWN = 20
_WORDS = {
    "exact": "exact: their mean and the rest are the sum",
    "gradient": "gradient times input: their mean and the rest are the sum",
    "blank": "what is lost without each cell",
}


@dataclass(frozen=True)
class ImageEvidence:
    """Where in one image the head looked."""

    path: str
    """As given; of an image without a path its position, such as `#3`."""

    answer: str
    """The class, label or column that was asked for: the predicted one unless another is named."""

    against: str | None
    """Of one class for each image: the most probable other class, whose sum is subtracted."""

    map: Array = field(repr=False)
    """What each cell adds, float32 (h, w). `map.mean() + rest == total`, unless `how` is `blank`."""

    rest: float
    """What belongs to no cell: the bias."""

    total: float
    """Logit of the answer, minus that of `against`; or the number."""

    unit: str
    """`logits`, the name of the number, or `share of neighbours`."""

    how: str
    """`exact`, `gradient` or `blank`: see `pipeline.evidence.explain`."""

    row: int = field(repr=False)
    """Its position among the images that could be read."""

    position: int = field(repr=False)
    """Its position among all that were given."""

    overlay: str | None = None
    """The file of the overlay."""

    @property
    def title(self) -> str:
        """What the map shows, in a line: `cat against dog: 3.2 logits`."""
        against = f" against {self.against}" if self.against else ""
        unit = "" if self.unit == self.answer else f" {self.unit}"
        return f"{self.answer}{against}: {as_number(self.total)}{unit}"

    @property
    def ends(self) -> tuple[str, str]:
        """What negative and positive values speak for."""
        if self.unit == self.answer:
            return "less", "more"
        return self.against or f"not {self.answer}", self.answer

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": self.path,
            "answer": self.answer,
            "against": self.against,
            "total": self.total,
            "rest": self.rest,
            "unit": self.unit,
            "how": self.how,
            "map": [[float(f"{value:.6g}") for value in line] for line in self.map.tolist()],
            "overlay": self.overlay,
        }


@dataclass(frozen=True, repr=False)
class Evidence(Sequence[ImageEvidence]):
    """Where in each image a run looked, in the order of the images that could be read."""

    images: tuple[ImageEvidence, ...]
    run: str
    skipped: tuple[Skipped, ...]
    """Images that cannot be read."""

    finer: str | None
    """Where finer maps are to be had; None: nowhere."""

    pixels: Callable[[int], NDArray[np.uint8]] = field(repr=False)
    """An image as the network saw it, by its row."""

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        grid = "x".join(map(str, self.images[0].map.shape)) if self.images else "0"
        return f"Evidence({self.run}: {len(self)} image{'s' * (len(self) != 1)}, maps of {grid} cells)"

    def draw(self, index: int) -> Image.Image:
        """The overlay of one image."""
        one = self.images[index]
        return draw_overlay(self.pixels(one.row), one.map, one.title, one.ends)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        skipped = [{"path": entry.path, "reason": entry.reason} for entry in self.skipped]
        return {"run": self.run, "images": [one.as_dict() for one in self], "skipped": skipped, "finer": self.finer}

    def _repr_html_(self) -> str:
        """Overlays, for notebooks."""
        figures = "".join(self._figure(number) for number in range(min(len(self), _SHOWN)))
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        notes = f"<p>{escape(self.finer)}</p>" if self.finer else ""
        how = f"<p>Cells: {_WORDS[self.images[0].how]}.</p>" if self.images else ""
        return f'<div style="display: flex; flex-wrap: wrap; gap: 8px">{figures}</div>{more}{how}{notes}'

    def _figure(self, number: int) -> str:
        stream = io.BytesIO()
        try:
            self.draw(number).save(stream, "JPEG", quality=85)
        except (PipelineError, OSError) as error:  # the image is gone by now
            return f"<figure>{escape(self.images[number].path)}: {escape(str(error))}</figure>"
        address = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
        path = escape(self.images[number].path)
        return f'<figure style="margin: 0"><img src="{address}" alt="{path}" width="220"><figcaption>{path}</figcaption></figure>'


def find_evidence(
    run: Run,
    images: GivenImages,
    *,
    of: str | None = None,
    how: str | None = None,
    out: Path | None = None,
    reading: Reading | None = None,
) -> Evidence:
    """Where in each image a run looked, from its rows; those that are missing are made first.

    Args:
        run: The run.
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        of: The class, label or column to ask for; None: the predicted class, the most probable label or the first column.
        how: `exact` (linear heads), `gradient` (dense heads) or `blank` (all heads); None: the first that the head has.
        out: A folder for the overlays; None: none are written.
        reading: How data sets among the images are read.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
        SettingError: The rows come from no grid, there is no such class or way, or the folder cannot be written or holds other files.
    """
    settings, recipe = run.settings, Recipe.from_dict(dict(run.info.recipe))
    check_has_grid(recipe)
    explain_with(run.head, run.info.pool, how)  # a way that the head does not have is an error before the work
    reading = reading or make_reading(settings)
    given = read_given(images, settings.paths.hashes, exif=recipe.decoder.exif, reading=reading)
    given.check(given.manifest, need_all=settings.compute.strict)
    if out is not None:
        check_folder(out, given.folders)
        check_replaceable([out / name for name in file_names(given.names)])
    grids = make_grids(given.manifest, run.info, settings)
    given.check(grids.manifest, need_all=settings.compute.strict)
    found = tuple(_explain_all(run, grids, given, of, how))
    shape = found[0].map.shape
    done = Evidence(
        found,
        run.name,
        tuple(Skipped(given.names[index], reason) for index, reason in given.unread(grids.manifest).items()),
        offer_finer(settings.paths.cache, recipe, shape) if len(grids.stores) == 1 else None,
        _pixels_of(grids.manifest, recipe, settings.compute.max_pixels),
    )
    return done if out is None else _write_all(done, out, given)


def _explain_all(run: Run, grids: Grids, given: Given, of: str | None, how: str | None) -> Iterator[ImageEvidence]:
    for start in range(0, len(grids), _BLOCK):
        parts = grids.read(start, start + _BLOCK)
        for number, one in enumerate(explain_rows(run.head, run.task, run.info.pool, parts, of=of, how=how)):
            row = start + number
            position = grids.manifest.positions[row]
            yield replace(one, path=given.names[position], row=row, position=position)


def explain_rows(
    head: Head, task: Task, pooling: str, parts: Parts, *, of: str | None = None, how: str | None = None
) -> list[ImageEvidence]:
    """Evidence of images, given their cells; their paths are empty.

    Args:
        head: The head.
        task: What it answers.
        pooling: Of the rows that it takes.
        parts: The cells.
        of: As in `find_evidence`.
        how: As in `find_evidence`.
    """
    outputs = task.finish(predict_rows(head, head_rows(parts, pooling)))
    questions = ask(task, outputs, of)
    maps = explain_with(head, pooling, how)(parts, directions(questions, len(task.names)))
    has_sums = not hasattr(head, "rows")
    return [
        ImageEvidence(
            "",
            task.names[question.answer],
            None if question.against is None else task.names[question.against],
            cells.astype(np.float32),
            float(rest),
            float(total),
            unit_of(task, has_sums=has_sums, answer=question.answer),
            maps.how,
            number,
            number,
        )
        for number, (question, cells, rest, total) in enumerate(
            zip(questions, maps.cells, maps.rest, maps.total, strict=True)
        )
    ]


def _pixels_of(manifest: Manifest, recipe: Recipe, max_pixels: int) -> Callable[[int], NDArray[np.uint8]]:
    decoder = replace(recipe.decoder, max_pixels=max_pixels)
    return lambda row: decoder.decode(manifest.read(row))


def _write_all(found: Evidence, folder: Path, given: Given) -> Evidence:
    """The evidence with the files of its overlays; an image that is gone by now has none."""
    names, written = file_names(given.names), []
    for number, one in enumerate(found):
        path = folder / names[one.position]
        try:
            overlay = found.draw(number)
        except (PipelineError, OSError) as error:
            logger.warning("%s has no overlay: %s", one.path, error)
            written.append(one)
            continue
        write_overlay(path, overlay)
        written.append(replace(one, overlay=str(path)))
    return replace(found, images=tuple(written))


def write_overlays(
    run: object, images: GivenImages, folder: Path, *, reading: Reading | None = None
) -> tuple[dict[int, str], str | None]:
    """Write the overlays of images for `predict`.

    Args:
        run: A run.
        images: As in `find_evidence`.
        folder: For the overlays.
        reading: As in `find_evidence`.

    Returns:
        The file of each, by the image's position among those given; and which stored rows would give finer ones.

    Raises:
        SettingError: An exported file instead of a run; or as in `find_evidence`.
    """
    found = find_evidence(check_run(run), images, out=folder, reading=reading)
    return {one.position: one.overlay for one in found if one.overlay is not None}, found.finer


def load(run: str | Path | Run, settings: Settings) -> Run:
    """A run, by its name or folder."""
    if isinstance(run, Run):
        return run
    return check_run(Path(run)) if Path(run).is_file() else load_run(run, settings)


def check_run(run: object) -> Run:
    """The run, if it is one.

    Raises:
        SettingError: It is an exported file.
    """
    if isinstance(run, Run):
        return run
    raise SettingError(
        f"{getattr(run, 'name', run)} is an exported file: it takes pixels and gives no rows, so there is no evidence of where it looked. "
        "Name the run that it was exported from, or leave out --evidence."
    )


def read_twice(images: GivenImages) -> GivenImages:
    """Images that can be read more than once: iterators become lists, and open files their bytes."""
    if hasattr(images, "read"):
        content: bytes = images.read()
        return content
    if not isinstance(images, Iterator | list | tuple):
        return images
    return [one.read() if hasattr(one, "read") else one for one in images]
