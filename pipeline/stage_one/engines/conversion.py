"""A trunk that was converted for OpenVINO, kept on disk with what is known of it on each processor model."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openvino

from pipeline.cache.recipe import Recipe
from pipeline.files import write_json
from pipeline.stage_one.engines.engine import Reference


@dataclass(frozen=True)
class Compared:
    """How the second of two ways to run a network compares with the first."""

    difference: float
    """Largest difference of a feature, relative to the largest feature."""

    gain: float
    """How many times as fast it is."""

    winograd: bool = False
    """Whether it has Winograd convolutions."""


class Conversion:
    """A converted trunk on disk: the network, its weights, and the processors on which it was checked, with its speed there.

    The files are those of float32. They serve bfloat16 too, which has its own entries among the notes.
    """

    def __init__(self, stem: Path) -> None:
        # Not with_suffix: the name of a model file has a dot, and all that follows would be lost.
        self.xml, self.weights, self._notes = (stem.with_name(stem.name + end) for end in (".xml", ".bin", ".json"))

    def make(self, make_reference: Callable[[], Reference]) -> None:
        """Convert the trunk, unless its files exist and have the recorded digests."""
        notes = self._read_notes()
        if notes and notes["files"] == self._digests():
            return
        self.xml.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.xml.parent, prefix=".") as folder:
            saved, made = make_reference().save(Path(folder, "saved")), Path(folder, self.xml.name)
            # The runtime's own reader: the separate converter sends usage reports over the network.
            openvino.save_model(openvino.Core().read_model(saved), made, compress_to_fp16=False)
            self._notes.unlink(missing_ok=True)
            made.with_suffix(".bin").replace(self.weights)
            made.replace(self.xml)
        write_json(self._notes, {"files": self._digests(), "compared": {}})

    def known(self, where: str) -> "Compared | None":
        """What was recorded there; None if nothing was compared there.

        Args:
            where: The processor model, with what was compared if it is not TensorFlow with OpenVINO in float32.
        """
        notes = self._read_notes() or {"compared": {}}
        return Compared(**notes["compared"][where]) if where in notes["compared"] else None

    def record(self, where: str, found: "Compared") -> None:
        """Record how two ways compare there."""
        notes = self._read_notes() or {"files": self._digests(), "compared": {}}
        write_json(self._notes, {**notes, "compared": {**notes["compared"], where: asdict(found)}})

    def _digests(self) -> list[str] | None:
        try:
            return [hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.xml, self.weights)]
        except FileNotFoundError:
            return None

    def _read_notes(self) -> dict[str, Any] | None:
        try:
            notes = json.loads(self._notes.read_text())
            compared = {
                where: asdict(Compared(float(entry["difference"]), float(entry["gain"]), bool(entry.get("winograd"))))
                for where, entry in notes["compared"].items()
            }
            return {"files": list(notes["files"]), "compared": compared}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def conversion_name(recipe: Recipe, earlier: Recipe | None) -> str:
    """File name of a conversion, with a digest of what its values depend on and of OpenVINO's version."""
    parts = {
        "trunk": recipe.trunk_digest,
        "size": recipe.decoder.size_px,
        "preprocessing": recipe.preprocessing.as_dict(),
        "from": earlier.cut if earlier else None,
        "cut": recipe.cut,
        "pooling": recipe.pooling,
        "openvino": openvino.__version__,
    }
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{recipe.base}-{recipe.decoder.size_px}px-{recipe.cut}-{digest[:16]}"
