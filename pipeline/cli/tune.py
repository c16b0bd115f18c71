"""The command `tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.complete import complete_data
from pipeline.cli.options import command_line, keywords, log_options, show, stage_one_options, warn_duplicates

if TYPE_CHECKING:
    from pipeline.tuner.session import Session


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV table that new labels are kept in [default: photos.labels.csv beside the folder photos].",
)
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; any but this machine's own lets others relabel."
)
@click.option("--port", default=8080, help="Port to listen on.")
@log_options
@stage_one_options
def tune(**options: Any) -> None:
    """Choose heads on a page, fit them at once on the cached features of DATA, relabel images.

    The page shows what a head does on the validation split. What is chosen there is kept as a run on request, and only then
    is the test split scored. Labels are kept in a table beside the data, which every command takes:
    `bottleneck head photos.labels.csv --root photos`.
    """
    from pipeline import api

    def say(address: str, session: "Session") -> None:
        warn_duplicates(session.manifest.duplicates_across_splits())
        kept = str(session.labels.path) if session.labels else None
        shown = {"address": address, "labels": kept}
        show(options, shown, lambda r: f"{r['address']} shows the page; Ctrl-C ends it.")

    api.tune(**keywords(options), command=command_line(), on_start=say)
