"""Public functions that look at the images by their rows: one per command, as in `pipeline.api`."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from pipeline.images.given import GivenImages
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.keywords import AuditKeywords, DataKeywords, GivenKeywords, gather, rows_pooling
from pipeline.runs.run import Run
from pipeline.surroundings import user_path

if TYPE_CHECKING:
    from pipeline.evidence.results import Evidence
    from pipeline.insight.audit import Audit
    from pipeline.insight.similar import Similar


def audit(
    data: Data | Manifest,
    head: str = "ridge",
    *,
    pool: str | None = None,
    near: float = 0.98,
    out: str | Path | None = None,
    **keywords: Unpack[AuditKeywords],
) -> "Audit":
    """Rank labels that may be wrong, each judged without its image; find duplicates, images under two labels and strange images.

    Args:
        data: What `scan` takes, or its result; one class for each image.
        head: A linear head. `ridge` is fitted without each image in closed form; others are trained in five folds.
        pool: Pooling of the rows, or `cls`; None: `avg`.
        near: Cosine similarity from which two images are near duplicates.
        out: The page, an .html file; a .csv table is written beside it. None: `audit-NAME.html` in the folder of the runs.
        keywords: Of `pipeline.keywords.AuditKeywords`. With stored views, an image leaves with its views.

    Raises:
        HeadSpecError: The head is not a linear one.
        SettingError: The images do not have one class each, or the page cannot be written.
    """
    from pipeline.insight.audit import audit_data

    given = gather(keywords, audit, data=data, head=head, pool=pool)
    manifest, settings = given.open_labelled(data)
    return audit_data(
        manifest,
        head,
        settings,
        pool=rows_pooling(pool),
        views=given.views,
        class_weight=given.training.class_weight,
        near=near,
        out=None if out is None else user_path(out),
    )


def similar(
    images: GivenImages,
    in_: str | Path | Run | Data | Manifest,
    *,
    k: int = 12,
    out: str | Path | None = None,
    **keywords: Unpack[DataKeywords],
) -> "Similar":
    """The nearest images of a data set or of a run, by the cosine of their pooled features.

    Args:
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        in_: A data set, as `scan` takes it; or a run, its name or folder.
        k: How many for each image.
        out: A page of thumbnails, an .html file; None: none is written.
        keywords: Of `pipeline.keywords.DataKeywords`.

    Raises:
        MissingRowsError: The rows of the run are not in the cache.
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
    """
    from pipeline.insight.similar import collect, find_similar

    given = gather(keywords, similar)
    collection = collect(in_, given.open, given.settings)
    return find_similar(images, collection, k=k, out=None if out is None else user_path(out), reading=given.reading)


def explain(
    run: str | Path | Run,
    images: GivenImages,
    *,
    of: str | None = None,
    how: str | None = None,
    out: str | Path | None = None,
    **keywords: Unpack[GivenKeywords],
) -> "Evidence":
    """Where in each image a run looked: what each cell of its rows adds to the answer. A notebook shows it as overlays.

    Args:
        run: A run, its name or folder.
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        of: The class, label or column to ask for; None: the predicted class, the most probable label or the first column.
        how: `exact` (linear heads), `gradient` (dense heads: gradient times input) or `blank` (any head: what is lost without each cell);
            None: the first of these that the head has.
        out: A folder for the overlays, as `predict` with `evidence` writes them; None: none are written.
        keywords: Of `pipeline.keywords.GivenKeywords`. A `Run` keeps the folders and the compute that it was loaded with.

    Raises:
        SettingError: The rows come from no grid, or the head has no such class or way; or the folder cannot be written.
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
    """
    from pipeline.evidence.find import find_evidence, load

    given, folder = gather(keywords, explain), None if out is None else user_path(out)
    return find_evidence(load(run, given.settings), images, of=of, how=how, out=folder, reading=given.reading)
