"""Loading TensorFlow without its start-up messages; in a program of our own, without collecting garbage meanwhile, too.

TensorFlow writes about ten lines to stderr before its logging is set up, whatever the value of TF_CPP_MIN_LOG_LEVEL
(tensorflow issue 100442). They are of no use to the user of a command, and fill
the cell of a notebook.
"""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType

from pipeline.imported import Run, when_imported


def quiet_tensorflow(*, own_program: bool = True) -> None:
    """Silence stderr during the import of TensorFlow, whenever that happens; exceptions are still raised.

    Args:
        own_program: Nothing else runs in this process: what is loaded by then is never looked at again for garbage.
    """
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    garbage = _no_garbage if own_program else contextlib.nullcontext

    def load(run: Run, module: ModuleType) -> None:
        with silent_stderr(), garbage():
            run(module)

    when_imported("tensorflow", load)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    """Whether it is another message: a sweep compiles a function per head on purpose, and TensorFlow warns of retracing."""
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Do not look for garbage among 600,000 objects that are all needed to the end, while they are made and later: half a second."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Redirect file descriptor 2 to the null device: the messages come from C++."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)
