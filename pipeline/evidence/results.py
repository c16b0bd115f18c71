"""Evidence as typed results: the map of each image, and how a notebook shows them."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.evidence.maps import Array
from pipeline.evidence.overlay import as_number, draw_overlay
from pipeline.images.summary import Skipped

_SHOWN = 20
"""Overlays that a notebook shows."""

_WORDS = {
    "exact": "exact: their mean and the rest are the sum",
    "gradient": "gradient times input: their mean and the rest are the sum",
    "blank": "what is lost without each cell",
}


@dataclass(frozen=True)
class ImageEvidence:
    """Where in one image the head looked."""

    path: str
    """As given; of an image without a path its position, such as `#3`."""

    answer: str
    """The class, label or column that was asked for: the predicted one unless another is named."""

    against: str | None
    """Of one class for each image: the most probable other class, whose sum is subtracted."""

    map: Array = field(repr=False)
    """What each cell adds, float32 (h, w). `map.mean() + rest == total`, unless `how` is `blank`."""

    rest: float
    """What belongs to no cell: the bias."""

    total: float
    """Logit of the answer, minus that of `against`; or the number."""

    unit: str
    """`logits`, the name of the number, or `share of neighbours`."""

    how: str
    """`exact`, `gradient` or `blank`: see `pipeline.evidence.explain`."""

    row: int = field(repr=False)
    """Its position among the images that could be read."""

    position: int = field(repr=False)
    """Its position among all that were given."""

    overlay: str | None = None
    """The file of the overlay."""

    @property
    def title(self) -> str:
        """What the map shows, in a line: `cat against dog: 3.2 logits`."""
        against = f" against {self.against}" if self.against else ""
        unit = "" if self.unit == self.answer else f" {self.unit}"
        return f"{self.answer}{against}: {as_number(self.total)}{unit}"

    @property
    def ends(self) -> tuple[str, str]:
        """What negative and positive values speak for."""
        if self.unit == self.answer:
            return "less", "more"
        return self.against or f"not {self.answer}", self.answer

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": self.path,
            "answer": self.answer,
            "against": self.against,
            "total": self.total,
            "rest": self.rest,
            "unit": self.unit,
            "how": self.how,
            "map": [[float(f"{value:.6g}") for value in line] for line in self.map.tolist()],
            "overlay": self.overlay,
        }


@dataclass(frozen=True, repr=False)
class Evidence(Sequence[ImageEvidence]):
    """Where in each image a run looked, in the order of the images that could be read."""

    images: tuple[ImageEvidence, ...]
    run: str
    skipped: tuple[Skipped, ...]
    """Images that cannot be read."""

    finer: str | None
    """Where finer maps are to be had; None: nowhere."""

    pixels: Callable[[int], NDArray[np.uint8]] = field(repr=False)
    """An image as the network saw it, by its row."""

    @property
    def overlays(self) -> dict[int, str]:
        """The file of each overlay, by the image's position among those given."""
        return {one.position: one.overlay for one in self.images if one.overlay is not None}

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        grid = "x".join(map(str, self.images[0].map.shape)) if self.images else "0"
        return f"Evidence({self.run}: {len(self)} image{'s' * (len(self) != 1)}, maps of {grid} cells)"

    def draw(self, index: int) -> Image.Image:
        """The overlay of one image."""
        one = self.images[index]
        return draw_overlay(self.pixels(one.row), one.map, one.title, one.ends)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        skipped = [{"path": entry.path, "reason": entry.reason} for entry in self.skipped]
        return {"run": self.run, "images": [one.as_dict() for one in self], "skipped": skipped, "finer": self.finer}

    def _repr_html_(self) -> str:
        """Overlays, for notebooks."""
        figures = "".join(self._figure(number) for number in range(min(len(self), _SHOWN)))
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        notes = f"<p>{escape(self.finer)}</p>" if self.finer else ""
        how = f"<p>Cells: {_WORDS[self.images[0].how]}.</p>" if self.images else ""
        return f'<div style="display: flex; flex-wrap: wrap; gap: 8px">{figures}</div>{more}{how}{notes}'

    def _figure(self, number: int) -> str:
        stream = io.BytesIO()
        try:
            self.draw(number).save(stream, "JPEG", quality=85)
        except (PipelineError, OSError) as error:  # the image is gone by now
            return f"<figure>{escape(self.images[number].path)}: {escape(str(error))}</figure>"
        address = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
        path = escape(self.images[number].path)
        return f'<figure style="margin: 0"><img src="{address}" alt="{path}" width="220"><figcaption>{path}</figcaption></figure>'
