"""The last lines of a result: the next command, the epoch that was kept, and what fine-tuning changed."""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.command import given_options, section_of

if TYPE_CHECKING:
    from pipeline.runs.run import Run

_SAME_ROWS = ("Data", "Features", "Folders")
"""Sections whose options decide which rows are used, and where they are."""


def next_command(name: str, *arguments: str, sections: Sequence[str] = _SAME_ROWS, without: Sequence[str] = ()) -> str:
    """A command line with the options of the present command.

    Args:
        name: The command that comes next.
        arguments: Its arguments.
        sections: Sections of the help whose options are kept, if the user gave them.
        without: Names of options that the next command does not have.
    """
    context = click.get_current_context()
    given = given_options(context) - set(without)
    words = [
        word
        for option in context.command.params
        if option.name in given and isinstance(option, click.Option) and section_of(option) in sections
        for word in _words(option, context.params[option.name])
    ]
    return shlex.join(["bottleneck", name, *arguments, *words])


def _words(option: click.Option, value: Any) -> list[str]:
    """An option as it is typed."""
    if option.is_flag:
        return [option.opts[0] if value else option.secondary_opts[0]]
    values = value if option.multiple else [value]
    return [word for entry in values for word in (option.opts[0], str(entry))]


def uses_of(run: str, runs: Path) -> str:
    """Commands that use a run."""
    words = [] if runs == Path("runs") else ["--runs", str(runs)]
    predict, report = (shlex.join(["bottleneck", *start, *words]) for start in (["predict", run], ["report", run]))
    return f"Next: `{predict} IMAGES` labels images; `{report}` writes a page with plots and mistakes."


def epochs_of(run: "Run") -> dict[str, Any]:
    """For a dense head: `kept_epoch`; after fine-tuning `validation_before`, the accuracy of the head on the frozen base."""
    history, training = run.folder.history(), run.info.training
    if not history or not training:
        return {}
    phases = run.info.phases or []
    last = int(phases[-1]["epochs"]) if phases else len(history)
    before, rows = history[: len(history) - last], history[len(history) - last :]
    found: dict[str, Any] = {"kept_epoch": int(_kept(rows, training["keep"])["epoch"])}
    if before:
        found |= {"head_epochs": len(before), "validation_before": _kept(before, training["keep"])["val_accuracy"]}
    return found


def _kept(rows: Sequence[Mapping[str, float]], keep: str) -> Mapping[str, float]:
    """The epoch whose weights were kept."""
    losses = [math.inf if math.isnan(row["val_loss"]) else row["val_loss"] for row in rows]
    return rows[losses.index(min(losses))] if keep == "best" else rows[-1]
