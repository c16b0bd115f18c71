"""Stage one in a process of its own, in which Ctrl-C is pressed: python -m tests.stage_one.computing.pressed HOME DATA CACHE.

It ends with 130 when the interrupt came out of stage one, as a command does.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from pipeline.cache.store import Store
from pipeline.stage_one.engines.tensorflow import TensorFlowEngine
from tests.calls import read as scan
from tests.stage_one.trunks import BATCH_SIZE, Counting, make_engine, make_recipe
from tests.stage_one.whole import extract_in_process


class PressingCtrlC(Counting):
    """In the second batch, which ends only after the main thread was interrupted; the third waits."""

    def __init__(self, engine: TensorFlowEngine) -> None:
        super().__init__(engine)
        self.was_interrupted = threading.Event()

    def features(self, pixels: np.ndarray) -> np.ndarray:
        if self.num_images == BATCH_SIZE:
            self.press()
        return super().features(pixels)

    def press(self) -> None:
        # Python forgets a signal that comes while the main thread is about to wait for a lock: people press again, too.
        while not self.was_interrupted.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            self.was_interrupted.wait(timeout=0.1)

    def interrupt(self, *_: object) -> None:
        if not self.was_interrupted.is_set():
            self.was_interrupted.set()
            raise KeyboardInterrupt


def main(home: Path, data: Path, cache: Path) -> int:
    """Exit code."""
    engine = PressingCtrlC(make_engine(home))
    store = Store(cache, make_recipe(home)[0])
    signal.signal(signal.SIGINT, engine.interrupt)
    try:
        extract_in_process(scan(data), store, engine, batch_size=BATCH_SIZE, num_workers=2)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
