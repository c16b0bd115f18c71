"""How the run of a training is saved: under which name, with which files, and with the command that makes it again."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

from pipeline.runs.naming import check_run_name

Attach = Callable[[Path], None]


@dataclass(frozen=True)
class Saving:
    """How a run is saved."""

    name: str | None = None
    """The run's name; None: made from data, base and head."""

    replace: bool = False
    """Replace an existing run of that name."""

    plots: bool = True
    """Draw learning curves, and the plots of the task, into the folder of the run."""

    command: str | None = None
    """The command that makes the run again; kept in run.json."""

    attach: Attach | None = None
    """Adds files to the folder before it gets its name."""

    def check(self, runs: Path) -> None:
        """Check that a run can have this name, before any work is done for it.

        Args:
            runs: Folder of the runs.

        Raises:
            SettingError: The name is not valid or taken; see `pipeline.runs.naming.check_run_name`.
        """
        check_run_name(self.name, runs, replace=self.replace)

    def of_question(self, question: str) -> "Saving":
        """The same for the run of one of several questions: its name ends with the question."""
        return self if self.name is None else changed(self, name=f"{self.name}-{question}")
