"""The commands that compare: `compare`, `advise`, `plan`, `reproduce`."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.complete import complete_bases, complete_data, complete_experiments
from pipeline.cli.options import (
    AUGMENT_HELP,
    command_line,
    compute_options,
    data_options,
    engine_options,
    folder_options,
    head_result,
    keywords,
    log_options,
    output_options,
    recipe_options,
    replace_option,
    show,
    stage_one_options,
    training_options,
    warn_duplicates,
    worker_options,
)
from pipeline.stage_two.spec import DEFAULT_LAYERS


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--regimes", default="linear,dense,endtoend", help="Of linear, dense, cached-finetune, endtoend, finetune."
)
@click.option(
    "--from", "--from-layer", "from_layer", metavar="LAYER", help="First layer that the fine-tuning regimes train."
)
@click.option("--head", default=DEFAULT_LAYERS, help="Layers of the dense head.")
@click.option("--augment", help=f"Of the live regimes. {AUGMENT_HELP} [default: r0]")
@click.option("--lr", default=1e-3, help="Learning rate of a dense head.")
@click.option("--head-batch-size", default=32, help="Images a step.")
@click.option("--base-lr", default=1e-5, help="Learning rate of the base's layers.")
@click.option("--head-lr", default=1e-5, help="Learning rate of the head while fine-tuning.")
@training_options
@log_options
@worker_options
@stage_one_options
def compare(**options: Any) -> None:
    """Train regimes on the same splits, and set accuracy against seconds in one table and one plot."""
    from pipeline import api
    from pipeline.keywords import keywords_of

    given = keywords(options) | {"regimes": options["regimes"].split(",")}
    manifest = api.scan(**{name: value for name, value in given.items() if name in keywords_of(api.scan)})
    warn_duplicates(manifest.duplicates_across_splits())
    done = api.compare(**given | {"data": manifest}, command=command_line())
    show(options, done.as_dict(), render.describe_comparison)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--sample", default=200, help="Training images to look at.")
@stage_one_options
def advise(**options: Any) -> None:
    """Measure a sample of DATA, and say which regime suits it and what each would cost here."""
    from pipeline import api

    show(options, api.advise(**keywords(options)).as_dict(), render.describe_advice)


@click.command()
@click.argument("data", required=False, shell_complete=complete_data)
@click.option("--images", type=int, metavar="N", help="How many images to plan for [default: those of DATA].")
@click.option(
    "--base",
    multiple=True,
    default=("vgg16",),
    shell_complete=complete_bases,
    help="A name of `bottleneck bases`; may be repeated, or several with commas between them.",
)
@click.option("--workers", default=1, help="Machines or GPUs like this one that share the work.")
@click.option("--views", default=0, help="Views of each training image to be stored too.")
@click.option("--pool", default="none", help="Store avg or max over the grid instead of the grid.")
@click.option("--epochs", default=30, help="Epochs of a head that is trained end to end instead.")
@click.option(
    "--photo", default="500x375", metavar="WxH", help="Size in px of the synthetic images that are used without DATA."
)
@data_options
@recipe_options
@engine_options
@folder_options
@output_options
def plan(**options: Any) -> None:
    """Measure a sample, and say what stage one of N images takes: hours, GB, shards, memory, and when it has paid.

    The rows of the sample stay in the cache. Without DATA, synthetic images are used and nothing is kept. A view is taken to cost
    what an image does; reading the images once to know them by their content is not in the hours.
    """
    from pipeline import api

    width, _, height = options["photo"].partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.UsageError(f"--photo is WIDTHxHEIGHT in px, such as 500x375. Received: {options['photo']}.")
    names = [name.strip() for entry in options["base"] for name in entry.split(",")]
    done = api.plan(**keywords(options) | {"base": names, "photo": (int(width), int(height))})
    show(options, done.as_dict(), render.describe_plan)


@click.command()
@click.argument("experiment", metavar="NAME", shell_complete=complete_experiments)
@click.argument("data", shell_complete=complete_data)
@click.option("--epochs", type=int, help="Fewer epochs than published.")
@click.option("--preprocess", help="Another preprocessing than published: native, rescale or standardize.")
@click.option("--seed", type=int, help="Seed of the head's weights, shuffling and dropout [default: 0].")
@click.option("--cached", is_flag=True, help="Fine-tune from the cache.")
@click.option("--views", default=0, help="With --cached: store and use views of the published augmentation.")
@click.option("--name", "--run-name", "name", help="The run's name [default: that of the experiment].")
@replace_option
@log_options
@click.option("--label", default="label", help="Label column of a table.")
@click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), help="Folder that a table's paths are relative to."
)
@click.option("--weights", default="imagenet", help="imagenet, random (mechanics only), or a file.")
@compute_options
@folder_options
@output_options
def reproduce(**options: Any) -> None:
    """Train a published experiment, r0a to r4, as it was reported, and print ours beside its figures."""
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
