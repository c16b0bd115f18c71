"""Worker processes end with the process that started them, however that one ends."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

import psutil

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h

_LOOK_SECONDS = 0.5

_followed: set[int] = set()
"""The process that this one follows; empty if it follows none."""


def follow(parent: int) -> None:
    """End this process when its parent ends; at once if it has ended already.

    On Linux the system kills it, even if it is stopped or hangs in native code, and also when the thread that started it ends; its task
    then counts as lost. Elsewhere a thread waits for the parent.

    Args:
        parent: Number of the process that started this one.
    """
    if parent in _followed:
        return
    _followed.add(parent)
    if not _dies_with_parent():
        threading.Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()
    if os.getppid() != parent:  # it ended before the system was asked
        os._exit(1)


def _dies_with_parent() -> bool:
    """Ask the system to kill this process when its parent ends; False if it cannot."""
    if sys.platform != "linux":
        return False
    number = ctypes.c_ulong(signal.SIGKILL)
    return bool(ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, number, 0, 0, 0) == 0)


def _end_after(parent: int) -> None:
    if sys.platform == "win32":  # there a process keeps the number of its parent
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(parent).wait()
    while os.getppid() == parent and sys.platform != "win32":
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
