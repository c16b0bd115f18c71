"""The command `bases`."""

from typing import Any

import click

from pipeline.cli.choices import SIZE
from pipeline.cli.command import command, section
from pipeline.cli.complete import complete_bases
from pipeline.cli.options import output_options, show
from pipeline.cli.table import table


@command("bottleneck bases", "bottleneck bases squeezenet --size 150")
@click.argument("names", nargs=-1, metavar="[BASE]...", shell_complete=complete_bases)
@section(
    "Features",
    click.option(
        "--size",
        type=SIZE,
        help="Build the bases at this size, and show the features' shape and where they can be cut.",
    ),
)
@output_options
def bases(**options: Any) -> None:
    """List the bases; with --size, the shape of their features there and the layers where they can be cut."""
    from pipeline import maintenance

    rows = [info.as_dict() for info in maintenance.list_bases(options["names"], size=options["size"])]
    show(options, rows, table)
