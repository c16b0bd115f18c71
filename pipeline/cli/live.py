"""The commands that train through the base: `endtoend`, `finetune`."""

from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.choices import COUNT, COUNT_OR_NONE, POOLING, RATE
from pipeline.cli.command import command, section, stack
from pipeline.cli.complete import complete_data, complete_heads, complete_runs
from pipeline.cli.decisions import decision_options
from pipeline.cli.options import (
    AUGMENT_HELP,
    command_line,
    dense_options,
    head_result,
    keywords,
    memory_option,
    run_options,
    show,
    stage_one_options,
    view_mode_option,
    view_options,
)
from pipeline.stage_two.spec import DEFAULT_LAYERS

_tuning_options = stack(
    section(
        "Head",
        click.option("--head", default=DEFAULT_LAYERS, shell_complete=complete_heads, help="Layers of the dense head."),
        click.option(
            "--pool",
            type=POOLING,
            default="none",
            help="Average or maximum the feature map between base and head.",
        ),
        click.option("--lr", type=RATE, default=1e-3, help="Learning rate of the head while the base is frozen."),
        click.option("--head-batch-size", type=COUNT, default=32, help="Images per step."),
    ),
    dense_options,
    decision_options,
    section("Views", click.option("--augment", help=f"{AUGMENT_HELP} [default: standard; none with --cached]")),
    run_options,
    memory_option,
)


@command("bottleneck endtoend photos --size 150 --augment strong --epochs 20")
@click.argument("data", shell_complete=complete_data)
@_tuning_options
@stage_one_options
def endtoend(**options: Any) -> None:
    """Live training baseline: train a head through the frozen base, on images that are augmented anew in every epoch."""
    from pipeline import api

    run = api.end_to_end(**keywords(options), command=command_line())
    show(options, head_result(run), render.describe_head)


@command(
    "bottleneck finetune photos --size 150 --from block5 --augment flip",
    "bottleneck finetune photos --cached --last 4 --head-epochs 5 --epochs 10",
)
@click.argument("data", shell_complete=complete_data)
@section(
    "Fine-tuning",
    click.option(
        "--from",
        "--from-layer",
        "from_layer",
        metavar="LAYER|BLOCK",
        help="First layer of the base to train; a block such as block5 means its first layer.",
    ),
    click.option("--last", type=COUNT, metavar="N", help="Train the last N layers of the base."),
    click.option(
        "--on",
        "--on-run",
        "on_run",
        metavar="RUN",
        shell_complete=complete_runs,
        help="Start from the head of this run instead of training one first.",
    ),
    click.option("--cached", is_flag=True, help="Take the frozen part's output from the cache instead of live images."),
    click.option(
        "--head-epochs",
        type=COUNT_OR_NONE,
        default=10,
        help="Epochs of the head alone, at --lr, before --epochs of base and head together.",
    ),
    click.option("--base-lr", type=RATE, default=1e-5, help="Learning rate of the base's layers."),
    click.option("--head-lr", type=RATE, default=1e-5, help="Learning rate of the head while fine-tuning."),
)
@view_mode_option
@view_options
@_tuning_options
@stage_one_options
def finetune(**options: Any) -> None:
    """Fine-tune: train a head first, then the head together with the layers of the base from a given one on."""
    from pipeline import api

    run = api.finetune(**keywords(options), command=command_line())
    show(options, head_result(run), render.describe_head)
