"""Keeping TensorFlow's start-up messages off the terminal.

TensorFlow logs to stderr before its logging is set up, whatever TF_CPP_MIN_LOG_LEVEL says
(tensorflow issue 100442), ten lines that tell the user of a command nothing.
"""

import contextlib
import importlib.machinery
import logging
import os
import sys
import types
from collections.abc import Iterator, Sequence


def quiet_tensorflow() -> None:
    """Silence stderr while TensorFlow is being imported, whenever that happens; errors still raise."""
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        sys.meta_path.insert(0, _Finder())


def _is_no_retracing(record: logging.LogRecord) -> bool:
    """A sweep compiles a function for each head on purpose; TensorFlow takes that for a mistake in a loop."""
    return "triggered tf.function retracing" not in record.getMessage()


class _Finder:
    """Wraps the loader of the module `tensorflow`, and of nothing else."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_quietly(module: types.ModuleType) -> None:
                with _silent_stderr():
                    run(module)

            spec.loader.exec_module = run_quietly  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Point file descriptor 2 at nothing: the messages come from C++."""
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)
