"""Images that a run refuses to label (`--abstain`), because they are unlike all that it was trained on."""

from pathlib import Path
from typing import Protocol

from pipeline.errors import SettingError
from pipeline.predictions import UNKNOWN
from pipeline.tasks.task import Task


class Judge(Protocol):
    """What gives p-values: the detector of a run, or the part of an exported file that holds it."""

    @property
    def num_validation(self) -> int:
        """Validation images that an image is compared with."""
        ...

    @property
    def smallest(self) -> float:
        """The smallest p-value that it can give."""
        ...


def check_abstain(abstain: float | None, detector: Judge | None, task: Task, name: str) -> None:
    """Check that a level can be asked of a run.

    Args:
        abstain: The p-value up to which images are not answered for; None: nothing is asked.
        detector: That of the run, if it has one.
        task: What it answers.
        name: Of the run, for messages.

    Raises:
        SettingError: The level is not between 0 and 1 or below all p-values of the run, the run has no detector, or a class of this name.
    """
    if abstain is None:
        return
    if not 0 < abstain < 1:
        raise SettingError(
            f"`abstain` is a p-value between 0 and 1, such as 0.05: the share of familiar images that may be refused. Received: {abstain:g}."
        )
    if detector is None:
        raise SettingError(
            f"The run {name} has no novelty.npz, from which p-values are computed: a version before 0.5 made it, or the file was removed. "
            "Train it again (its command is in run.json), or leave --abstain out."
        )
    if abstain < detector.smallest:
        raise SettingError(
            f"--abstain {abstain:g} would refuse nothing: with {detector.num_validation} validation images, the smallest p-value of the run "
            f"{name} is {detector.smallest:.3g}. Give at least that, or train with more validation images."
        )
    if task.knows(UNKNOWN):
        raise SettingError(
            f"The run {name} has a class that is called {UNKNOWN!r}, which --abstain gives to images that it refuses. Use `p_value` of the JSON "
            "or of --out, or rename the class."
        )


def check_has_p_value(abstain: float | None, judge: Judge | None, file: Path, run: str | None) -> None:
    """Check that an exported file has the p-value that is asked for.

    Raises:
        SettingError: `abstain` is given, and the file gives answers alone.
    """
    if abstain is not None and judge is None:
        raise SettingError(
            f"{file} gives answers alone: it was exported without --p-value, so there is no p-value for --abstain. Export the run"
            f"{f' {run}' if run else ''} again with --p-value, predict with the run itself, or leave --abstain out."
        )
