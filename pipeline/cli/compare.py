"""The commands of the comparison: end to end, fine-tuning, the published recipes, advice."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import render as text
from pipeline.cli.complete import (
    complete_bases,
    complete_data,
    complete_files,
    complete_heads,
    complete_recipes,
    complete_runs,
)
from pipeline.cli.options import (
    AUGMENT_HELP,
    command_line,
    compute_options,
    data_options,
    engine_options,
    head_result,
    log_options,
    options_of,
    output_options,
    place_options,
    recipe_options,
    run_options,
    scan,
    show,
    stack,
    stage_one_options,
    training_of,
    training_options,
    view_options,
    views_of,
    warn_duplicates,
    worker_options,
)
from pipeline.stage_two.spec import DEFAULT_LAYERS

if TYPE_CHECKING:
    from pipeline.stage_one.views import Views

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
    """The comparison: train a head on live photographs, augmented anew every epoch, through the frozen base."""
    _tune(data, settings, {})


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--from", "first", metavar="LAYER", help="First layer of the base to be trained.")
@click.option("--last", type=int, metavar="N", help="Train the last N layers of the base.")
@click.option(
    "--on",
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
@click.option("--base-lr", "base_rate", default=1e-5, help="Learning rate of the base's layers.")
@click.option("--head-lr", "head_rate", default=1e-5, help="Learning rate of the head in these epochs.")
@view_options
@_tuning_options
@stage_one_options
def finetune(data: str, **settings: Any) -> None:
    """Train the head first, then the base from a layer on together with it."""
    views = views_of(settings) if settings["cached"] or settings["num_views"] else None
    if settings["first"] is None and settings["last"] is None:
        raise click.UsageError("Name the first layer to train with --from, or count the last ones with --last.")
    names = ("first", "last", "on_run", "head_epochs", "base_rate", "head_rate")
    _tune(data, settings, {name: settings[name] for name in names}, cached=settings["cached"], views=views)


def _tune(
    data: str,
    settings: dict[str, Any],
    chosen: Mapping[str, Any],
    *,
    cached: bool = False,
    views: "Views | None" = None,
) -> None:
    from pipeline.images.augment import parse_augmentation
    from pipeline.training.finetune.job import Tuning
    from pipeline.training.finetune.tune import tune

    options = options_of(settings)
    tuning = Tuning(
        head=settings["head"],
        pool=settings["pool"],
        augmentation=None if cached else parse_augmentation(settings["augment"]),
        training=training_of(settings, settings["lr"], settings["head_batch_size"]),
        **chosen,
    )
    run = tune(
        scan(data, settings, options),
        tuning,
        cached=cached,
        views=views,
        name=settings["name"],
        pictures=settings["pictures"],
        command=command_line(),
        options=options,
    )
    warn_duplicates(run.folder.info["duplicates"])
    show(settings, head_result(run), text.describe_head)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--regimes", default="linear,dense,endtoend", help="Of linear, dense, cached-finetune, endtoend, finetune."
)
@click.option("--from", "first", metavar="LAYER", help="First layer that the fine-tuning regimes train.")
@click.option("--head", default=DEFAULT_LAYERS, help="Layers of the dense head.")
@click.option("--augment", default="r0", help=AUGMENT_HELP)
@click.option("--lr", default=1e-3, help="Learning rate of a dense head.")
@click.option("--head-batch-size", default=32, help="Images a step.")
@click.option("--base-lr", "base_rate", default=1e-5, help="Learning rate of the base's layers.")
@click.option("--head-lr", "head_rate", default=1e-5, help="Learning rate of the head while fine-tuning.")
@training_options
@log_options
@worker_options
@stage_one_options
def compare(data: str, regimes: str, augment: str, lr: float, head_batch_size: int, **settings: Any) -> None:
    """Train regimes on the same splits, and set accuracy against seconds in one table and one picture."""
    from pipeline.comparison import compare as verbs
    from pipeline.images.augment import parse_augmentation

    options = options_of(settings)
    comparison = verbs.Comparison(
        regimes=tuple(regimes.split(",")),
        augmentation=parse_augmentation(augment),
        training=training_of(settings, lr, head_batch_size),
        **{name: settings[name] for name in ("head", "first", "base_rate", "head_rate")},
    )
    manifest = scan(data, settings, options)
    warn_duplicates(manifest.duplicates_across_splits())
    result = verbs.compare(manifest, comparison, command=command_line(), options=options)
    show(settings, result, text.describe_comparison)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--sample", default=200, help="Training images to look at.")
@stage_one_options
def advise(data: str, sample: int, **settings: Any) -> None:
    """Measure a sample of DATA, and say which regime suits it and what each would cost here."""
    from pipeline.comparison import advise as verbs

    options = options_of(settings)
    result = verbs.advise(scan(data, settings, options), num_sample=sample, options=options)
    show(settings, result, text.describe_advice)


@click.command()
@click.argument("data", required=False, shell_complete=complete_data)
@click.option(
    "--images", "num_images", type=int, metavar="N", help="How many images to plan for [default: those of DATA]."
)
@click.option(
    "--base",
    "bases",
    multiple=True,
    default=("vgg16",),
    shell_complete=complete_bases,
    help="A name of `bottleneck bases`; may be repeated, or several with commas between them.",
)
@click.option("--workers", default=1, help="Machines or GPUs like this one that share the work.")
@click.option("--views", "num_views", default=0, help="Views of each training image to be stored too.")
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
    from pipeline.comparison import plan as verbs

    options = options_of({key: value for key, value in settings.items() if key != "workers"})
    width, _, height = photo.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.UsageError(f"--photo is WIDTHxHEIGHT in px, such as 500x375. Received: {photo}.")
    planned = verbs.Planned(
        **{name: settings[name] for name in ("num_images", "workers", "num_views", "pool", "epochs")},
        photo_px=(int(width), int(height)),
    )
    manifest = scan(data, settings, options) if data else None
    names = [name.strip() for entry in bases for name in entry.split(",")]
    show(settings, verbs.plan(manifest, planned, names, options=options), text.describe_plan)


@click.command()
@click.argument("name", shell_complete=complete_recipes)
@click.argument("data", shell_complete=complete_data)
@click.option("--epochs", type=int, help="Fewer epochs than published.")
@click.option("--preprocess", help="Another preprocessing than published: native, rescale or standardize.")
@click.option("--seed", type=int, help="Seed of the head's weights, shuffling and dropout [default: 0].")
@click.option("--cached", is_flag=True, help="Fine-tune from the cache.")
@click.option(
    "--views", "num_views", default=0, help="With --cached: store and use views of the recipe's augmentation."
)
@click.option("--run-name", help="The run's name [default: the recipe's].")
@log_options
@click.option("--label", default="label", help="Label column of a table.")
@click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), help="Folder that a table's paths are relative to."
)
@click.option("--weights", default="imagenet", help="imagenet, random (mechanics only), or a file.")
@compute_options
@place_options
@output_options
def recipe(name: str, data: str, cached: bool, num_views: int, run_name: str | None, **settings: Any) -> None:
    """Run a published recipe, r0a to r4, as it was reported, and print ours beside its figures."""
    from pipeline.comparison import reproduce as verbs

    published = verbs.find_published(name).changed(
        **{key: settings.pop(key) for key in ("epochs", "preprocess", "seed")}
    )
    options = options_of(settings)
    run = verbs.run_published(
        published,
        data,
        label=settings["label"],
        root=settings["root"],
        cached=cached,
        num_views=num_views,
        name=run_name,
        command=command_line(),
        options=options,
    )
    result = head_result(run) | {
        "recipe": published.name,
        "what": published.what,
        "reported": dict(published.reported),
        "changed": dict(published.changes),
        "mechanics_only": settings["weights"] == "random",
    }
    show(settings, result, text.describe_recipe)


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
    from pipeline.bases import classify as verbs

    show(settings, verbs.classify(images, top=top, options=options_of(settings)), text.describe_predictions)
