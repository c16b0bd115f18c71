"""The commands that train through the base: `endtoend`, `finetune`."""

from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.complete import complete_data, complete_heads, complete_runs
from pipeline.cli.options import (
    AUGMENT_HELP,
    command_line,
    head_result,
    keywords,
    run_options,
    show,
    stack,
    stage_one_options,
    training_options,
    view_options,
    warn_duplicates,
)
from pipeline.stage_two.spec import DEFAULT_LAYERS

_tuning_options = stack(
    click.option("--head", default=DEFAULT_LAYERS, shell_complete=complete_heads, help="Layers of the head."),
    click.option("--pool", default="none", help="none, avg or max over the grid, between base and head."),
    click.option("--augment", help=f"{AUGMENT_HELP} [default: standard; none with --cached]"),
    click.option("--lr", default=1e-3, help="Learning rate of the head while the base is frozen."),
    click.option("--head-batch-size", default=32, help="Images a step."),
    training_options,
    run_options,
)


@click.command()
@click.argument("data", shell_complete=complete_data)
@_tuning_options
@stage_one_options
def endtoend(**options: Any) -> None:
    """The comparison: train a head on live images, augmented anew every epoch, through the frozen base."""
    from pipeline import api

    run = api.end_to_end(**keywords(options), command=command_line())
    warn_duplicates(run.info.duplicates)
    show(options, head_result(run), render.describe_head)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--from", "--from-layer", "from_layer", metavar="LAYER", help="First layer of the base to be trained.")
@click.option("--last", type=int, metavar="N", help="Train the last N layers of the base.")
@click.option(
    "--on",
    "--on-run",
    "on_run",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Start from the head of this run instead of training one first.",
)
@click.option("--cached", is_flag=True, help="Take the frozen part's output from the cache instead of live images.")
@click.option(
    "--head-epochs", default=10, help="Epochs of the head alone, at --lr, before --epochs of base and head together."
)
@click.option("--base-lr", default=1e-5, help="Learning rate of the base's layers.")
@click.option("--head-lr", default=1e-5, help="Learning rate of the head in these epochs.")
@view_options
@_tuning_options
@stage_one_options
def finetune(**options: Any) -> None:
    """Train the head first, then the base from a layer on together with it."""
    from pipeline import api

    run = api.finetune(**keywords(options), command=command_line())
    warn_duplicates(run.info.duplicates)
    show(options, head_result(run), render.describe_head)
