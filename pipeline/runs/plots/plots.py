"""Plots of runs and comparisons: learning curves and regimes side by side; the plots of each task are in `by_task`.

They are readable at half size and without colour vision. A plot that cannot be drawn is a warning, because what it shows is saved.
"""

import contextlib
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import replacing
from pipeline.runs.attempts import attempt
from pipeline.runs.folder import RunFolder
from pipeline.runs.plots.by_task import Shown, draw_all
from pipeline.runs.plots.fonts import use_fonts
from pipeline.tasks.scores import words_of
from pipeline.tasks.targets import Outputs, Targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito's palette for all kinds of colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")
BLUE, ORANGE = COLOURS[:2]
_FONT = 13


def draw_run(run: RunFolder, predicted: Mapping[str, tuple[Outputs, Targets]]) -> bool:
    """Draw the plots of a run's task, and its learning curves if it has epochs, into its folder.

    Args:
        run: A finished run.
        predicted: Outputs (N, K) and targets of each split.

    Returns:
        Whether all plots could be drawn.
    """
    return attempt(f"Run {run.name} is saved, but its plots could not be drawn", _draw_run, run, predicted)


def draw_comparison(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> bool:
    """Draw regimes side by side; an older plot at this path is removed.

    Returns:
        Whether the plot could be drawn.
    """
    what = f"The comparison is saved, but {path.name} could not be drawn"
    return attempt(what, _draw_comparison, path, rows, title)


def draw_race(path: Path, rounds: "Sequence[Any]", title: str) -> bool:
    """Draw accuracy by number of images of all that take part in a race (`pipeline.comparison.race.Round`).

    Returns:
        Whether the plot could be drawn.
    """
    return attempt(f"The race is over, but {path.name} could not be drawn", _draw_race, path, rounds, title)


def _draw_race(path: Path, rounds: "Sequence[Any]", title: str) -> None:
    """A line for each, which ends where it is out; the winner's is thick."""
    winner = rounds[-1].standings[0].name
    names = list(dict.fromkeys(one.name for each in reversed(rounds) for one in each.standings))
    with _figure(path, 9.5, 5.2, title) as figure:
        axes = figure.add_subplot()
        for number, name in enumerate(names):
            points = [(each.images, one.accuracy) for each in rounds for one in each.standings if one.name == name]
            colour, marker = COLOURS[number % len(COLOURS)], "osD^v<>Pp*"[number % 10]
            width = 3.0 if name == winner else 1.2
            axes.plot(*zip(*points, strict=True), f"{marker}-", color=colour, linewidth=width, markersize=7, label=name)
        axes.set_xscale("log", base=2)
        ticks = [each.images for each in rounds]
        axes.set_xticks(ticks, [f"{images:,}" for images in ticks])
        axes.minorticks_off()
        axes.set_xlabel("training images", fontsize=_FONT)
        axes.set_ylabel("leave-one-out accuracy", fontsize=_FONT)
        axes.tick_params(labelsize=_FONT - 1)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=_FONT - 2, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_run(run: RunFolder, predicted: Mapping[str, tuple[Outputs, Targets]]) -> None:
    info, scores, history = run.info, run.scores, run.history()
    title = f"{info.data}: {info.head} on {info.recipe['base']}"
    split = "test" if "test" in scores else "validation"
    if history:
        draw_curves(run.path / "curves.png", history, title, run.task.history_words)
    draw_all(run.path, Shown(run.task, scores[split], *predicted[split]), f"{title}\n{split} images")


def _draw_comparison(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    path.unlink(missing_ok=True)
    draw_regimes(path, rows, title)


def draw_curves(path: Path, history: Sequence[Mapping[str, float]], title: str, words: tuple[str, str]) -> None:
    """Loss and score by epoch, of training and validation; `words` is what they are called."""
    from matplotlib.ticker import MaxNLocator

    with _figure(path, 11, 4.4, title) as figure:
        epochs = [row["epoch"] for row in history]
        for position, (key, label) in enumerate(zip(("loss", "accuracy"), words, strict=True), start=1):
            axes = figure.add_subplot(1, 2, position)
            axes.plot(epochs, [row[key] for row in history], "o--", color=ORANGE, label="training", markersize=4)
            axes.plot(
                epochs, [row[f"val_{key}"] for row in history], "s-", color=BLUE, label="validation", markersize=4
            )
            axes.set_xlabel("epoch", fontsize=_FONT)
            axes.set_ylabel(label, fontsize=_FONT)
            axes.tick_params(labelsize=_FONT - 1)
            axes.grid(alpha=0.25)
            axes.legend(fontsize=_FONT, frameon=False)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_regimes(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """The main score on validation with its 95 % interval by seconds, with the cost of stage one (filled) and without it (hollow)."""
    from matplotlib.ticker import LogLocator, NullFormatter

    with _figure(path, 9.5, 5.2, title) as figure:
        axes = figure.add_subplot()
        for row, colour, marker in zip(rows, COLOURS, "osD^v", strict=False):
            low, high = row["ci95"]
            accuracy = row["validation"]
            axes.errorbar(
                max(row["total_seconds"], 1e-2),
                accuracy,
                yerr=[[accuracy - low], [high - accuracy]],
                fmt=marker,
                color=colour,
                markersize=10,
                capsize=4,
                label=row["regime"],
            )
            if row["extraction_seconds"]:
                before = max(row["training_seconds"], 1e-2)
                axes.plot([before, row["total_seconds"]], [accuracy, accuracy], ":", color=colour)
                axes.plot(before, accuracy, marker, color=colour, markersize=10, markerfacecolor="white")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("seconds (filled: with stage one; hollow: on a warm cache)", fontsize=_FONT)
        words = words_of(rows[0].get("score", "accuracy"))
        axes.set_ylabel(f"validation {words}, 95 % interval", fontsize=_FONT)
        axes.tick_params(labelsize=_FONT - 1)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=_FONT - 1, frameon=False, loc="best")


@contextlib.contextmanager
def _figure(path: Path, width: float, height: float, title: str) -> "Iterator[Figure]":
    """A figure of this size in inches; it is saved as PNG at the end."""
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A matplotlibrc in the current folder must not change these plots (`text.usetex: True` needs LaTeX).
    # The backend is left out: it is the user's choice, and `rc_context` does not restore it.
    own: Any = {name: value for name, value in rcParamsDefault.items() if name != "backend"}
    with rc_context(own), warnings.catch_warnings(), replacing(path) as beside:
        # What no installed font has is drawn as boxes; `use_fonts` warns of it in plain words.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        # Names of classes and data are not parsed as formulas: `$_$` would raise an error.
        num_letters = int(width * 72 / (0.62 * (_FONT + 1)))  # characters of mean width
        lines = [part for line in title.splitlines() for part in textwrap.wrap(line, num_letters)]
        figure.suptitle("\n".join(lines), fontsize=_FONT + 1, parse_math=False)
        use_fonts(figure)
        figure.savefig(beside, dpi=110)
