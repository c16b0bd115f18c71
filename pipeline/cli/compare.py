"""The commands of the comparison: end to end, fine-tuning, the published recipes, advice."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import render as text
from pipeline.cli.complete import (
    complete_bases,
    complete_data,
    complete_experiments,
    complete_files,
    complete_heads,
    complete_runs,
)
from pipeline.cli.options import (
    AUGMENT_HELP,
    command_line,
    compute_options,
    data_keywords,
    data_options,
    engine_options,
    head_result,
    keywords_of,
    log_options,
    output_options,
    place_options,
    recipe_options,
    run_keywords,
    run_options,
    show,
    stack,
    stage_one_options,
    training_options,
    view_options,
    warn_duplicates,
    worker_options,
)
from pipeline.stage_two.spec import DEFAULT_LAYERS

_FINE_TUNING = ("from_layer", "last", "cached", "on_run", "head_epochs", "base_lr", "head_lr")

_tuning_options = stack(
    click.option("--head", default=DEFAULT_LAYERS, shell_complete=complete_heads, help="Layers of the head."),
    click.option("--pool", default="none", help="none, avg or max over the grid, between base and head."),
    click.option("--augment", default="none", help=AUGMENT_HELP),
    click.option("--lr", default=1e-3, help="Learning rate of the head while the base is frozen."),
    click.option("--head-batch-size", default=32, help="Images a step."),
    training_options,
    run_options,
)


@click.command()
@click.argument("data", shell_complete=complete_data)
@_tuning_options
@stage_one_options
def endtoend(data: str, **settings: Any) -> None:
    """The comparison: train a head on live images, augmented anew every epoch, through the frozen base."""
    from pipeline import api

    run = api.end_to_end(data, **keywords_of(settings), **run_keywords(settings, "head", "pool", "plots"))
    warn_duplicates(run.info.duplicates)
    show(settings, head_result(run), text.describe_head)


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
@click.option(
    "--cached", is_flag=True, help="Take the frozen part's output from the cache instead of live photographs."
)
@click.option(
    "--head-epochs", default=10, help="Epochs of the head alone, at --lr, before --epochs of base and head together."
)
@click.option("--base-lr", default=1e-5, help="Learning rate of the base's layers.")
@click.option("--head-lr", default=1e-5, help="Learning rate of the head in these epochs.")
@view_options
@_tuning_options
@stage_one_options
def finetune(data: str, **settings: Any) -> None:
    """Train the head first, then the base from a layer on together with it."""
    from pipeline import api

    own = run_keywords(settings, "head", "pool", "plots", *_FINE_TUNING)
    run = api.finetune(data, **keywords_of(settings), **own)
    warn_duplicates(run.info.duplicates)
    show(settings, head_result(run), text.describe_head)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--regimes", default="linear,dense,endtoend", help="Of linear, dense, cached-finetune, endtoend, finetune."
)
@click.option(
    "--from", "--from-layer", "from_layer", metavar="LAYER", help="First layer that the fine-tuning regimes train."
)
@click.option("--head", default=DEFAULT_LAYERS, help="Layers of the dense head.")
@click.option("--augment", default="r0", help=AUGMENT_HELP)
@click.option("--lr", default=1e-3, help="Learning rate of a dense head.")
@click.option("--head-batch-size", default=32, help="Images a step.")
@click.option("--base-lr", default=1e-5, help="Learning rate of the base's layers.")
@click.option("--head-lr", default=1e-5, help="Learning rate of the head while fine-tuning.")
@training_options
@log_options
@worker_options
@stage_one_options
def compare(data: str, regimes: str, **settings: Any) -> None:
    """Train regimes on the same splits, and set accuracy against seconds in one table and one plot."""
    from pipeline import api

    keywords = keywords_of(settings)
    manifest = api.scan(data, **data_keywords(keywords))
    warn_duplicates(manifest.duplicates_across_splits())
    own = {name: settings[name] for name in ("head", "from_layer", "base_lr", "head_lr")}
    done = api.compare(manifest, regimes.split(","), **keywords, **own, command=command_line())
    show(settings, done.as_dict(), text.describe_comparison)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--sample", default=200, help="Training images to look at.")
@stage_one_options
def advise(data: str, sample: int, **settings: Any) -> None:
    """Measure a sample of DATA, and say which regime suits it and what each would cost here."""
    from pipeline import api

    show(settings, api.advise(data, sample=sample, **keywords_of(settings)).as_dict(), text.describe_advice)


@click.command()
@click.argument("data", required=False, shell_complete=complete_data)
@click.option("--images", type=int, metavar="N", help="How many images to plan for [default: those of DATA].")
@click.option(
    "--base",
    "bases",
    multiple=True,
    default=("vgg16",),
    shell_complete=complete_bases,
    help="A name of `bottleneck bases`; may be repeated, or several with commas between them.",
)
@click.option("--workers", "machines", default=1, help="Machines or GPUs like this one that share the work.")
@click.option("--views", default=0, help="Views of each training image to be stored too.")
@click.option("--pool", default="none", help="Store avg or max over the grid instead of the grid.")
@click.option("--epochs", default=30, help="Epochs of a head that is trained end to end instead.")
@click.option(
    "--photo", default="500x375", metavar="WxH", help="Size in px of the photographs that are made without DATA."
)
@data_options
@recipe_options
@engine_options
@place_options
@output_options
def plan(data: str | None, bases: tuple[str, ...], photo: str, **settings: Any) -> None:
    """Measure a sample, and say what stage one of N images takes: hours, GB, shards, memory, and when it has paid.

    The rows of the sample stay in the cache. Without DATA photographs are made, and nothing is kept. A view is taken to cost
    what an image does; reading the images once to know them by their content is not in the hours.
    """
    from pipeline import api

    width, _, height = photo.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.UsageError(f"--photo is WIDTHxHEIGHT in px, such as 500x375. Received: {photo}.")
    names = [name.strip() for entry in bases for name in entry.split(",")]
    own = {name: settings.pop(name) for name in ("images", "machines", "views", "pool", "epochs")}
    done = api.plan(data, names, photo_px=(int(width), int(height)), **own, **keywords_of(settings))
    show(settings, done.as_dict(), text.describe_plan)


@click.command()
@click.argument("experiment", metavar="NAME", shell_complete=complete_experiments)
@click.argument("data", shell_complete=complete_data)
@click.option("--epochs", type=int, help="Fewer epochs than published.")
@click.option("--preprocess", help="Another preprocessing than published: native, rescale or standardize.")
@click.option("--seed", type=int, help="Seed of the head's weights, shuffling and dropout [default: 0].")
@click.option("--cached", is_flag=True, help="Fine-tune from the cache.")
@click.option("--views", default=0, help="With --cached: store and use views of the published augmentation.")
@click.option("--run-name", help="The run's name [default: that of the experiment].")
@log_options
@click.option("--label", default="label", help="Label column of a table.")
@click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), help="Folder that a table's paths are relative to."
)
@click.option("--weights", default="imagenet", help="imagenet, random (mechanics only), or a file.")
@compute_options
@place_options
@output_options
def reproduce(experiment: str, data: str, **settings: Any) -> None:
    """Train a published experiment, r0a to r4, as it was reported, and print ours beside its figures."""
    from pipeline import api
    from pipeline.comparison.reproduce import find_experiment

    own = {name: settings.pop(name) for name in ("epochs", "seed", "cached", "views")}
    keywords = {name: value for name, value in keywords_of(settings).items() if value is not None}
    run = api.reproduce(experiment, data, **keywords, **own, name=settings["run_name"], command=command_line())
    chosen = find_experiment(experiment)
    changed = {"epochs": own["epochs"], "preprocess": settings["preprocess"], "seed": own["seed"]}
    result = head_result(run) | {
        "experiment": chosen.name,
        "what": chosen.title,
        "reported": dict(chosen.reported),
        "changed": {name: value for name, value in changed.items() if value is not None},
        "mechanics_only": settings["weights"] == "random",
    }
    show(settings, result, text.describe_experiment)


@click.command()
@click.argument("images", nargs=-1, required=True, shell_complete=complete_files)
@click.option("--base", default="squeezenet", shell_complete=complete_bases, help="A name of `bottleneck bases`.")
@click.option("--weights", default="imagenet", help="imagenet, or a file with the top.")
@click.option("--top", type=click.IntRange(min=1), default=5, help="Names to list for each image.")
@compute_options
@place_options
@output_options
def classify(images: tuple[str, ...], top: int, **settings: Any) -> None:
    """Name what is in photographs (files or folders) by a pretrained network as it is."""
    from pipeline import api

    show(settings, api.classify(images, top=top, **keywords_of(settings)).as_dict(), text.describe_predictions)
