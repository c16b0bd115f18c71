"""The command `bottleneck`: the group of all commands, and the program around it."""

import errno
import logging
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from pipeline.cli.bases import bases
from pipeline.cli.cache import cache
from pipeline.cli.comparison import advise, compare, plan, reproduce
from pipeline.cli.heads import features, head, sweep
from pipeline.cli.insight import audit, similar
from pipeline.cli.live import endtoend, finetune
from pipeline.cli.options import OrderedGroup
from pipeline.cli.runs import classify, evaluate, export, predict, report, runs
from pipeline.cli.terminal import (
    accept_all_text,
    fail,
    forget_warnings,
    open_missing_streams,
    say,
    start_logging,
    use_utf8,
)
from pipeline.cli.tune import tune
from pipeline.cli.weights import weights
from pipeline.errors import PipelineError
from pipeline.interrupts import EXIT_CODE, answer, is_stopping, stopping_in_order
from pipeline.quiet import quiet_tensorflow
from pipeline.version import __version__
from pipeline.watchdog import armed

logger = logging.getLogger(__name__)


@click.group(
    cls=OrderedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.version_option(__version__, prog_name="bottleneck")
def app() -> None:
    """Run a frozen conv base over your images once; train heads on the cached features in seconds.

    DATA is a folder of images (one folder per class, or train/validation/test above them), a .zip or .tar of one, a folder
    of Hugging Face (save_to_disk, or Parquet shards), a .csv, .jsonl or .parquet table, an .npz or .npy file, the URL of
    one of these (s3://, gs://, az://, https://), keras:mnist|fashion_mnist|cifar10|cifar100, sklearn:digits, or tfds:NAME.
    """


for command in (
    *(features, head, sweep, predict, evaluate, export, report, runs, bases, tune, audit, similar, endtoend, finetune),
    *(compare, advise, plan, reproduce, classify, cache, weights),
):
    app.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; errors that a user can act on are printed without a traceback.

    Exit codes: 0 done, 1 a bug or a job that hung, 2 usage or input, 3 damaged or stale data, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in given, "--json" in given
    open_missing_streams()
    if arguments is None:
        use_utf8()
    accept_all_text()
    if not debug:
        forget_warnings()
        quiet_tensorflow()
    start_logging(debug=debug)
    os.environ["MPLBACKEND"] = "agg"  # no command opens a window; a backend that is not installed is an error
    with stopping_in_order(partial(say, as_json, "Interrupted")):
        try:
            with armed(partial(say, as_json, "HungError")):
                app.main(given, prog_name="bottleneck", standalone_mode=False)
        except BaseException as error:  # native code can make any error of a signal
            if is_stopping() or isinstance(error, KeyboardInterrupt | click.Abort):
                _stopped(as_json)
            if debug and not isinstance(error, click.ClickException):
                raise
            _end(error, as_json, given)
        if is_stopping():  # native code has lost the signal, and the command has printed its result
            answer()
            logger.warning("A signal arrived before the command was done, and had no effect on it.")
            sys.exit(EXIT_CODE)
    sys.exit(0)


def _stopped(as_json: bool) -> NoReturn:
    answer()
    fail(
        as_json,
        "Interrupted",
        "Stopped; what was committed is kept, and the same command goes on from there.",
        EXIT_CODE,
    )


def _end(error: BaseException, as_json: bool, given: Sequence[str]) -> NoReturn:
    """Print an error, and exit with its code."""
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        sys.exit(2)
    if isinstance(error, click.ClickException):
        fail(as_json, "UsageError", f"{error.format_message()}{_dash_cure(given)}", error.exit_code)
    if isinstance(error, PipelineError | OverflowError | OSError | MemoryError):
        code = error.exit_code if isinstance(error, PipelineError) else 2
        fail(as_json, type(error).__name__, _plain_message(error), code)
    if isinstance(error, ImportError) and _BINARY.search(str(error)):
        fail(as_json, type(error).__name__, _library_message(error), 2)
    fail(as_json, type(error).__name__, _bug_message(error), 1)  # nothing that a user can act on


_OTHER_NAMES = {
    **dict.fromkeys(("--csv", "--jsonl", "--parquet", "--output", "-o"), "Results are written with --out FILE."),
    **dict.fromkeys(("--pictures", "--no-pictures"), "Plots are drawn with --plots, and not with --no-plots."),
}
"""Options that people try, or that version 0.1 had, and what to write instead."""


_FULL = " Make room on its disk, or choose another folder with --cache, --runs or --out."
_LOCKED = " Get the permission, or choose another folder with --cache, --runs or --out."
_CURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _LOCKED),
    errno.EMFILE: " Raise the limit on open files with ulimit -n, or use fewer --workers.",
}
"""What a user can do about errors of the system."""


def _dash_cure(given: Sequence[str]) -> str:
    """What to write instead of an argument that is no option: a file whose name begins like one, or an option of another name."""
    names = [text for text in given if text.startswith("-") and len(text) > 1 and Path(text).exists()]
    if names:
        return f" If {names[0]!r} is the file, write ./{names[0]}."
    return next((f" {cure}" for option, cure in _OTHER_NAMES.items() if option in given), "")


def _plain_message(error: BaseException) -> str:
    """The message of an error; that of the system as a sentence, with the cure."""
    if isinstance(error, PipelineError) or not isinstance(error, OSError) or error.strerror is None:
        return str(error) or "Memory ran out."
    if error.errno == errno.ENOENT and error.filename is None and not _has_folder():
        return "The current folder does not exist any more. Change to another one with cd."
    where = "" if error.filename is None else f"{error.filename}: "
    cure = _CURES.get(error.errno or 0, "")
    return f"{where}{error.strerror}.{cure}"


_BINARY = re.compile(r"\.so\b|\.dylib\b|\bDLL\b")
"""In the message of the system's loader: the name of a library in machine code."""


def _library_message(error: ImportError) -> str:
    return (
        f"A library that this needs cannot be loaded here: {error}. If memory is limited (`ulimit -v`, a batch system), ask for more; "
        "otherwise install the package that has this library again."
    )


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _bug_message(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = ": ".join([type(error).__name__, *lines[:1]])
    return (
        f"This is a bug in bottleneck {__version__}, not a mistake of yours: {what} "
        "(the same command with --debug shows the traceback; please report it)."
    )
