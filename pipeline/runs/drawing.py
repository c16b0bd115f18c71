"""Plots of results that are saved already. One that fails is a warning."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.runs.attempts import attempt
from pipeline.runs.folder import RunFolder


def draw_run(run: RunFolder) -> bool:
    """Put a run's confusion matrix into its folder, and its curves if it has a history; whether that went well."""
    return attempt(f"Run {run.name} is saved, but its plots could not be drawn", _draw_run, run)


def draw_comparison(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> bool:
    """Draw regimes side by side, in the place of an older plot; whether that went well."""
    return attempt(f"The comparison is saved, but {path.name} could not be drawn", _draw_comparison, path, rows, title)


def _draw_run(run: RunFolder) -> None:
    # matplotlib is loaded here: even that fails in some environments.
    from pipeline.runs import plots

    info, scores, history = run.info, run.scores, run.history()
    title = f"{info.data}: {info.head} on {info.recipe['base']}"
    split = "test" if "test" in scores else "validation"
    if history:
        plots.draw_curves(run.path / "curves.png", history, title)
    confusion = scores[split].confusion
    plots.draw_confusion(run.path / "confusion.png", confusion, info.classes, f"{title}\n{split} images")


def _draw_comparison(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    path.unlink(missing_ok=True)
    from pipeline.runs import plots

    plots.draw_comparison(path, rows, title)
