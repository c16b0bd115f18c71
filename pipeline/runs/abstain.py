"""Images that a run does not answer for, because they are unlike all that it was trained on."""

from pathlib import Path

from pipeline.errors import SettingError
from pipeline.predictions import UNKNOWN
from pipeline.stage_two.novelty.detector import Detector
from pipeline.tasks.task import Task


def check_abstain(abstain: float | None, detector: Detector | None, task: Task, name: str) -> None:
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
            f"--abstain {abstain:g} would refuse nothing: with {len(detector.calibration)} validation images, the smallest p-value of the run "
            f"{name} is {detector.smallest:.3g}. Give at least that, or train with more validation images."
        )
    if task.knows(UNKNOWN):
        raise SettingError(
            f"The run {name} has a class that is called {UNKNOWN!r}, which --abstain gives to images that it refuses. Use `p_value` of the JSON "
            "or of --out, or rename the class."
        )


def check_no_abstain(abstain: float | None, file: Path, run: str | None) -> None:
    """Check that nothing is asked of an exported file, which gives its answers alone.

    Raises:
        SettingError: `abstain` is given.
    """
    if abstain is not None:
        raise SettingError(
            f"{file} gives answers alone: an exported file has no features to compare an image by, so there is no p-value for --abstain. "
            f"Predict with the run{f' {run}' if run else ''} that it was exported from, or leave --abstain out."
        )
