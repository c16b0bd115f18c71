"""What OpenVINO is compared with, and what it converts."""

from pathlib import Path
from typing import Protocol

from pipeline.stage_one.computing.compute import Engine


class Reference(Engine, Protocol):
    """An engine in float32 that can write its network."""

    batch_size: int

    def save(self, folder: Path) -> Path:
        """Write pixels-to-rows in a format that OpenVINO reads, below a folder that is made; where it is."""
        ...
