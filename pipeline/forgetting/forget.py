"""Forget images: remove what the cache and the runs hold of them, and train the heads that saw them again without them.

Every step finds its work by what is still there, so a call that was killed is finished by the next one: a store by its keys, a run by its
predictions.csv, which is replaced together with its head. The table of file hashes comes last, because it may be all that still leads from
a path to its image. No list of forgotten images is kept.
"""

import datetime as dt
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.cache.forget import StoreChange, forget_rows
from pipeline.cache.stores import store_folders
from pipeline.errors import SettingError
from pipeline.files import write_json
from pipeline.forgetting.certificate import Certificate
from pipeline.forgetting.known import KnownRun, known_runs
from pipeline.forgetting.refit import sweep_leftovers
from pipeline.forgetting.runs import RETRAIN, SCORE, RunChange, began_with, forget_in_run, plan_run, read_mark
from pipeline.forgetting.shown import Removed, find_indexes, find_shown
from pipeline.forgetting.traces import Traces, find_traces
from pipeline.forgetting.wanted import Wanted, find_wanted
from pipeline.progress import progress_bar
from pipeline.settings import Settings
from pipeline.version import __version__


@dataclass(frozen=True)
class _Found:
    """All that knows of the images."""

    wanted: Wanted
    runs: Sequence[KnownRun]
    changes: Sequence[RunChange]
    removed: Sequence[Removed]
    sweeps: Sequence[Path]


def forget_images(
    images: Sequence[str | Path],
    settings: Settings,
    *,
    with_runs: bool = False,
    out: Path | None = None,
    is_dry: bool = True,
) -> Certificate:
    """Forget images in all stores, in the table of file hashes, and with `with_runs` in all runs.

    Args:
        images: Files, folders, tables, archives, SHA-256 of 64 hexadecimal digits, or paths that existed once.
        settings: Folders and compute.
        with_runs: Also in runs: their heads are fitted again.
        out: A JSON file for the certificate; None: none.
        is_dry: Change nothing, only find out what would be changed.

    Raises:
        DataNotFoundError: A path does not exist, and nothing remembers it.
        SettingError: The certificate, which names the images, would be in the cache or among the runs.
    """
    start, paths = time.perf_counter(), settings.paths
    _check_out(out, [paths.cache, paths.runs])
    found = _find(images, settings, with_runs=with_runs)
    stores, changes = _stores(found, settings, is_dry=is_dry), found.changes
    removed = [*found.removed, *(find_indexes() if any(store.is_touched for store in stores) else ())]
    if not is_dry:
        for entry in removed:
            Path(entry.file).unlink(missing_ok=True)
        for path in found.sweeps:
            path.unlink(missing_ok=True)
        changes = _forget_in_runs(found, settings)
    digests = found.wanted.digests
    hashes, refusal = _forget_hashes(digests, settings, is_dry=is_dry)
    searched = [paths.cache, *([paths.runs] if with_runs else [])]
    traces = None if is_dry else find_traces(searched, digests)
    done = Certificate(
        images={digest.hex(): names for digest, names in found.wanted.names.items()},
        is_done=not is_dry,
        cache=paths.cache,
        runs=paths.runs if with_runs else None,
        stores=stores,
        hashes=hashes,
        runs_searched=len(found.runs) if with_runs else 0,
        changes=changes,
        removed=removed,
        sweeps=[str(path) for path in found.sweeps],
        not_done=[*refusal, *_not_done(stores, found, changes, traces, with_runs=with_runs)],
        notes=list(_notes(found, changes, settings, with_runs=with_runs)),
        traces=traces,
        date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        version=__version__,
        seconds=time.perf_counter() - start,
    )
    if out is not None:
        write_json(out, done.as_dict())
    return done


def _check_out(out: Path | None, folders: Sequence[Path]) -> None:
    if out is not None and any(out.resolve().is_relative_to(folder.resolve()) for folder in folders):
        raise SettingError(
            f"The certificate names the images, so it is kept outside the cache and the runs. Received: --out {out}."
        )


def _find(images: Sequence[str | Path], settings: Settings, *, with_runs: bool) -> _Found:
    runs = known_runs(settings.paths.runs)  # they know paths of images, though without `with_runs` they stay
    wanted = find_wanted(images, settings.paths.hashes, runs)
    planned = {run.folder.path: plan_run(run, wanted.digests) for run in runs} if with_runs else {}
    changes = [change for change in planned.values() if change]
    affected = [run for run in runs if planned.get(run.folder.path)]
    names = _names(wanted, affected)
    shown = (
        find_shown(settings.paths.runs, wanted.digests, names, [change.run for change in changes]) if with_runs else []
    )
    sweeps = [path for run in affected for path in sweep_leftovers(run.folder, settings.paths.runs)]
    return _Found(wanted, runs, changes, shown, sweeps)


def _names(wanted: Wanted, runs: Sequence[KnownRun]) -> set[str]:
    """Paths of the images, as they were named, and as runs have them."""
    given = {name for names in wanted.names.values() for name in names}
    absolute = {os.path.abspath(name) for name in given}  # noqa: PTH100
    return given | absolute | {row["path"] for run in runs for row in run.split(wanted.digests)[0]}


def _stores(found: _Found, settings: Settings, *, is_dry: bool) -> list[StoreChange]:
    folders = store_folders(settings.paths.cache)
    bar = progress_bar(folders, desc="stores", unit="store", progress=settings.compute.progress and not is_dry)
    return [forget_rows(folder, found.wanted.digests, is_dry=is_dry) for folder in bar]


def _forget_hashes(digests: Collection[bytes], settings: Settings, *, is_dry: bool) -> tuple[list[str], list[str]]:
    """Paths that were remembered, and why they could not be removed."""
    try:
        return settings.paths.hashes.forget(digests, is_dry=is_dry), []
    except OSError as error:
        return [], [f"File hashes: {error}"]


def _forget_in_runs(found: _Found, settings: Settings) -> list[RunChange]:
    """Heads on rows first: a fine-tuning may begin with the head of such a run."""
    by_name = {run.folder.name: run for run in found.runs}
    order = sorted(found.changes, key=lambda change: change.work == RETRAIN)
    bar = progress_bar(order, desc="runs", unit="run", progress=settings.compute.progress)
    return [forget_in_run(by_name[change.run], change, found.wanted.digests, settings) for change in bar]


def _not_done(
    stores: Sequence[StoreChange],
    found: _Found,
    changes: Sequence[RunChange],
    traces: Traces | None,
    *,
    with_runs: bool,
) -> Iterator[str]:
    for store in stores:
        if store.error is not None:
            yield f"Store {store.store}: {store.error}"
    for trace in traces.found if traces else ():
        yield f"{trace} still has something of the images, or cannot be read. If it is yours, change it; otherwise run the command again."
    if not with_runs:
        return
    for run in found.runs:
        if run.error is not None:
            yield f"Run {run.folder.name}: {run.error} Train it again, or remove it."
    for change in changes:
        if change.is_open:
            yield f"Run {change.run}: {change.reason}"
    yield from _still_open(found, changes)


def _still_open(found: _Found, changes: Sequence[RunChange]) -> Iterator[str]:
    """Runs that began with the head of another one, and runs whose heads were trained on images that were forgotten before."""
    now = {change.run for change in changes}
    fitted = {change.run for change in changes if change.work != SCORE}
    for run in found.runs:
        start = began_with(run.folder) if run.error is None and run.folder.name not in now else None
        if start in fitted:
            yield f"Run {run.folder.name}: it began with the head of {start}, which was trained on the images. Train it again, or remove it."
        mark = read_mark(run.folder) if run.folder.name not in now else []
        if mark:
            dates = ", ".join(sorted({str(entry.get("date", ""))[:10] for entry in mark}))
            yield f"Run {run.folder.name}: its head was trained on images that were forgotten before ({dates}). Train it again, or remove it."


def _kept_in_temporary(digests: Collection[bytes]) -> list[str]:
    """Files of this project in the system's temporary folder: stores of a cache that could not be written, and runs that could not be saved."""
    folders = [
        path for path in Path(tempfile.gettempdir()).glob("bottleneck-*") if path.is_dir() and os.access(path, os.R_OK)
    ]
    return list(find_traces(folders, digests).found)


def _notes(found: _Found, changes: Sequence[RunChange], settings: Settings, *, with_runs: bool) -> Iterator[str]:
    yield from found.wanted.notes
    for path in _kept_in_temporary(found.wanted.digests):
        yield f"{path}, outside the cache and the runs, has something of the images. Remove it if no process uses it."
    knowing = [] if with_runs else [run.folder.name for run in found.runs if run.split(found.wanted.digests)[0]]
    if knowing:
        yield f"Runs that know of the images are left as they are: {', '.join(knowing)}. --with-runs fits them again."
    if with_runs:
        yield from _unfinished(settings.paths.runs)
    for change in changes:
        for name in change.exports:
            if name not in change.removed:
                yield f"{name} was exported from the old head of {change.run}. Replace it: bottleneck export {change.run} {name}."


def _unfinished(runs: Path) -> Iterator[str]:
    unfinished = sorted((runs / ".training").glob("*.npz"))
    if unfinished:
        yield (
            f"Unfinished trainings ({len(unfinished):,} files in {unfinished[0].parent}) do not say on which images they are. Finish them, or "
            "remove the files."
        )
