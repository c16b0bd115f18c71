"""README and Makefile against the program."""

import re
import shlex
import subprocess

import click
import pytest

from pipeline.cli.app import app
from tests.cli.commands import NAMES, PROJECT


def readme():
    return (PROJECT / "README.md").read_text(encoding="utf-8")


def makefile():
    return (PROJECT / "Makefile").read_text(encoding="utf-8")


def targets():
    """Every target of the Makefile that a user can call, with the sentence above it or beside it."""
    found, sentence = {}, ""
    for line in makefile().splitlines():
        match = re.match(r"([A-Za-z0-9][\w-]*)\s*:(?![=:])[^#]*(?:##\s*(.*))?$", line)
        if match:
            found[match[1]] = match[2] or sentence
        sentence = line.removeprefix("##").strip() if line.startswith("##") else ""
    return found


def commands_in(text):
    """Lines of a Markdown text's code that call the program, without their comments."""
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
    lines = [line.strip().removeprefix("$ ") for line in lines]
    return [line for line in lines if re.match(r"(\S*/)?bottleneck [a-z]|python3? -m pipeline [a-z]", line)]


def check_command(line):
    """Fail unless the words are a command of the program, and the options are its own."""
    words = shlex.split(re.sub(r"[…]|\.\.\.", "", line), comments=True)
    words = words[1:] if "bottleneck" in words[0] else words[3:]
    for stop in ("|", ">", "&&", ";"):
        words = words[: words.index(stop)] if stop in words else words
    command, path = app, []
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words[0]]
        path.append(words.pop(0))

    assert path, f"{line!r} is no command of the program"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = {word.split("=")[0] for word in words if word.startswith("--")} - known - {"--help"}
    assert not unknown, f"{line!r}: {' '.join(path)} has no option {unknown}"


def section(heading):
    """The part of README below the heading that has this word."""
    parts = re.split(r"^## ", readme(), flags=re.MULTILINE)
    return next((part for part in parts if heading in part.split("\n")[0]), "")


def named_in(text):
    """What the code spans of a text begin with: `cache ls·info FILE` names `cache ls` and `cache info`."""
    names = set()
    for span in re.findall(r"`([^`\n]+)`", text):
        first, *rest = span.split()
        names |= {first, *(f"{first} {second}" for word in rest[:1] for second in re.split("[·|]", word))}
    return names


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_readme(name):
    """README shows each command as it is typed, or names it in its section on commands."""
    assert name in named_in(section("Commands")) or re.search(rf"\bbottleneck {name}\b", readme())


def test_commands_in_the_readme_exist():
    """What README tells to type is a command of the program, with options that it has."""
    lines = commands_in(readme())
    for line in lines:
        check_command(line)

    assert lines


def test_every_make_target_is_explained():
    """Each target has a sentence in the Makefile, and plain `make` prints them all."""
    found = targets()
    printed = subprocess.run(
        ["make", "-C", PROJECT, "--no-print-directory"], capture_output=True, text=True, check=True
    )

    assert len(found) > 5
    assert [name for name, sentence in found.items() if not sentence and name != "help"] == []
    for name in found.keys() - {"help"}:
        assert re.search(rf"^ *{name} .*\w", printed.stdout, flags=re.MULTILINE), name


def test_every_make_target_is_in_the_readme():
    """README shows each target as it is typed: `make lint·type` names two."""
    text, named = readme(), named_in(readme())

    assert [
        name for name in targets() if f"make {name}" not in named and not re.search(rf"\bmake {name}\b", text)
    ] == []


def test_make_targets_in_the_readme_exist():
    """What README tells to make is a target."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", readme(), flags=re.DOTALL))
    named = set(re.findall(r"(?:^|[`$;&|\n]) ?make ([a-z][\w-]*)", code))

    assert named <= set(targets())
    assert named


def test_commands_in_the_makefile_exist():
    """What the targets call is a command of the program, with options that it has."""
    common = "DATA=photos RUN=mine IMAGES=new.jpg BASE=vgg16 SIZE=150 CUT=block5_pool WEIGHTS=random CACHE=c RUNS=r"
    common += " PREPROCESS=rescale HEAD=ridge"
    called = []
    for target in sorted(targets().keys() - {"help"}):
        settings = common.split() + ["POOL=avg", "NAME=mine"] * (target in ("head", "sweep"))
        dry = subprocess.run(
            ["make", "-C", PROJECT, "-n", target, *settings], capture_output=True, text=True, check=True
        )
        called += [line for line in dry.stdout.replace("\\\n", " ").splitlines() if "bin/bottleneck " in line]
    for line in called:
        check_command(line[line.index("bin/bottleneck") :])

    assert len(called) > 5
