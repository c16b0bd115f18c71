"""What a user asks of the outputs of a head: thresholds by a goal, and recalibrated probabilities."""

from dataclasses import dataclass

from pipeline.errors import check_choice
from pipeline.tasks.calibration import METHODS
from pipeline.tasks.operating import Goal
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Decisions:
    """Both are chosen on validation after the training, and kept in the run and its exports."""

    threshold: str | float | None = None
    """`f1`, `recall=0.95`, `precision=0.9`, or a probability; None: the more probable class, and for labels `f1`."""

    calibrate: str = METHODS[0]
    """One of `METHODS`."""

    def __post_init__(self) -> None:
        check_choice("calibrate", self.calibrate, METHODS)
        if self.threshold is not None:
            Goal.parse(self.threshold)

    def of(self, task: Task) -> Task:
        """The task with these decisions.

        Raises:
            SettingError: It has no use for them.
        """
        return task.with_decisions(self.threshold, self.calibrate)


NONE = Decisions()
