"""Child processes import nothing from the current folder."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Keep the current folder off the import path of processes that are started in this context.

    loky and multiprocessing start Python with `-m` and `-c`, which put the current folder first on the path: a `json.py` beside
    the data would be imported. They also copy this process's path, which in a notebook or prompt has that folder as "". That
    entry is removed meanwhile, unless this package itself is imported from the current folder.
    """
    path, setting = list(sys.path), os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    if Path.cwd() != _PACKAGE_PARENT:
        sys.path[:] = filter(None, path)
    try:
        yield
    finally:
        sys.path[:] = path
        if setting is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = setting
