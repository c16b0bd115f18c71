"""The commands that look at the images by their rows: `audit`, `similar`."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.choices import COUNT, POOLING_OR_TOKEN, SHARE
from pipeline.cli.command import command, section
from pipeline.cli.complete import complete_data, complete_files, complete_heads
from pipeline.cli.insight_text import describe_audit, describe_similar
from pipeline.cli.options import augment_option, keywords, memory_option, show, stage_one_options, view_options
from pipeline.cli.stdin import with_stdin


@command("bottleneck audit photos --size 150", "bottleneck audit photos --head logreg --out audit.html")
@click.argument("data", shell_complete=complete_data)
@section(
    "Head",
    click.option(
        "--head",
        default="ridge",
        shell_complete=complete_heads,
        help="A linear head: ridge (fitted without each image, in closed form; the fastest and the best), or another, trained in five folds.",
    ),
    click.option(
        "--pool",
        type=POOLING_OR_TOKEN,
        help="Average or maximum the feature map of each row, or take the class token (cls) [default: avg].",
    ),
    click.option(
        "--class-weight",
        metavar="balanced|none|CLASS=W,...",
        help="How much images count by their class: balanced (all classes the same; for classes of very different sizes), or numbers [default: none].",
    ),
)
@section(
    "Output",
    click.option(
        "--near",
        type=SHARE,
        default=0.98,
        help="Cosine similarity from which two images are near duplicates.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The page, an .html file; a .csv table is written beside it [default: audit-NAME.html in the runs folder].",
    ),
)
@augment_option
@view_options
@memory_option
@stage_one_options
def audit(**options: Any) -> None:
    """Find labels of DATA that may be wrong, duplicates, images under two labels and strange images.

    Each image of every split is judged by a head that has not seen it, its group or its copies. Nothing is changed: a page of thumbnails
    and a table say what was found, the most suspect first, and what can be done.
    """
    from pipeline import inspection

    show(options, inspection.audit(**keywords(options)).as_dict(), describe_audit)


@command(
    "bottleneck similar new.jpg --in photos",
    "bottleneck similar photos/test --in first -k 5 --out similar.html",
)
@click.argument("images", nargs=-1, required=True, shell_complete=complete_files)
@section(
    "Data",
    click.option(
        "--in",
        "in_",
        required=True,
        metavar="DATA|RUN",
        shell_complete=complete_data,
        help="Where to look: a data set, or a run, whose images are those that it was made with.",
    ),
)
@section(
    "Output",
    click.option("-k", "k", type=COUNT, default=12, help="Number of similar images for each image."),
    click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A page of thumbnails, an .html file [default: none].",
    ),
)
@stage_one_options
def similar(**options: Any) -> None:
    """Find the images of a data set or a run that are most like IMAGES.

    IMAGES are files, folders, tables of paths, archives, patterns in quotes, or - for stdin: one image, or a path in each line. Features are compared by their
    cosine; images with the same bytes are listed as copies.
    """
    from pipeline import inspection

    given = keywords(options)
    given["images"] = with_stdin(given["images"])
    show(options, inspection.similar(**given).as_dict(), describe_similar)
