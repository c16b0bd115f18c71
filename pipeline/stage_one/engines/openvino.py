"""The OpenVINO engine: the trunk is converted once, kept on disk, and compared with TensorFlow before it is used."""

import hashlib
import importlib.metadata
import json
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.errors import DisagreementError
from pipeline.execution.threads import is_worker, num_threads
from pipeline.files import write_json

if TYPE_CHECKING:
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Maximum difference from TensorFlow, relative to the maximum of the batch."""


class OpenVINOEngine:
    """The trunk in OpenVINO's CPU runtime, in float32 and with a fixed batch size.

    The conversion is kept with digests of its files. On each processor model, the first batch is also
    computed by TensorFlow, and both are timed. If they agree and OpenVINO is faster, that is recorded and
    TensorFlow is not needed again.

    Args:
        recipe: What to compute.
        folder: Where conversions are kept.
        make_reference: Makes TensorFlow's engine for the same recipe; called when it is needed.
        earlier: Recipe of stored rows to start from; None: start from pixels.
        batch_size: Images per call of the runtime.
        is_asked: The user names OpenVINO: raise if the engines disagree, and stay even if TensorFlow is faster. Otherwise
            TensorFlow takes over in both cases.

    Raises:
        DisagreementError: By `features`, see `is_asked`.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        make_reference: "Callable[[], TensorFlowEngine]",
        *,
        earlier: Recipe | None = None,
        batch_size: int = 32,
        is_asked: bool = False,
    ) -> None:
        core = openvino.Core()
        self.batch_size = batch_size
        self._make_reference, self._is_asked = make_reference, is_asked
        self._cpu = str(core.get_property("CPU", "FULL_DEVICE_NAME"))
        self._conversion = _Conversion(folder / _name(recipe, earlier))
        self._conversion.make(make_reference)
        model = core.read_model(self._conversion.xml, self._conversion.weights)
        model.reshape([batch_size, *list(model.input(0).partial_shape)[1:]])
        # Without the hint, processors with bfloat16 would use it for float32 networks.
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        if is_worker():
            hints["INFERENCE_NUM_THREADS"] = num_threads()
        compiled = core.compile_model(model, "CPU", hints)
        self.concurrency = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.concurrency):
            self._requests.put(compiled.create_infer_request())
        self._checking = threading.Lock()
        gain = self._conversion.known_gain(self._cpu)
        self._is_checked = gain is not None
        self._other: TensorFlowEngine | None = None
        if gain is not None and gain < 1 and not is_asked:
            self._hand_over(make_reference())

    @property
    def provenance(self) -> dict[str, str]:
        """Engine, device and library versions of what computes the rows."""
        if self._other is not None:
            return self._other.provenance
        versions = {name: importlib.metadata.version(name) for name in ("openvino", "numpy", "pillow", "h5py")}
        return {"engine": "openvino", "device": self._cpu, **versions}

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels, uint8 (n, H, W, 3), or earlier rows, float32 (n, h, w, C), to float32 (n, h, w, C) or (n, C); any n."""
        with self._checking:
            if not self._is_checked:
                self._check(inputs[: self.batch_size])
        if self._other is not None:
            return self._other.features(inputs)
        return self._infer(inputs)

    def _infer(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network. Smaller batches are padded, so that the row of an image does not depend on the others in its batch."""
        parts = []
        request = self._requests.get()
        try:
            for start in range(0, len(inputs), self.batch_size):
                batch = inputs[start : start + self.batch_size]
                full = np.zeros((self.batch_size, *batch.shape[1:]), batch.dtype)
                full[: len(batch)] = batch
                parts.append(request.infer([full])[0][: len(batch)].copy())
        finally:
            self._requests.put(request)
        return np.concatenate(parts)

    def _check(self, inputs: NDArray[Any]) -> None:
        """Compare the conversion with TensorFlow; use it if both agree and it is faster, otherwise hand over to TensorFlow."""
        reference = self._make_reference()
        expected = reference.features(inputs)
        difference = float(np.abs(self._infer(inputs) - expected).max() / max(float(np.abs(expected).max()), 1e-30))
        self._is_checked = True
        if not difference <= TOLERANCE:
            message = (
                f"OpenVINO differs from TensorFlow by {difference:.2g} of the maximum feature (limit {TOLERANCE:g})"
            )
            if self._is_asked:
                raise DisagreementError(f"{message}: use --engine tensorflow.")
            logger.warning("%s: TensorFlow is used instead.", message)
            self._hand_over(reference)
            return
        gain = _seconds(reference.features, inputs, 1) / _seconds(self._infer, inputs, self.concurrency)
        self._conversion.approve(self._cpu, difference, gain)
        logger.info("OpenVINO agrees with TensorFlow to %.1e and is %.2f times as fast.", difference, gain)
        if gain < 1 and not self._is_asked:
            self._hand_over(reference)

    def _hand_over(self, other: "TensorFlowEngine") -> None:
        self._other, self.concurrency = other, other.concurrency


def _seconds(run: Callable[[NDArray[Any]], object], inputs: NDArray[Any], concurrency: int) -> float:
    """Seconds per call, when `concurrency` calls run at the same time."""
    with ThreadPoolExecutor(concurrency) as calls:
        start = time.perf_counter()
        list(calls.map(run, [inputs] * concurrency))
        return (time.perf_counter() - start) / concurrency


class _Conversion:
    """A converted trunk on disk: the network, its weights, and the processors on which it was checked, with its speed there."""

    def __init__(self, stem: Path) -> None:
        self.xml, self.weights, self._notes = (stem.with_suffix(end) for end in (".xml", ".bin", ".json"))

    def make(self, make_reference: "Callable[[], TensorFlowEngine]") -> None:
        """Convert the trunk, unless its files exist and have the recorded digests."""
        notes = self._read_notes()
        if notes and notes["files"] == self._digests():
            return
        self.xml.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.xml.parent, prefix=".") as folder:
            saved, made = Path(folder, "saved_model"), Path(folder, self.xml.name)
            make_reference().save(saved)
            # The runtime's own reader: the separate converter sends usage reports over the network.
            openvino.save_model(openvino.Core().read_model(saved), made, compress_to_fp16=False)
            self._notes.unlink(missing_ok=True)
            made.with_suffix(".bin").replace(self.weights)
            made.replace(self.xml)
        write_json(self._notes, {"files": self._digests(), "approved": {}})

    def known_gain(self, cpu: str) -> float | None:
        """TensorFlow's time divided by OpenVINO's on this processor model; None if they were never compared there."""
        notes = self._read_notes() or {"approved": {}}
        return notes["approved"][cpu]["gain"] if cpu in notes["approved"] else None

    def approve(self, cpu: str, difference: float, gain: float) -> None:
        """Record that both agree on this processor model, with the difference and the gain in speed."""
        notes = self._read_notes() or {"files": self._digests(), "approved": {}}
        entry = {"difference": difference, "gain": gain}
        write_json(self._notes, {**notes, "approved": {**notes["approved"], cpu: entry}})

    def _digests(self) -> list[str] | None:
        try:
            return [hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.xml, self.weights)]
        except FileNotFoundError:
            return None

    def _read_notes(self) -> dict[str, Any] | None:
        try:
            notes = json.loads(self._notes.read_text())
            approved = {
                cpu: {name: float(entry[name]) for name in ("difference", "gain")}
                for cpu, entry in notes["approved"].items()
            }
            return {"files": list(notes["files"]), "approved": approved}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _name(recipe: Recipe, earlier: Recipe | None) -> str:
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
