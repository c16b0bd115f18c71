"""The commands that fill the cache and train heads on it: `features`, `head`, `sweep`."""

from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.complete import complete_data, complete_heads
from pipeline.cli.options import (
    AUGMENT_HELP,
    HEAD_HELP,
    command_line,
    head_result,
    keywords,
    log_options,
    replace_option,
    run_options,
    show,
    stage_one_options,
    training_options,
    view_options,
    warn_duplicates,
    without,
    worker_options,
)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--pool", default="none", help="Store avg or max over the grid instead of the grid, to save space.")
@click.option("--augment", default="none", help=AUGMENT_HELP)
@view_options
@worker_options
@stage_one_options
def features(**options: Any) -> None:
    """Stage one: run the frozen trunk over DATA and store the features that are missing."""
    from pipeline import api

    given = keywords(options)
    with_views = bool(given["views"]) or given["augment"] != "none"
    done = api.extract(**without(given, "views", "augment", "view_seed", "tta"))
    viewed = api.extract_views(**given | {"data": done.manifest}) if with_views else None
    warn_duplicates(done.manifest.duplicates_across_splits())
    result = done.as_dict()
    if viewed:
        result["views"] = {
            "rows": len(viewed.manifest) * given["views"],
            "new": viewed.num_new,
            "store": str(viewed.store.folder),
            "seconds": viewed.seconds,
        }
    show(options, result, render.describe_features)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option("--head", default="ridge", shell_complete=complete_heads, help=HEAD_HELP)
@click.option(
    "--pool", help="none, avg or max over the grid, at read time [default: avg for linear heads, none for dense]"
)
@click.option("--augment", default="none", help=AUGMENT_HELP)
@view_options
@click.option("--lr", default=1e-3, help="Learning rate of a dense head.")
@click.option("--head-batch-size", default=32, help="Rows a step of a dense head.")
@training_options
@run_options
@stage_one_options
def head(**options: Any) -> None:
    """Stage two: train a head on the cached features of DATA; missing rows are made first."""
    from pipeline import api

    run = api.fit(**keywords(options), command=command_line())
    warn_duplicates(run.info.duplicates)
    show(options, head_result(run), render.describe_head)


@click.command()
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--head",
    multiple=True,
    shell_complete=complete_heads,
    help="As in `head`; | separates choices: dense:64|256,relu. May be repeated.",
)
@click.option(
    "--pool",
    help="none, avg or max over the grid, for all heads [default: avg for linear heads, none for dense]",
)
@click.option("--lr", multiple=True, type=float, help="A learning rate to try; may be repeated.")
@click.option("--head-batch-size", multiple=True, type=int, help="A batch size to try; may be repeated.")
@click.option("--random", type=int, help="Draw so many from the grid [default: all].")
@training_options
@click.option("--name", help="Name of the best head's run [default: made up].")
@replace_option
@log_options
@worker_options
@stage_one_options
def sweep(**options: Any) -> None:
    """Train many heads on the same features, rank them by validation, keep the best as a run."""
    import time

    from pipeline import api

    start = time.perf_counter()
    done = api.sweep(**keywords(options), command=command_line())
    seconds = time.perf_counter() - start
    result = {
        "results": [entry.as_dict() for entry in done.results],
        "best": head_result(done.best),
        "seconds": seconds,
    }
    show(options, result, render.describe_sweep)
