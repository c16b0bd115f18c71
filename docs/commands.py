"""Write docs/commands/: one page per command, from the help texts. `make docs` runs this."""

from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.cli.app import app

FOLDER = Path(__file__).parent / "commands"
_WIDTH = 100
_MADE = "<!-- Made by `make docs` from the command itself; change the help texts in pipeline/cli/ instead. -->"


def pages() -> dict[str, str]:
    """All pages by file name; the first has the table of all commands."""
    commands = list(_walk(app, "bottleneck"))
    rows = [
        f"| [`{_words(context)}`]({_file(context)}) | {context.command.get_short_help_str(200)} |"
        for context in commands
    ]
    index = f"{_MADE}\n# Commands\n\n| command | what it does |\n|---|---|\n" + "\n".join(rows) + "\n"
    return {"README.md": index} | {_file(context): _page(context) for context in commands}


def main() -> None:
    """Write all pages, and delete those of commands that no longer exist."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _walk(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Each command that is not a group, with its context."""
    settings = {"terminal_width": _WIDTH, **command.context_settings}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            yield from _walk(command.commands[child], child, context)
    else:
        yield context


def _page(context: click.Context) -> str:
    return f"{_MADE}\n# {context.command_path}\n\n```text\n{context.get_help()}\n```\n\n[All commands](README.md)\n"


def _words(context: click.Context) -> str:
    """`cache verify`."""
    return context.command_path.split(" ", 1)[1]


def _file(context: click.Context) -> str:
    return f"{_words(context).replace(' ', '-')}.md"


if __name__ == "__main__":
    main()
