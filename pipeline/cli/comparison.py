"""The commands that compare: `compare`, `advise`, `plan`, `reproduce`."""

from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.choices import COUNT, POOLING, PREPROCESSING, RATE, REGIMES, SEED, SIZE, VIEWS, Listed
from pipeline.cli.command import command, section
from pipeline.cli.complete import (
    complete_bases,
    complete_data,
    complete_experiments,
    complete_heads,
    complete_weights,
)
from pipeline.cli.options import (
    AUGMENT_HELP,
    command_line,
    compute_options,
    data_options,
    engine_options,
    folder_options,
    head_result,
    keywords,
    label_options,
    log_options,
    memory_option,
    output_options,
    recipe_options,
    replace_option,
    show,
    stage_one_options,
    training_options,
    worker_options,
)
from pipeline.cli.shared import shared_option
from pipeline.stage_two.spec import DEFAULT_LAYERS


@command(
    "bottleneck compare photos --size 150 --regimes linear,dense --epochs 10",
    "bottleneck compare photos --regimes linear,cached-finetune --from block5 --epochs 10",
)
@click.argument("data", shell_complete=complete_data)
@section(
    "Head",
    click.option("--head", default=DEFAULT_LAYERS, shell_complete=complete_heads, help="Layers of the dense head."),
)
@training_options
@section(
    "Fine-tuning",
    click.option(
        "--regimes",
        type=REGIMES,
        default="linear,dense,endtoend",
        help="Of linear, dense, cached-finetune, endtoend, finetune, with commas between them.",
    ),
    click.option(
        "--from",
        "--from-layer",
        "from_layer",
        metavar="LAYER|BLOCK",
        help="First layer that the fine-tuning regimes train; a block such as block5 means its first layer.",
    ),
    click.option("--base-lr", type=RATE, default=1e-5, help="Learning rate of the base's layers."),
    click.option("--head-lr", type=RATE, default=1e-5, help="Learning rate of the head while fine-tuning."),
)
@section("Views", click.option("--augment", help=f"Of the live regimes. {AUGMENT_HELP} [default: standard]"))
@log_options
@memory_option
@worker_options
@stage_one_options
def compare(**options: Any) -> None:
    """Train regimes on the same splits, and compare accuracy and seconds in a table and a plot."""
    from pipeline import api

    done = api.compare(**keywords(options), command=command_line())
    show(options, done.as_dict(), render.describe_comparison)


@command("bottleneck advise photos --size 150", "bottleneck advise photos --bases vgg16,squeezenet --sizes 96,150")
@click.argument("data", shell_complete=complete_data)
@section(
    "Estimate",
    click.option(
        "--sample", type=COUNT, default=200, help="Number of training images to measure for a recommendation."
    ),
    click.option("--bases", type=Listed(), metavar="A,B", default=(), help="Bases of a race: names or model files."),
    click.option("--sizes", type=Listed(SIZE), metavar="N,N", default=(), help="Input sizes of a race, in px."),
    click.option("--cuts", type=Listed(), metavar="A,B", default=(), help="Layers or blocks of a race."),
)
@stage_one_options
def advise(**options: Any) -> None:
    """Recommend a regime for DATA; or, with --bases, --sizes or --cuts, find the best of them by a race.

    A recommendation measures a sample of the training images, and says what each regime would cost here. In a race, all that take part
    are judged on a small sample, the better half on one of twice the size, and so on; every row that is made is kept for later.
    """
    from pipeline import api

    describe = (
        render.describe_race if options["bases"] or options["sizes"] or options["cuts"] else render.describe_advice
    )
    show(options, api.advise(**keywords(options)).as_dict(), describe)


@command(
    "bottleneck plan photos --images 100000 --workers 4",
    "bottleneck plan --images 1000000 --size 150 --photo 640x480",
)
@click.argument("data", required=False, shell_complete=complete_data)
@section(
    "Estimate",
    click.option("--images", type=COUNT, metavar="N", help="Number of images to plan for [default: those of DATA]."),
    click.option("--workers", type=COUNT, default=1, help="Machines or GPUs like this one that share the work."),
    click.option("--epochs", type=COUNT, default=30, help="Epochs of the head, for the break-even."),
    click.option(
        "--photo",
        default="500x375",
        metavar="WxH",
        help="Size in px of the synthetic images that are used without DATA.",
    ),
)
@section("Views", click.option("--views", type=VIEWS, default=0, help="Views of each training image to be stored too."))
@data_options
@section(
    "Features",
    click.option(
        "--base",
        multiple=True,
        default=("vgg16",),
        shell_complete=complete_bases,
        help="A name of `bottleneck bases`; may be repeated, or several with commas between them.",
    ),
    click.option(
        "--pool", type=POOLING, default="none", help="Average or maximum the feature map before storing, to save space."
    ),
)
@recipe_options
@engine_options
@folder_options
@shared_option
@output_options
def plan(**options: Any) -> None:
    """Estimate what stage one of N images takes: time, disk space, shards, memory, and when it breaks even.

    It measures a sample, whose rows stay in the cache. Without DATA, synthetic images are used and nothing is kept. A view is
    assumed to cost as much as an image. The time to read and hash all images once is not included.
    """
    from pipeline import api

    width, _, height = options["photo"].partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.UsageError(f"--photo is WIDTHxHEIGHT in px, such as 500x375. Received: {options['photo']}.")
    names = [name.strip() for entry in options["base"] for name in entry.split(",")]
    photo = {"photo": (int(width), int(height))} if options["data"] is None else {}
    done = api.plan(**keywords(options) | {"base": names} | photo)
    show(options, done.as_dict(), render.describe_plan)


@command("bottleneck reproduce r0a photos --epochs 10", "bottleneck reproduce r0c photos --cached --views 4")
@click.argument("experiment", metavar="NAME", shell_complete=complete_experiments)
@click.argument("data", shell_complete=complete_data)
@label_options
@section(
    "Features",
    click.option("--preprocess", type=PREPROCESSING, help="Another preprocessing than published."),
    click.option(
        "--weights",
        default="imagenet",
        shell_complete=complete_weights,
        help="imagenet, random (only parameters and seconds mean something), or a file.",
    ),
)
@section(
    "Views",
    click.option(
        "--views",
        type=VIEWS,
        default=0,
        help="With --cached: number of views of the published augmentation to store and use.",
    ),
)
@section(
    "Head",
    click.option("--epochs", type=COUNT, help="Another number of epochs than published."),
    click.option("--seed", type=SEED, help="Seed of weights, shuffling and dropout [default: 0]."),
)
@section("Fine-tuning", click.option("--cached", is_flag=True, help="Fine-tune from the cache."))
@section(
    "Output", click.option("--name", "--run-name", "name", help="The run's name [default: that of the experiment].")
)
@replace_option
@log_options
@memory_option
@compute_options
@folder_options
@output_options
def reproduce(**options: Any) -> None:
    """Train a published experiment, r0a to r4, as it was reported, and print its figures beside ours."""
    from pipeline import api
    from pipeline.comparison.reproduce import find_experiment

    run = api.reproduce(**keywords(options), command=command_line())
    chosen = find_experiment(options["experiment"])
    changed = {name: options[name] for name in ("epochs", "preprocess", "seed") if options[name] is not None}
    result = head_result(run) | {
        "experiment": chosen.name,
        "what": chosen.title,
        "reported": dict(chosen.reported),
        "changed": changed,
        "mechanics_only": options["weights"] == "random",
    }
    show(options, result, render.describe_experiment)
