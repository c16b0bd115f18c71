"""The instructions of the Dockerfile, for tests that need no engine."""

import re
import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One instruction."""

    name: str
    """In capitals: `RUN`, `COPY` and so on."""

    text: str


def steps_of(text: str) -> list[Step]:
    """The instructions of a Dockerfile; lines that end with a backslash go on, comments are dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(None, 1)) for line in joined.splitlines()]


def files_copied(steps: list[Step]) -> set[str]:
    """What the steps copy of the project."""
    copies = [shlex.split(step.text) for step in steps if step.name == "COPY"]
    return {name for words in copies if not words[0].startswith("--from") for name in words[:-1]}


def files_sent(ignore: str) -> set[str]:
    """What .dockerignore leaves in, which begins by leaving everything out."""
    return {line[1:] for line in ignore.splitlines() if line.startswith("!")}
