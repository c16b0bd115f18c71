"""A certificate of images that were forgotten, as text."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.cli.table import table

_SHOWN = 10


def describe_certificate(result: Mapping[str, Any]) -> str:
    """What was searched, found and changed, with digests before and after, and what is left."""
    parts = [_heading(result), *_images(result), *_stores(result), *_runs(result), *_others(result), *_end(result)]
    return "\n".join(parts)


def _heading(result: Mapping[str, Any]) -> str:
    what = _count(len(result["images"]), "image")
    if result["forgotten"]:
        return f"Forgotten: {what}, {result['date']}, version {result['version']}"
    return f"Would forget {what} (add --yes)"


def _images(result: Mapping[str, Any]) -> Iterator[str]:
    for image in result["images"][:_SHOWN]:
        names = [name for name in image["names"] if name != image["sha256"]]
        yield f"  {image['sha256']}  {', '.join(names)}".rstrip()
    yield from _more(len(result["images"]))


def _stores(result: Mapping[str, Any]) -> Iterator[str]:
    stores = result["stores"]
    touched = [store for store in stores if store["shards"] or store["quarantined"]]
    yield f"Stores: {len(stores)} searched, {_count(result['rows'], 'row')} of these images in {len(touched)}"
    for store in touched:
        yield f"  {store['store']}: {_count(store['rows'], 'row')}"
        for shard in store["shards"][:_SHOWN]:
            yield f"    {shard['before']} -> {_after(shard, result)} ({shard['rows']} of {shard['rows'] + shard['kept']} rows)"
        yield from _more(len(store["shards"]), "    ")
        yield from (f"    quarantine/{name} -> removed" for name in store["quarantined"])
    yield f"File hashes: {_count(len(result['file_hashes']), 'path')}"
    yield from (f"  {path}" for path in result["file_hashes"][:_SHOWN])
    yield from _more(len(result["file_hashes"]))


def _after(shard: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    if shard["after"] or not shard["kept"]:
        return shard["after"] or "removed"
    return "removed" if result["forgotten"] else "new shard"


def _runs(result: Mapping[str, Any]) -> Iterator[str]:
    if result["runs_folder"] is None:
        return
    yield f"Runs: {result['runs_searched']} searched, {len(result['runs'])} with these images"
    rows = [
        {
            "run": run["run"],
            "images": run["images"],
            "splits": " ".join(run["splits"]),
            "work": run["work"],
            "head before": _head(run["before"]),
            "head after": _head(run["after"]),
        }
        for run in result["runs"]
    ]
    if rows:
        yield table(rows)


def _head(digests: Mapping[str, str]) -> str:
    return next((digest[:12] for name, digest in digests.items() if name.startswith("head.")), "-")


def _others(result: Mapping[str, Any]) -> Iterator[str]:
    verb = "Removed" if result["forgotten"] else "Would remove"
    inside = [(f"{run['run']}/{name}", "") for run in result["runs"] for name in run["removed"]]
    outside = [(entry["file"], f" (again: {entry['again']})") for entry in result["removed"]]
    for name, again in [*outside, *inside]:
        yield f"{verb}: {name}{again}"
    if result["sweeps"]:
        yield f"{verb}: {_count(len(result['sweeps']), 'saved result')} of sweeps"


def _end(result: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"Not done: {text}" for text in result["not_done"])
    yield from (f"Note: {text}" for text in result["notes"])
    traces = result["traces"]
    if traces is not None:
        held = (
            f"{len(traces['found'])} still have something of them"
            if traces["found"]
            else "no row or digest of them is left"
        )
        yield f"Looked through {_count(traces['files'], 'file')} ({traces['bytes'] / 1e6:.1f} MB) afterwards: {held}"
    yield f"Seconds: {result['seconds']:.1f}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _more(count: int, indent: str = "  ") -> Iterator[str]:
    if count > _SHOWN:
        yield f"{indent}and {count - _SHOWN:,} more"
