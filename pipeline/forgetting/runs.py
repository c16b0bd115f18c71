"""Forgetting images in runs: what each run needs, and doing it."""

import datetime as dt
import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.errors import PipelineError, SettingError
from pipeline.files import read_json, replacing, write_json
from pipeline.forgetting.known import KnownRun, Row
from pipeline.forgetting.refit import OWN_FILES, Refit, manifest_of
from pipeline.images.manifest import SPLITS
from pipeline.runs.folder import RunFolder, open_run
from pipeline.runs.plots.by_task import NAMES
from pipeline.runs.tables import read_table, write_table
from pipeline.settings import Settings
from pipeline.stage_one.reuse.stored import preprocessing_of

logger = logging.getLogger(__name__)

REFIT, RETRAIN, SCORE, LIST = "fit again", "train again", "score again", "not done"
MARK = "forgotten.json"
"""In the folder of a run whose head still is the one that was trained on images that are forgotten: when, and how many."""

_REPORT = "report.html"
_PAGES = (_REPORT, "curves.png", *NAMES)
_MOST_JSON = 2**28


@dataclass(frozen=True)
class RunChange:
    """A run that was trained or scored on the images."""

    run: str
    images: int
    """How many of its images are among them; copies count."""

    splits: tuple[str, ...]
    """Where they are."""

    work: str
    """`fit again`, `train again`, `score again` (they are test images), or `not done`."""

    before: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of its files."""

    after: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    """Files of its folder that showed the old run."""

    exports: tuple[str, ...] = ()
    """Files that were exported from the old head, wherever they are."""

    reason: str | None = None
    """Why it was not done, and what to do."""

    @property
    def is_open(self) -> bool:
        """Whether something is left to be done."""
        return self.reason is not None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **asdict(self),
            "splits": list(self.splits),
            "removed": list(self.removed),
            "exports": list(self.exports),
        }


def plan_run(known: KnownRun, digests: Collection[bytes]) -> RunChange | None:
    """What a run needs; None if it knows none of the images."""
    gone, _ = known.split(digests)
    if not gone:
        return None
    run, splits = known.folder, tuple(name for name in SPLITS if any(row["split"] == name for row in gone))
    work, reason = _work(run, is_test=splits == ("test",))
    removed, exports = _shown(run, is_same=work == SCORE)
    return RunChange(run.name, len(gone), splits, work, _digests(run), removed=removed, exports=exports, reason=reason)


def _work(run: RunFolder, *, is_test: bool) -> tuple[str, str | None]:
    info = run.info
    if is_test:
        return SCORE, None
    again = f"Train it again ({info.command})" if info.command else "Train it again"
    if _is_standardized(run):
        why = "Its features are standardized by the training images, so all of them change."
        return LIST, f"{why} {again}, or remove the run."
    if info.regime is None:
        return REFIT, None
    if info.cached:
        return RETRAIN, None
    return LIST, f"It was trained on live images, not on rows. {again} without the images, or remove the run."


def _is_standardized(run: RunFolder) -> bool:
    """Whether the features depend on all training images of the run."""
    try:
        recipe = Recipe.from_dict(dict(run.info.recipe))
        spec = find_base(recipe.base, recipe.decoder.size_px, weights=run.info.weights)
        return not spec.parts and preprocessing_of(recipe, spec) == "standardize"
    except (PipelineError, OSError):  # a base that is a file, which is gone; it has a preprocessing of its own
        return False


def forget_in_run(known: KnownRun, change: RunChange, digests: Collection[bytes], settings: Settings) -> RunChange:
    """Do what a run needs; what cannot be done is listed with its reason, and its tables lose the images anyway."""
    run = known.folder
    gone, kept = known.split(digests)
    own = replace(settings, paths=replace(settings.paths, runs=run.path.parent))
    try:
        if change.work == LIST:
            _strip(run, gone, kept)
        else:
            _work_on(run, change, gone, kept, own)
    except (PipelineError, OSError, ArithmeticError, LookupError, ValueError) as error:
        _strip(run, gone, kept, is_trained=change.work != SCORE)
        left = "Its scores still count the images. " if change.work == SCORE else ""
        reason = f"{error} {left}Train it again without the images, or remove the run."
        change = replace(change, work=LIST, reason=reason)
    return replace(change, after=_digests(RunFolder(run.path)))


def _work_on(run: RunFolder, change: RunChange, gone: Sequence[Row], kept: Sequence[Row], settings: Settings) -> None:
    settings = settings.with_changes(base=run.info.recipe["base"], weights=run.info.weights)
    manifest = manifest_of(run, kept, {row["path"] for row in gone})
    keep = _others(run, change)
    if change.work == RETRAIN:
        from pipeline.forgetting.retrain import retrain

        _check_start(run, settings)
        retrain(run, manifest, settings, keep)
    elif change.work == SCORE:
        Refit(run, manifest, settings, keep).score()
    else:
        Refit(run, manifest, settings, keep).train()


def began_with(run: RunFolder) -> str | None:
    """The run whose head a fine-tuning began with; None if it trained a head itself, or an older version made it."""
    name = (run.info.fine_tuning or {}).get("on_run")
    return None if name is None else Path(str(name)).name


def _check_start(run: RunFolder, settings: Settings) -> None:
    """Check that the head that a fine-tuning began with does not know the images.

    Raises:
        SettingError: It does.
        RunNotFoundError: It is gone.
    """
    start = began_with(run)
    if start is not None and read_mark(open_run(start, settings.paths.runs)):
        raise SettingError(f"It began with the head of {start}, which was trained on the images.")


def _others(run: RunFolder, change: RunChange) -> list[Path]:
    """What is in the folder of a run beside the files of a training, and stays: the user's, and the exports of an unchanged head."""
    left_out = {*OWN_FILES, *_PAGES, *change.removed}
    return sorted(path for path in run.path.iterdir() if path.name not in left_out)


def _shown(run: RunFolder, *, is_same: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files in a run's folder that show the old run or hold its head, which are removed; and all exports that are recorded."""
    pages = [_REPORT] if (run.path / _REPORT).is_file() else []
    exports = _exports(run)
    if is_same:
        return tuple(pages), ()
    inside = [name for name in dict.fromkeys(exports) if Path(name).name == name and (run.path / name).exists()]
    record = ["exports.json"] if exports else []
    return (*pages, *inside, *record), tuple(dict.fromkeys(exports))


def _exports(run: RunFolder) -> list[str]:
    try:
        entries = read_json(run.path / "exports.json", _MOST_JSON)
        return [str(entry["file"]) for entry in entries]
    except (OSError, ValueError, TypeError, LookupError):
        return []


def _strip(run: RunFolder, gone: Sequence[Row], kept: Sequence[Row], *, is_trained: bool = True) -> None:
    """Take images out of the tables of a run whose head stays, and note that it does."""
    names = {row["path"] for row in gone}
    if is_trained:
        _mark(run, len(gone))
    raw = read_json(run.path / "run.json", _MOST_JSON)
    raw["skipped"] = [entry for entry in raw.get("skipped", ()) if entry["path"] not in names]
    others = [[one for one in group if one.partition(": ")[2] not in names] for group in raw.get("duplicates", ())]
    raw["duplicates"] = [group for group in others if len(group) > 1]
    write_json(run.path / "run.json", raw)
    for name in ("folds.csv", "groups.csv"):
        _filter(run.path / name, names)
    (run.path / _REPORT).unlink(missing_ok=True)
    header = list(run.predictions()[0])
    # Last: until then the next call finds the images here.
    with replacing(run.path / "predictions.csv", sync=True) as beside:
        write_table(beside, header, [list(row.values()) for row in kept])


def _filter(path: Path, names: Collection[str]) -> None:
    """Take the rows of images out of a table of the run, if it has that table."""
    try:
        rows = read_table(path)
    except FileNotFoundError:
        return
    if not rows:  # all of its images were forgotten before
        return
    with replacing(path) as beside:
        write_table(beside, list(rows[0]), [list(row.values()) for row in rows if row["path"] not in names])


def _mark(run: RunFolder, count: int) -> None:
    entry = {"date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "images": count}
    write_json(run.path / MARK, [*read_mark(run), entry])


def read_mark(run: RunFolder) -> list[dict[str, Any]]:
    """When images were forgotten that the head of a run was trained on; empty for almost all runs."""
    try:
        return list(read_json(run.path / MARK, _MOST_JSON))
    except (OSError, ValueError, TypeError):
        return []


def _digests(run: RunFolder) -> dict[str, str]:
    """SHA-256 of the files of a run that a training makes."""
    found = sorted(path for path in run.path.iterdir() if path.name in OWN_FILES and path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
