"""Markdown pages as programs: their code blocks, run from top to bottom in one folder.

```bash      is run by bash, and stops at the first command that fails
```python    is run as a program of its own
```output    is what the block before it prints to standard output; `...` stands for anything, as in doctest,
             and it does not matter how wide the gaps between words are
```text      is to be read, as are `console` and `python notest` on the page about clusters: they need one
"""

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
KINDS = ("bash", "python", "output", "text", "console", "python notest")
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    kind: str
    text: str
    line: int
    """Where it begins in the page."""


def blocks_of(text: str) -> list[Block]:
    """All code blocks of a Markdown text, in their order."""
    fences = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [Block(found[1], found[2], text[: found.start()].count("\n") + 1) for found in fences]


def run_page(page: Path, folder: Path) -> int:
    """Run a page in a folder, and compare what is printed with what it shows; how many blocks were run.

    Raises:
        AssertionError: A block fails, or prints something else; the message names the page and the line.
    """
    printed, count = "", 0
    for block in blocks_of(page.read_text(encoding="utf-8")):
        place = f"{page.name}, line {block.line}"
        if block.kind == "output":
            assert matches(block.text, printed), f"{place} shows\n{block.text}\nbut this was printed:\n{printed}"
        elif block.kind in ("bash", "python"):
            printed, count = run(block, folder, place), count + 1
    return count


def matches(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed."""
    return doctest.OutputChecker().check_output(shown, printed, LOOSELY)


def run(block: Block, folder: Path, place: str) -> str:
    """What a block prints to standard output."""
    command = ["bash", "-eu", "-c"] if block.kind == "bash" else [sys.executable, "-c"]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(PROJECT),
    }
    ran = subprocess.run(
        [*command, block.text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST_SECONDS,
    )
    assert ran.returncode == 0, f"{place} fails with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
    return ran.stdout
