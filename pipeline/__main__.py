"""`python -m pipeline` is the command `bottleneck`."""

import os
import sys


def _forget_current_folder() -> None:
    """Remove the folder that `-m` has put first from the path: a `json.py` beside the data would be run instead of Python's.

    It stays if this package is in it, as in a checkout that is not installed.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 pathlib is not loaded before the path is right
    except OSError:  # a folder that was deleted is not on the path
        return
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if not sys.flags.safe_path and sys.path[0] == here != home:
        del sys.path[0]


if __name__ == "__main__":
    _forget_current_folder()
    from pipeline.cli.app import main

    main()
