"""The terminal: colours, log lines, errors."""

import contextlib
import io
import json
import logging
import os
import sys
import traceback
import warnings
from types import TracebackType
from typing import Any, NoReturn, TextIO

import click

from pipeline.cli.names import escape_json, visible, visible_result
from pipeline.images.remote.addresses import without_secrets

_PIPE_CLOSED = 141
"""Exit code of a program that writes to a closed pipe, as shells report it (128 + SIGPIPE)."""

_COLOURS = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


_TALKATIVE = ("botocore", "aiobotocore", "s3fs", "gcsfs", "adlfs", "azure", "google", "urllib3", "fsspec", "asyncio")
"""Libraries whose messages for debugging contain signed requests, and so credentials."""


def has_colours(stream: TextIO) -> bool:
    """Whether a stream shows colours: a terminal does, unless NO_COLOR has any non-empty value (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(text: str) -> None:
    """Print a result; control characters are shown, and bold type and colours are removed where the output is no terminal.

    If the reader of a pipe closes it, as `head` does, the program ends silently.
    """
    try:
        text = without_secrets(visible_result(text))
        print(text if has_colours(sys.stdout) else click.unstyle(text), flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, error.strerror, "standard output") from error
        _close(sys.stdout)
        sys.exit(_PIPE_CLOSED)


def _close(stream: TextIO) -> None:
    """Let what is still written to a stream vanish, also by the flush at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def to_json(value: Any) -> str:
    """One line of JSON; characters that standard output cannot encode are escaped as JSON does."""
    text = escape_json(json.dumps(value, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def open_missing_streams() -> None:
    """Open a null device for streams that the shell has closed (`>&-`), which Python leaves as None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 open until the end


def accept_all_text() -> None:
    """Escape characters that a pipe in ascii or cp1252 cannot encode, and surrogates of undecodable file names."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # a stream that cannot be flushed now reports it when it is written to
                stream.reconfigure(errors="backslashreplace")


def use_utf8() -> None:
    """Start again in UTF-8 mode where Python's locale cannot express all file names and labels.

    The option stands first, where it wins over another `-X utf8` and needs no variable, which `-E` and `-I` ignore; the variable is for workers.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        sys.stdout.flush()
        program, *arguments = sys.orig_argv
        os.execve(sys.executable, [program, "-X", "utf8", *arguments], os.environ | {"PYTHONUTF8": "1"})  # noqa: S606


def forget_warnings() -> None:
    """Ignore PYTHONWARNINGS of another project: warnings of libraries, here and in workers, as Python has them by default."""
    os.environ.pop("PYTHONWARNINGS", None)
    if sys.warnoptions:
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)


def start_logging(*, debug: bool) -> None:
    """Log warnings to stderr; with `debug` log everything. `be_verbose` adds the pipeline's own messages."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s: %(message)s"))
    if not debug:
        handler.addFilter(_Once())
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
    logging.getLogger("pipeline").setLevel(logging.NOTSET)
    if debug:
        sys.excepthook = _show_traceback
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    if (
        not debug
    ):  # of its own folders, and of the ways to log in that it tried: nothing that a user of this program can act on
        for name in ("matplotlib", "google.auth"):
            logging.getLogger(name).setLevel(logging.ERROR)


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does; errors of libraries in it may name URLs with their signatures."""
    text = "".join(traceback.format_exception(kind, error, trace))
    print(without_secrets(text), end="", file=sys.stderr, flush=True)


def be_verbose(_: click.Context, __: click.Parameter, value: Any) -> None:
    """Log which rows are reused, where rows come from, and what was chosen."""
    if value:
        logging.getLogger("pipeline").setLevel(logging.INFO)


class _Once(logging.Filter):
    """Passes each message once: the parts of a command may have the same to say."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[int, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.levelno, record.getMessage()
        is_new = said not in self._seen
        self._seen.add(said)
        return is_new


class _Formatter(logging.Formatter):
    """Colours the level of a message; control characters in it, as of a file's name, are shown."""

    def format(self, record: logging.LogRecord) -> str:
        text = without_secrets(visible(super().format(record)))
        colour = _COLOURS.get(record.levelno)
        if colour is None or not has_colours(sys.stderr):
            return text
        return text.replace(record.levelname, click.style(record.levelname, fg=colour), 1)


def fail(as_json: bool, error: str, message: str, code: int) -> NoReturn:
    """Print an error and exit."""
    say(as_json, error, message)
    sys.exit(code)


def say(as_json: bool, error: str, message: str) -> None:
    """Print an error in one line; where it cannot be written, as to a closed pipe or terminal, the exit code alone shows it."""
    message, stream = without_secrets(message), sys.stdout if as_json else sys.stderr
    name = click.style("bottleneck:", fg="red") if has_colours(sys.stderr) else "bottleneck:"
    text = to_json({"error": error, "message": message}) if as_json else f"{name} {visible(message)}"
    try:
        print(text, file=stream, flush=True)
    except OSError:
        _close(stream)
