"""Tasks of tests: they say that they have begun, and wait until they may end."""

import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.execution.cluster import worker_name


@dataclass(frozen=True)
class Signs:
    """Files by which tasks and tests tell each other how far they are."""

    folder: Path

    def begun(self) -> int:
        """Number of tasks that have begun."""
        return len(list(self.folder.glob("begun-*")))

    def let_go(self) -> None:
        """All tasks may end."""
        (self.folder / "go").touch()


def hold(task: tuple[Path, int]) -> str:
    """Begin a task, and end it when it may end; the worker's name."""
    folder, number = task
    (folder / f"begun-{number}").touch()
    wait_until((folder / "go").exists)
    return worker_name()


def wait_until(condition, seconds: float = 60) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
