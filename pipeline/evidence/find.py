"""Evidence: where in each image a run looked."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.errors import PipelineError, SettingError
from pipeline.evidence.explain import explain_with
from pipeline.evidence.finer import offer_finer
from pipeline.evidence.folder import check_folder, check_replaceable, file_names, write_overlay
from pipeline.evidence.grids import Grids, check_has_grid, make_grids
from pipeline.evidence.maps import Parts, head_rows
from pipeline.evidence.question import ask, directions, unit_of
from pipeline.evidence.results import Evidence, ImageEvidence
from pipeline.images.given import Given, GivenImages
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.images.summary import Skipped
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings
from pipeline.stage_two.head import Head, predict_rows
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

_BLOCK = 64
"""Images whose cells are in memory at once."""


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
    given = run.read(images, reading)
    given.check(given.manifest, need_all=settings.compute.strict)
    if out is not None:
        check_folder(out, given.folders)
        check_replaceable([out / name for name in file_names(given.names)])
    grids = make_grids(given.manifest, run.info, settings)
    given.check(grids.manifest, need_all=settings.compute.strict)
    found = tuple(_explain_all(run, grids, given, of, how))
    shape = found[0].map.shape
    unread = given.unread(grids.manifest).items()
    done = Evidence(
        images=found,
        run=run.name,
        skipped=tuple(Skipped(given.names[index], reason) for index, reason in unread),
        finer=offer_finer(settings.paths.cache, recipe, shape) if len(grids.stores) == 1 else None,
        pixels=_pixels_of(grids.manifest, recipe, settings.compute.max_pixels),
    )
    return done if out is None else _write_all(done, given.names, out)


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
            path="",
            answer=task.names[question.answer],
            against=None if question.against is None else task.names[question.against],
            map=cells.astype(np.float32),
            rest=float(rest),
            total=float(total),
            unit=unit_of(task, has_sums=has_sums, answer=question.answer),
            how=maps.how,
            row=number,
            position=number,
        )
        for number, (question, cells, rest, total) in enumerate(
            zip(questions, maps.cells, maps.rest, maps.total, strict=True)
        )
    ]


def _pixels_of(manifest: Manifest, recipe: Recipe, max_pixels: int) -> Callable[[int], NDArray[np.uint8]]:
    decoder = replace(recipe.decoder, max_pixels=max_pixels)
    return lambda row: decoder.decode(manifest.read(row))


def _write_all(found: Evidence, given: Sequence[str], folder: Path) -> Evidence:
    """The evidence with the files of its overlays, named after all images; an image that is gone by now has none."""
    names, written = file_names(given), []
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
