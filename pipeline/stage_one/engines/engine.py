"""The interface of engines."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """What runs the trunk."""

    concurrency: int
    """Number of calls at a time that make it faster; one more batch waits."""

    @property
    def provenance(self) -> dict[str, str]:
        """Engine, device and library versions; stored with the rows."""
        ...

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """From pixels, uint8 (B, H, W, 3), or earlier rows, float32 (B, h, w, C), to float32 (B, h, w, C) or (B, C)."""
        ...


class Reference(Engine, Protocol):
    """An engine in float32 that can write its network: OpenVINO converts it, and is compared with it."""

    batch_size: int

    def save(self, folder: Path) -> Path:
        """Write pixels-to-rows in a format that OpenVINO reads, below a folder that is made; where it is."""
        ...
