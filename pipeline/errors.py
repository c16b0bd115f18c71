"""Errors that a user can act on. Every message names what was received, what was expected and the cure."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path


class PipelineError(Exception):
    """Base of all errors that the command line reports without a traceback.

    `exit_code` is 2 for usage and input, 3 for damaged or stale data.
    """

    exit_code = 2


class DataNotFoundError(PipelineError, FileNotFoundError):
    """The data set, or a file that it names, does not exist."""


class DataLayoutError(PipelineError, ValueError):
    """The data set exists but is not usable: empty, one class, no labels, an invalid table."""


class UnreachableDataError(PipelineError, RuntimeError):
    """The server of the data fails, is not reached, or denies access.

    It is not an OSError, because then only the image that is read would be skipped.
    """


class UnwritableLabelsError(PipelineError, OSError):
    """A label file cannot be written; the file and the labels are unchanged."""


class UnreadableImageError(PipelineError, ValueError):
    """An image cannot be decoded; the message is the reason listed under `skipped`."""


class UnknownBaseError(PipelineError, ValueError):
    """The base is not in the table, or does not work at the requested size."""


class InvalidCutError(PipelineError, ValueError):
    """The layer does not exist, or does not divide the network's graph into two parts."""


class WeightsUnavailableError(PipelineError, OSError):
    """The weights cannot be obtained; the message gives the result of every route."""


class WeightsMismatchError(PipelineError, ValueError):
    """The weights are not the ones expected, or do not fit the network."""


class HeadSpecError(PipelineError, ValueError):
    """The text that describes a head is not valid."""


class SettingError(PipelineError, ValueError):
    """An option has a value that is invalid or would have no effect."""


def check_choice(name: str, received: str, expected: Sequence[str]) -> None:
    """Check a value that is one of a few.

    Raises:
        SettingError: It is not one of them.
    """
    if received not in expected:
        hint = did_you_mean(str(received), expected)
        raise SettingError(f"The {name} is one of {', '.join(expected)}. Received: {received!r}.{hint}")


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """` Did you mean 'best'?`, with the most similar of the known names, upper and lower case alike; empty if none is similar, or the name is known."""
    names = {name.lower(): name for name in known}
    if received in names.values():
        return ""
    near = get_close_matches(received.lower(), names, n=1, cutoff=0.7)
    return f" Did you mean {names[near[0]]!r}?" if near else ""


class WorkerDiedError(PipelineError, RuntimeError):
    """A worker process was killed, most often because memory ran out."""


class DivergedError(PipelineError, ArithmeticError):
    """The loss of a training became NaN or infinite."""


class ClusterError(PipelineError, RuntimeError):
    """A cluster does not answer, or its machines lack what a task needs."""


class DisagreementError(PipelineError, ArithmeticError):
    """Two computations that must agree differ."""

    exit_code = 3


class RunNotFoundError(PipelineError, FileNotFoundError):
    """No run has this name, or the folder is not a run."""


class UnknownExportError(PipelineError, ValueError):
    """An exported file is not the one that was expected, or is a SavedModel that no run has recorded."""

    exit_code = 3


class MissingExtraError(PipelineError, ImportError):
    """An optional dependency is required and not installed."""


class TrackingError(PipelineError, OSError):
    """MLflow does not answer."""


class DamagedStoreError(PipelineError, ValueError):
    """Bytes differ from those that were written, or are not valid content of a store.

    It is not an OSError, so that code that handles a failing disk or server does not treat damage in the same way.
    """

    exit_code = 3


class UnreadableStoreError(PipelineError, OSError):
    """The bytes of a store cannot be read: no permission, too many open files, a failing disk."""


class UnwritableStoreError(PipelineError, OSError):
    """Rows cannot be stored: the cache folder cannot be written to, or its disk is full."""


class ForeignEntryError(PipelineError, OSError):
    """An entry of a cache is a symbolic link or a special file, which may lead to files outside the cache."""

    exit_code = 3


class MissingRowsError(PipelineError, LookupError):
    """Requested rows are in no shard of the store."""

    exit_code = 3


class UnsavedRunError(PipelineError, OSError):
    """A trained run cannot be written to the runs folder; the message says where it was kept."""


@contextlib.contextmanager
def foreign_file(path: Path, problem: str, *, error_type: type[PipelineError] = DamagedStoreError) -> Iterator[None]:
    """A block in which a library works on a file of the user's or from elsewhere: its errors are errors of that file.

    Libraries raise errors of any type on content that they do not expect. Errors of the project go on as they are, and so does what
    the system refuses to open.

    Args:
        path: The file.
        problem: What is wrong if the library raises an error, such as `cannot be loaded by ONNX Runtime`.
        error_type: Of the error that is raised.

    Raises:
        PipelineError: Of `error_type`; it names the file and the cause.
    """
    try:
        yield
    except (PipelineError, PermissionError):
        raise
    except MemoryError as error:
        raise error_type(f"{path} {problem}: it needs more memory than there is.") from error
    except RecursionError as error:
        raise error_type(f"{path} {problem}: it is nested too deeply.") from error
    except Exception as error:  # libraries raise errors of any type for foreign content
        raise error_type(f"{path} {problem}: {_in_short(error)}") from error


_CAUSE_BEGIN, _CAUSE_END = 2000, 2000
"""Characters of a library's message that are quoted: some quote the whole file, and Keras gives the cause at the end."""


def _in_short(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= _CAUSE_BEGIN + _CAUSE_END else f"{text[:_CAUSE_BEGIN]} ... {text[-_CAUSE_END:]}"
