"""The command `tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import render
from pipeline.cli.choices import PORT
from pipeline.cli.command import command, section
from pipeline.cli.complete import complete_data
from pipeline.cli.options import (
    command_line,
    keywords,
    log_options,
    memory_option,
    show,
    stage_one_options,
)
from pipeline.cli.terminal import write

if TYPE_CHECKING:
    from pipeline.tuner.session import Session


@command("bottleneck tune photos --size 150", "bottleneck tune photos --labels photos.csv --port 8081")
@click.argument("data", shell_complete=complete_data)
@section(
    "Data",
    click.option(
        "--labels",
        type=click.Path(path_type=Path, dir_okay=False),
        help="CSV table of the new labels [default: photos.labels.csv beside the folder photos].",
    ),
)
@section(
    "Output",
    click.option(
        "--host",
        default="127.0.0.1",
        help="Address to listen on; with any but this machine's own, others can relabel your images.",
    ),
    click.option("--port", type=PORT, default=8080, help="Port to listen on."),
)
@memory_option
@log_options
@stage_one_options
def tune(**options: Any) -> None:
    """Serve a page on which you try heads on the cached features of DATA and correct labels.

    The page shows scores on the validation split. A choice is saved as a run on request, and only then the test split is
    scored. New labels are saved in a table beside the data. Other commands use them if that table is their DATA:
    `bottleneck head photos.labels.csv --root photos`.
    """
    from pipeline import api

    opened: list[Session] = []

    def say(address: str, session: "Session") -> None:
        opened.append(session)
        kept = str(session.labels.path) if session.labels else None
        shown = {"address": address, "labels": kept, **session.manifest.use.as_dict()}
        show(options, shown, render.describe_page)

    api.tune(**keywords(options), command=command_line(), on_start=say)
    labels = opened[0].labels if opened else None
    if labels and labels.path.exists() and labels.command and not options["as_json"]:
        write(f"New labels are in {labels.path}. To train on them: {labels.command}")
