"""TensorBoard's event files, written by its own package without TensorFlow.

The record writer of the package is used, because `tensorboard.summary.Writer` writes no hyperparameters, and imports TensorFlow
where that is installed: a linear head would start seconds later.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from pipeline.errors import MissingExtraError
from pipeline.files import remove

_PREFIX = "events.out.tfevents."
"""TensorBoard reads files with this prefix."""


class Events:
    """The log of one training.

    During the training it is in the folder `training-PROCESS`; at the end it moves into a folder with the name of the run.
    Use as a context manager: if the training fails, its log is removed.

    Args:
        root: The folder that TensorBoard reads.

    Raises:
        MissingExtraError: The package `tensorboard` is not installed.
    """

    def __init__(self, root: Path) -> None:
        if find_spec("tensorboard") is None:
            raise MissingExtraError(
                "TensorBoard's logs need its package: pip install 'bottleneck-pipeline[tensorboard]'."
            )
        self._root = root
        self._folder = root / f"training-{os.getpid()}"
        # TensorBoard identifies files by their names, and reads those of a folder in the order of these times.
        self._name = f"{_PREFIX}{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"

    def __enter__(self) -> Self:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        self._writer = RecordWriter((self._folder / self._name).open("wb"))
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # the disk may be full; `finish` has closed a log that is kept
            self._writer.close()
        remove(self._folder)

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each of these curves."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        points = [point for name, value in values.items() for point in scalar_pb(name, value).value]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def add_settings(self, settings: Mapping[str, str | float | bool]) -> None:
        """Add a row to TensorBoard's table of hyperparameters."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self._write(Event(wall_time=time.time(), summary=hparams_pb(dict(settings))))

    def finish(self, run: str) -> None:
        """Move the log into the folder of the run. It replaces the log of an older run of that name."""
        self._writer.close()
        folder = self._root / run
        folder.mkdir(parents=True, exist_ok=True)
        for older in folder.glob(f"{_PREFIX}*"):
            remove(older)
        (self._folder / self._name).replace(folder / self._name)

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()
