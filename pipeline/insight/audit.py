"""Judge every label by heads that have not seen its image; find copies, images under two labels and strange images."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HeadSpecError, SettingError
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.images.requirements import require_task
from pipeline.insight.audit_page import MAX_SUSPECTS, audit_html, suspects_html
from pipeline.insight.audit_table import check_table, write_audit_table
from pipeline.insight.checked import checked_mask, checked_path, read_checked
from pipeline.insight.duplicates import NEAR, near_duplicates, same_content
from pipeline.insight.findings import Copies, Facts, Findings, Shown
from pipeline.insight.left_out import LeftOut, leave_out_ridge
from pipeline.insight.out_of_fold import predict_out_of_fold
from pipeline.insight.page import Thumbnails, check_page, write_page
from pipeline.insight.suspects import find_alike, find_strange, rank_suspects
from pipeline.insight.whole import Whole, check_task, in_order, whole_of
from pipeline.runs.naming import plain_name
from pipeline.settings import Settings
from pipeline.stage_one.views import Views
from pipeline.stage_two.spec import LinearSpec, parse_head, pooling_of
from pipeline.stage_two.weights import image_weights
from pipeline.training.rows import read_rows

MAX_COMPARED = 20_000
"""Images that are compared with each other, pair by pair; of more, a sample."""

_HALF = 0.5
_DOUBTFUL = (
    "The label is the most likely one for only {share:.1%} of the images: the features do not tell these classes apart, or the classes have too few images. "
    "Then most suspects are no mistakes. Try another --base, a larger --size, or coarser classes."
)


@dataclass(frozen=True, repr=False)
class Audit(Findings):
    """What was found, and where it is written."""

    page: Path
    table: Path
    manifest: Manifest
    """The images that were judged."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.facts.as_dict(),
            "labels": [suspect.as_dict() for suspect in self.labels],
            "checked": [suspect.as_dict() for suspect in self.checked],
            "duplicates": [copies.as_dict() for copies in self.duplicates],
            "conflicts": [copies.as_dict() for copies in self.conflicts],
            "strange": [stranger.as_dict() for stranger in self.strange],
            "page": str(self.page),
            "table": str(self.table),
        }

    def __repr__(self) -> str:
        return (
            f"Audit({self.facts.data}: {self.facts.images:,} images, {len(self.labels):,} suspect labels, "
            f"{len(self.duplicates):,} duplicates, {len(self.conflicts):,} under two labels)"
        )

    def _repr_html_(self) -> str:
        """The most suspect labels with thumbnails, for notebooks."""
        return suspects_html(self.facts, self.labels, Thumbnails(self.manifest.read))


def audit_data(
    manifest: Manifest,
    head: str,
    settings: Settings,
    *,
    pool: str | None = None,
    views: Views | None = None,
    class_weight: str | None = None,
    near: float = NEAR,
    out: Path | None = None,
) -> Audit:
    """Audit a data set, and write a page and a table on it; missing rows are computed first.

    Args:
        manifest: The images, with one class each.
        head: A linear head: ridge is fitted without each image in closed form, the others are trained in five folds.
        settings: Features, folders and compute.
        pool: Pooling of the rows; None: `avg`.
        views: Stored views to fit on too; an image leaves with its views. For ridge.
        class_weight: A text of `pipeline.stage_two.weights.class_weight_text`; None: all images count the same.
        near: Minimum cosine of near duplicates.
        out: The page; the table is beside it. None: `audit-NAME.html` in the folder of the runs.

    Raises:
        HeadSpecError: The head is not a linear one.
        SettingError: The images do not have a class each, the rows do not fit into memory, or the page cannot be written.
        DataLayoutError: The table of checked labels is another table.
    """
    start = time.perf_counter()
    spec = _linear(head, views)
    check_task(manifest.task)
    page = out or settings.paths.runs / f"audit-{plain_name(manifest.title)}.html"
    check_page(page)
    check_table(page.with_suffix(".csv"))
    checked = read_checked(checked_path(manifest.source))
    cached = read_rows(
        manifest, pooling_of(spec, pool), settings, views=views, memory_bytes=settings.compute.memory_bytes()
    )
    whole, images = whole_of(cached.labelled), in_order(require_task(cached.extraction.manifest))
    progress = settings.compute.progress
    judged = judge(spec, whole, class_weight=class_weight, progress=progress)
    mask = checked_mask(checked, images.digests, images.labels)
    done = _audit(spec, whole, images, judged, mask, near=near, page=page, progress=progress)
    facts = replace(done.facts, seconds=time.perf_counter() - start, class_weight=class_weight)
    done = replace(done, facts=facts)
    write_audit_table(done.table, done)
    write_page(page, audit_html(done, done.table.name, Thumbnails(images.read)))
    return done


def judge(spec: LinearSpec, whole: Whole, *, class_weight: str | None = None, progress: bool = False) -> LeftOut:
    """The probabilities of each image by heads that have not seen it; `class_weight` as in `audit_data`."""
    if spec.kind == "ridge":
        weights = None if class_weight is None else image_weights(whole.task, whole.y, class_weight)
        return leave_out_ridge(spec, whole, weights)
    return predict_out_of_fold(spec, whole, class_weight=class_weight, progress=progress)


def _linear(head: str, views: Views | None) -> LinearSpec:
    spec = parse_head(head)
    if not isinstance(spec, LinearSpec):
        raise HeadSpecError(
            f"Labels are judged by a linear head, such as ridge or logreg, which is fitted many times. Received: {head!r}."
        )
    if views is not None and spec.kind != "ridge":
        raise SettingError(
            f"Views leave with their image for --head ridge. Received: --head {head}. Leave --views out."
        )
    return spec


def _audit(
    spec: LinearSpec,
    whole: Whole,
    images: Manifest,
    judged: LeftOut,
    checked: NDArray[np.bool_],
    *,
    near: float,
    page: Path,
    progress: bool,
) -> Audit:
    def show(row: int) -> Shown:
        return Shown(images.names[row], images.splits[row], str(images.labels[row]), row)

    compared, notes = _compared(len(whole))
    exact, conflicts = _same(images, show)
    pairs, num_near = _near(whole, images, compared, near, show, progress=progress)
    if judged.accuracy < _HALF:
        notes.append(_DOUBTFUL.format(share=judged.accuracy))
    facts = Facts(
        data=images.title,
        head=str(spec),
        chosen=judged.chosen,
        images=len(whole),
        accuracy=judged.accuracy,
        near=near,
        num_near=num_near,
        seconds=0.0,
        notes=tuple(notes),
    )
    found = rank_suspects(whole, judged.outputs, show)
    labels = tuple(one for one in found if not checked[one.image.row])
    strange = find_strange(whole, compared, show, progress=progress)
    images_shown = [one.image for one in labels[:MAX_SUSPECTS]] + [one.image for one in strange]
    return Audit(
        facts=facts,
        labels=labels,
        checked=tuple(replace(one, is_checked=True) for one in found if checked[one.image.row]),
        duplicates=tuple(
            sorted([*exact, *pairs], key=lambda copies: (copies.cosine is not None, len(copies.splits) < 2))
        ),
        conflicts=tuple(conflicts),
        strange=strange,
        alike=find_alike(whole, [image.row for image in images_shown], show),
        page=page,
        table=page.with_suffix(".csv"),
        manifest=images,
    )


def _compared(count: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[str]]:
    """Images that are compared pair by pair, and a note if these are not all."""
    rows = np.arange(count)
    if count <= MAX_COMPARED:
        return rows, []
    note = f"Near duplicates and strange images were looked for among {MAX_COMPARED:,} of {count:,} images, drawn at random."
    return np.sort(np.random.default_rng(0).choice(rows, MAX_COMPARED, replace=False)), [note]


def _same(images: Manifest, show: Callable[[int], Shown]) -> tuple[list[Copies], list[Copies]]:
    """Images with the same bytes: under one label, and under several."""
    found = [Copies(tuple(map(show, rows))) for rows in same_content(images.digests)]
    return [one for one in found if not one.has_conflict], [one for one in found if one.has_conflict]


def _near(
    whole: Whole,
    images: Manifest,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    near: float,
    show: Callable[[int], Shown],
    *,
    progress: bool,
) -> tuple[list[Copies], int]:
    """The most similar pairs of different contents, across splits and inside them, and how many there are."""
    splits = np.array([SPLITS.index(images.splits[row]) for row in rows], np.int8)
    digests = [images.digests[row] for row in rows]
    X = whole.plain[rows]
    found = [
        near_duplicates(X, splits, digests, threshold=near, inside=inside, progress=progress)
        for inside in (False, True)
    ]
    pairs = [
        Copies((show(int(rows[i])), show(int(rows[j]))), cosine) for part in found for i, j, cosine in part["pairs"]
    ]
    return pairs, sum(part["count"] for part in found)
