"""Learning curves and confusion matrix as pictures, readable at half size and without telling red from green."""

import contextlib
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParamsDefault
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.files import replacing

# Okabe & Ito's palette for all kinds of colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")
BLUE, ORANGE = COLOURS[:2]
_FONT = 13


def draw_curves(path: Path, history: Sequence[Mapping[str, float]], title: str) -> None:
    """Loss and accuracy of training and validation against the epoch."""
    with _figure(path, 11, 4.4, title) as figure:
        epochs = [row["epoch"] for row in history]
        for place, (key, label) in enumerate((("loss", "cross-entropy loss"), ("accuracy", "accuracy")), start=1):
            axes = figure.add_subplot(1, 2, place)
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


def draw_confusion(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> None:
    """Counts, true classes in rows, shaded by their share of the row; no numbers above 20 classes."""
    size = min(16.0, 3.4 + 0.62 * len(classes))
    with _figure(path, size + 1.2, size, title) as figure:
        axes = figure.add_subplot()
        shares = [[count / max(1, sum(row)) for count in row] for row in confusion]
        # Fields need not be square: with a fixed aspect the labels of many classes push the axes off the picture.
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ticks = range(len(classes))
        names = [name if len(name) <= 18 else f"{name[:17]}…" for name in classes]
        tilted = max(map(len, names)) > 3
        rotation, ha = (45, "right") if tilted else (0, "center")
        small = min(_FONT - 1, 44 * size / len(classes))  # of the 72 points an inch that the classes share
        axes.set_xticks(ticks, names, rotation=rotation, ha=ha, fontsize=small, parse_math=False)
        axes.set_yticks(ticks, names, fontsize=small, parse_math=False)
        axes.set_xlabel("predicted", fontsize=_FONT)
        axes.set_ylabel("true", fontsize=_FONT)
        if len(classes) <= 20:
            for row, counts in enumerate(confusion):
                for column, count in enumerate(counts):
                    colour = "white" if shares[row][column] > 0.55 else "black"
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=_FONT, color=colour)
        bar = figure.colorbar(image, ax=axes, fraction=0.046)
        bar.set_label("share of the true class", fontsize=_FONT - 1)


def draw_comparison(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Validation accuracy with its interval against seconds: filled with extraction, hollow without."""
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
        axes.set_xlabel("seconds (filled: with stage one; hollow: on a warm cache)", fontsize=_FONT)
        axes.set_ylabel("validation accuracy, 95 % interval", fontsize=_FONT)
        axes.tick_params(labelsize=_FONT - 1)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=_FONT - 1, frameon=False, loc="best")


@contextlib.contextmanager
def _figure(path: Path, width: float, height: float, title: str) -> Iterator[Figure]:
    """A figure to draw into, which is saved in the end."""
    # matplotlib reads a matplotlibrc of the current folder; what it says (`text.usetex: True`) is not for these plots.
    # The backend is the user's, and `rc_context` does not put it back.
    own: Any = {name: value for name, value in rcParamsDefault.items() if name != "backend"}
    with rc_context(own), warnings.catch_warnings(), replacing(path) as beside:
        # A script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        # Names of classes and data are no formulas: `$_$` would raise.
        num_letters = int(width * 72 / (0.62 * (_FONT + 1)))  # of mean width
        lines = [part for line in title.splitlines() for part in textwrap.wrap(line, num_letters)]
        figure.suptitle("\n".join(lines), fontsize=_FONT + 1, parse_math=False)
        figure.savefig(beside, dpi=110)
