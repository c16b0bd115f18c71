"""Markdown pages as programs: their code blocks, run from top to bottom in one folder.

```bash      is run by bash, and stops at the first command that fails
```python    is run as a program with names of its own; those with no bash between them run in one process
```output    is what the block before it prints to standard output; `...` stands for anything, as in doctest,
             and it does not matter how wide the gaps between words are
```text      is to be read, as are `console` and `python notest` on the page about clusters: they need one
"""

import doctest
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import ready

PROJECT = Path(__file__).parents[1]
KINDS = ("bash", "python", "output", "text", "console", "python notest")
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGES = [
    PROJECT / "docs" / name
    for name in re.findall(r"^\d+\. \[.*?\]\((\S+)\)", (PROJECT / "docs" / "README.md").read_text(), re.MULTILINE)
]
"""In the order in which they are to be read."""

APART = PROJECT / "docs" / "python.md"
"""It makes its images itself, and is run by a test file of its own: by another worker."""

_LONGEST_SECONDS = 300
_ENDED = "--- this program of the page has ended ---"
_PROGRAMS = f"""
import json, sys
from pipeline.exports import sample_images
sample_images.NUM_IMAGES = 20  # of 200: VGG16 takes 50 seconds for these; tests/exports and tests/real compare them all
for place, text in json.load(sys.stdin):
    exec(compile(text, place, "exec"), {{"__name__": "__main__"}})
    print({_ENDED!r}, flush=True)
"""


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
    blocks, printed, count = blocks_of(page.read_text(encoding="utf-8")), "", 0
    ready: list[str] = []
    for number, block in enumerate(blocks):
        place = f"{page.name}, line {block.line}"
        if block.kind == "output":
            assert matches(block.text, printed), f"{place} shows\n{block.text}\nbut this was printed:\n{printed}"
        elif block.kind == "bash":
            printed, count = run_bash(block, folder, place), count + 1
        elif block.kind == "python":
            ready = ready or run_python(programs_from(blocks[number:]), folder, page.name)
            printed, count = ready.pop(0), count + 1
    return count


def programs_from(blocks: list[Block]) -> list[Block]:
    """The Python blocks up to the next one for bash."""
    kinds = [*(block.kind for block in blocks), "bash"]
    return [block for block in blocks[: kinds.index("bash")] if block.kind == "python"]


def matches(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed."""
    return doctest.OutputChecker().check_output(shown, printed, LOOSELY)


def run_bash(block: Block, folder: Path, place: str) -> str:
    """What a block prints to standard output."""
    ran = start(["bash", "-eu", "-c", block.text], folder)
    assert ran.returncode == 0, f"{place} fails with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def run_python(blocks: list[Block], folder: Path, page: str) -> list[str]:
    """What each of these programs prints; one process runs them all, so that TensorFlow starts once."""
    places = [f"{page}, line {block.line}" for block in blocks]
    programs = [(place, block.text) for place, block in zip(places, blocks, strict=True)]
    ran = start([ready.python(), "-c", _PROGRAMS], folder, given=json.dumps(programs))
    *printed, rest = ran.stdout.split(f"{_ENDED}\n")
    place = places[min(len(printed), len(places) - 1)]
    assert ran.returncode == 0, f"{place} fails with {ran.returncode}:\n{rest}{ran.stderr}"
    assert len(printed) == len(blocks), f"{place} ends too early:\n{rest}{ran.stderr}"
    return printed


def start(command: list[str], folder: Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader of the page does."""
    environment = os.environ | {
        # First the folder of the ready `bottleneck`, then that of the other programs of this environment.
        "PATH": os.pathsep.join([*map(str, (ready.start_server(), Path(sys.executable).parent)), os.environ["PATH"]]),
        "PYTHONPATH": str(PROJECT),
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST_SECONDS,
    )
