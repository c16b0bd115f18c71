"""A command whose help groups its options in sections and ends with examples, and groups of commands."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

Add = Callable[[Callable[..., Any]], Callable[..., Any]]
"""A decorator that adds options or arguments to a function."""

SECTIONS = ("Data", "Features", "Views", "Head", "Fine-tuning", "Estimate", "Compute", "Folders", "Output")
"""Titles of the sections of all commands, in the order in which data flows."""

_SECTION_OF: dict[click.Parameter, str] = {}


def stack(*decorators: Add) -> Add:
    """Join decorators into one; the first is the outermost."""
    return lambda command: functools.reduce(lambda inner, add: add(inner), reversed(decorators), command)


def section(title: str, *decorators: Add) -> Add:
    """Join options into one decorator, and show them in this section of the help."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        before = set(_parameters(command))
        done = stack(*decorators)(command)
        _SECTION_OF.update((entry, title) for entry in _parameters(done) if entry not in before)
        return done

    return add


def section_of(parameter: click.Parameter) -> str:
    """Title of the section that shows an option; `--help` is about output."""
    return _SECTION_OF.get(parameter, "Output" if "--help" in parameter.opts else "Options")


def _parameters(function: Callable[..., Any]) -> list[click.Parameter]:
    """What click has collected for a function so far."""
    return list(getattr(function, "__click_params__", []))


class Command(click.Command):
    """Help in sections, with examples; options that have no effect are refused."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of options for each section; all lists have the same columns."""
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Options", *SECTIONS)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                rows[section_of(parameter)].append(record)
        for title, entries in rows.items():
            if entries:
                with formatter.section(title):
                    formatter.write_dl(entries, col_max=_COLUMN)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one command per line."""
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, after a check that each option that was given has an effect."""
        from pipeline.effects import check_effects

        check_effects(given_options(ctx), ctx.params)
        return super().invoke(ctx)


_COLUMN = 30
"""Width of the column of options at most, in characters; the text of a longer one starts on the next line."""


def command(*examples: str, name: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """Make a command; its docstring and these examples are its help.

    Args:
        examples: Command lines as a user would type them; a test runs them.
        name: Name of the command; None: that of the function.
    """
    return click.command(name, cls=Command, examples=examples)


def given_options(context: click.Context) -> set[str]:
    """Names of the parameters that the user gave a value for."""
    unset = (click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP, None)
    return {name for name in context.params if context.get_parameter_source(name) not in unset}


class OrderedGroup(click.Group):
    """Lists commands in the order of their use, not alphabetically, with their whole first sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(limit=200)) for name, command in self.commands.items()]
            )
