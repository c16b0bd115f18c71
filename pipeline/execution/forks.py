"""Networks do not survive a fork: their threads stay behind, and the new process would wait for them for ever.

On Linux, `multiprocessing` forks unless it is told otherwise (until Python 3.14).
"""

import os

from pipeline.errors import SettingError

_running: set[int] = set()
"""The process that has run a network; after a fork, still that one."""


def may_run_network() -> None:
    """Note that this process is about to run a network.

    Raises:
        SettingError: It was forked from a process that has run one.
    """
    if _running and os.getpid() not in _running:
        raise SettingError(
            "This process was forked from one that had run a network. The threads of the network are not in it, and it would wait for them "
            'for ever. Give all images to one call, which uses all cores; or start processes with multiprocessing.get_context("spawn"), or '
            "with joblib."
        )
    _running.add(os.getpid())
