"""The commands below `cache`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli import render
from pipeline.cli.choices import COUNT_OR_NONE, POOLING
from pipeline.cli.command import Command, section, stack
from pipeline.cli.complete import complete_data, complete_stores
from pipeline.cli.options import (
    OrderedGroup,
    base_options,
    data_options,
    folder_options,
    keywords,
    output_options,
    show,
    stage_one_options,
    without,
)


@click.group(cls=OrderedGroup)
def cache() -> None:
    """Look after the stores of cached features."""


@cache.command("ls", cls=Command, examples=["bottleneck cache ls"])
@folder_options
@output_options
def cache_ls(**options: Any) -> None:
    """List the stores with their rows and bytes."""
    from pipeline import maintenance

    stores = [summary.as_dict() for summary in maintenance.list_stores(options["cache"])]
    show(options, stores, render.describe_stores)


@cache.command("info", cls=Command, examples=["bottleneck cache info vgg16-150px-block5_pool-3f9a1c20b7de"])
@click.argument("store", shell_complete=complete_stores)
@folder_options
@output_options
def cache_info(**options: Any) -> None:
    """Show rows, size, recipe and provenance of a STORE (its name, the start or end of it, or its path)."""
    from pipeline import maintenance

    summary = maintenance.describe_store(options["store"], options["cache"])
    show(options, summary.as_dict(), lambda r: json.dumps(r, indent=2))


@cache.command(
    "verify", cls=Command, examples=["bottleneck cache verify", "bottleneck cache verify --data photos --recompute 10"]
)
@section(
    "Data",
    click.option("--data", shell_complete=complete_data, help="DATA whose rows are computed again."),
    click.option(
        "--recompute",
        type=COUNT_OR_NONE,
        default=0,
        help="Number of random rows of --data to compute again and compare.",
    ),
)
@stage_one_options
def cache_verify(**options: Any) -> None:
    """Read every byte of every store; exit with 3 if anything is damaged."""
    from pipeline import maintenance

    if options["recompute"] and options["data"] is None:
        raise click.UsageError("--recompute needs --data: the images whose rows are computed again.")
    check = maintenance.verify_cache(**keywords(options))
    show(options, check.as_dict(), render.describe_verify)
    if not check.is_whole:
        sys.exit(3)


@cache.command("repair", cls=Command, examples=["bottleneck cache repair"])
@folder_options
@output_options
def cache_repair(**options: Any) -> None:
    """Verify every store and set damaged shards aside; `features` then computes only their rows again."""
    from pipeline import maintenance

    done = maintenance.repair_cache(**without(keywords(options), "runs"))
    show(options, done.as_dict(), render.describe_repair)


@cache.command("compact", cls=Command, examples=["bottleneck cache compact"])
@click.argument("stores", nargs=-1, metavar="[STORE]...", shell_complete=complete_stores)
@folder_options
@output_options
def cache_compact(**options: Any) -> None:
    """Merge the small shards of STOREs (all, if none is named) into full ones; exit with 3 if one could not be merged.

    Every row is on the disk at all times.
    """
    from pipeline import maintenance

    merged = maintenance.compact_cache(**without(keywords(options), "runs"))
    show(options, {"stores": [store.as_dict() for store in merged]}, render.describe_compact)
    if any(store.error for store in merged):
        sys.exit(3)


@cache.command(
    "prune",
    cls=Command,
    examples=["bottleneck cache prune", "bottleneck cache prune --yes vgg16-150px-block5_pool-3f9a1c20b7de"],
)
@click.argument("stores", nargs=-1, metavar="[STORE]...", shell_complete=complete_stores)
@section("Output", click.option("--yes", is_flag=True, help="Delete; without it, only show what would be deleted."))
@folder_options
@output_options
def cache_prune(**options: Any) -> None:
    """Delete STOREs and all quarantined shards; without --yes, show what would be deleted."""
    from pipeline import maintenance

    done = maintenance.prune_cache(options["stores"], options["cache"], yes=options["yes"])
    show(options, done.as_dict(), render.describe_prune)


@cache.command(
    "forget",
    cls=Command,
    examples=[
        "bottleneck cache forget new.jpg --with-runs",
        "bottleneck cache forget new.jpg --with-runs --yes",
    ],
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@section(
    "Output",
    click.option("--yes", is_flag=True, help="Do it; without it, only show what would be done."),
    click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        help="JSON file for the certificate, outside both folders.",
    ),
)
@section(
    "Data",
    click.option(
        "--with-runs",
        is_flag=True,
        help="Also remove the images from all runs, and fit heads that were trained on them again without them.",
    ),
)
@folder_options
@output_options
def cache_forget(**options: Any) -> None:
    """Remove all rows of IMAGEs from every store, in every view; exit with 3 if something could not be done.

    An IMAGE is a file, a folder, a table of paths, or a SHA-256; files may be gone already. Copies with the same bytes are one image.
    Without --yes, everything is shown and nothing is changed.
    """
    from pipeline import maintenance
    from pipeline.cli.forgotten import describe_certificate

    done = maintenance.forget_images(**keywords(options))
    show(options, done.as_dict(), describe_certificate)
    if done.is_done and not done.is_complete:
        sys.exit(3)


@cache.command("export", cls=Command, examples=["bottleneck cache export photos features.h5 --pool avg"])
@click.argument("data", shell_complete=complete_data)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@section(
    "Features",
    click.option("--pool", type=POOLING, default="none", help="Average or maximum the feature map of each row."),
)
@stage_one_options
def cache_export(**options: Any) -> None:
    """Write the features of DATA to one plain HDF5 FILE, by split, with labels and paths.

    An earlier export of that name is replaced, and nothing else.
    """
    from pipeline import maintenance

    done = maintenance.export_cache(**keywords(options))
    show(options, done.as_dict(), render.describe_cache_export)


@cache.command(
    "import",
    cls=Command,
    examples=["bottleneck cache import other/features_cache/vgg16-150px-block5_pool-3f9a1c20b7de"],
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@folder_options
@output_options
def cache_import(**options: Any) -> None:
    """Copy the shards of a store FOLDER from elsewhere into the cache, after checking each."""
    from pipeline import maintenance

    done = maintenance.import_cache(**without(keywords(options), "runs"))
    show(options, done.as_dict(), lambda r: f"{r['store']}: {r['new_shards']} new shards, {r['rows']} rows")


_EXCHANGE = (data_options, base_options, folder_options, output_options)


@cache.command(
    "push",
    cls=Command,
    examples=["bottleneck cache push s3://team/features", "bottleneck cache push /mnt/team/features photos --size 150"],
)
@click.argument("url")
@click.argument("data", required=False, shell_complete=complete_data)
@stack(*_EXCHANGE)
def cache_push(**options: Any) -> None:
    """Copy shards that the shared cache at URL lacks to it: all, or those with rows of DATA.

    URL is s3://BUCKET/PREFIX, gs://, az:// or a folder. Each shard is checked first; exit with 3 if one was refused.
    """
    from pipeline import maintenance

    _show_exchange(options, maintenance.push_cache(**keywords(options)).as_dict())


@cache.command(
    "pull",
    cls=Command,
    examples=[
        "bottleneck cache pull s3://team/features",
        "bottleneck cache pull s3://team/features photos.jsonl --base vgg16 --size 150",
    ],
)
@click.argument("url")
@click.argument("data", required=False, shell_complete=complete_data)
@stack(*_EXCHANGE)
def cache_pull(**options: Any) -> None:
    """Copy shards that the cache lacks from the shared one at URL: all, or those with rows of DATA.

    URL is s3://BUCKET/PREFIX, gs://, az://, https:// or a folder. DATA can be a manifest file (`features --manifest`). Options such as
    --base and --size name the stores. Each shard is checked before it is in the cache; exit with 3 if one was refused.
    """
    from pipeline import maintenance

    _show_exchange(options, maintenance.pull_cache(**keywords(options)).as_dict())


def _show_exchange(options: dict[str, Any], result: dict[str, Any]) -> None:
    show(options, result, render.describe_exchange)
    if result["refused"]:
        sys.exit(3)
