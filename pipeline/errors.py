"""The states a user can act on. Every message says what was received, what was expected and the cure."""

from collections.abc import Sequence


class PipelineError(Exception):
    """Base of all errors that the command line reports without a traceback.

    `exit_code` is 2 for usage and input, 3 for damaged or stale data.
    """

    exit_code = 2


class DataNotFoundError(PipelineError, FileNotFoundError):
    """The data set, or a file that it names, does not exist."""


class DataLayoutError(PipelineError, ValueError):
    """The data set exists but cannot be used as it is: empty, one class, no labels, a bad table."""


class UnwritableLabelsError(PipelineError, OSError):
    """A label file cannot be written; file and labels are as before."""


class UnreadableImageError(PipelineError, ValueError):
    """One image cannot be decoded; the message is the reason that is listed under `skipped`."""


class UnknownBaseError(PipelineError, ValueError):
    """The base is not in the table, or cannot work at the size that was asked for."""


class InvalidCutError(PipelineError, ValueError):
    """The layer does not exist, or does not divide the network's graph in two."""


class WeightsUnavailableError(PipelineError, OSError):
    """No route led to the weights; the message says what each of them answered."""


class WeightsMismatchError(PipelineError, ValueError):
    """The weights are not the ones expected, or do not fit the network."""


class HeadSpecError(PipelineError, ValueError):
    """The text that describes a head cannot be understood."""


class SettingError(PipelineError, ValueError):
    """An option has a value that cannot work, or would have no effect."""


def check_choice(name: str, received: str, expected: Sequence[str]) -> None:
    """Check a value that is one of a few.

    Raises:
        SettingError: It is not one of them.
    """
    if received not in expected:
        raise SettingError(f"The {name} is one of {', '.join(expected)}. Received: {received!r}.")


class WorkerDiedError(PipelineError, RuntimeError):
    """A process that did part of the work was killed, most often because memory ran out."""


class DivergedError(PipelineError, ArithmeticError):
    """The loss of a training became NaN or infinite."""


class ClusterError(PipelineError, RuntimeError):
    """A cluster does not answer, or its machines do not have what a task needs."""


class DisagreementError(PipelineError, ArithmeticError):
    """Two ways to the same numbers gave different ones."""

    exit_code = 3


class RunNotFoundError(PipelineError, FileNotFoundError):
    """There is no run of this name, or the folder is not a run."""


class UnknownExportError(PipelineError, ValueError):
    """An exported file is not the one that was expected, or is a SavedModel that no run has recorded."""

    exit_code = 3


class MissingExtraError(PipelineError, ImportError):
    """An optional dependency is needed and not installed."""


class TrackingError(PipelineError, OSError):
    """MLflow does not answer."""


class DamagedStoreError(PipelineError, ValueError):
    """Bytes that were read differ from what was written, or are not what a store may hold.

    No OSError: who handles a machine that does not answer must not take it for damage, nor damage for that.
    """

    exit_code = 3


class UnreadableStoreError(PipelineError, OSError):
    """The machine does not give the bytes of a store: no permission, too many open files, a disk that fails."""


class ForeignEntryError(PipelineError, OSError):
    """An entry of a cache is a symbolic link, a pipe or the like, and may lead to files that are not the cache's."""

    exit_code = 3


class MissingRowsError(PipelineError, LookupError):
    """Rows were asked for that no shard of the store holds."""

    exit_code = 3


class ChangedImageError(PipelineError, OSError):
    """An image changed between the scan and its use."""

    exit_code = 3
