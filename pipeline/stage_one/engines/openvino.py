"""The OpenVINO engine: the trunk is converted once, kept on disk, and compared with TensorFlow before it is used.

The network of an ONNX file is compared with ONNX Runtime instead: what is said of TensorFlow here holds for it too.
"""

import functools
import importlib.metadata
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

from pipeline.bases.table import BFLOAT16
from pipeline.cache.recipe import Recipe
from pipeline.errors import DisagreementError, SettingError
from pipeline.execution.threads import is_worker, num_threads
from pipeline.stage_one.engines.conversion import Compared, Conversion, conversion_name

if TYPE_CHECKING:
    from pipeline.stage_one.engines.reference import Reference

logger = logging.getLogger(__name__)

TOLERANCE = {"float32": 1e-4, BFLOAT16: 5e-2}
"""Maximum difference from TensorFlow in float32, relative to the maximum of the batch, by arithmetic. The rows of real photographs
differ by 0.5 to 1.5 % in bfloat16, whose significand has 8 bits; those of MobileNetV2 by so much (0.9 and more) that it is refused."""

_NAMES = {"tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime"}

_HINTS = {"float32": "f32", BFLOAT16: "bf16"}

_LONG_SECONDS = 30.0
"""Jobs that are expected to take longer are told about bfloat16, if it makes them faster by at least this factor:"""

_WORTH_TELLING = 1.2

_STEP_IMAGES = 4
"""Images that one request computes at a time."""

_TURNS, _TURNS_SECONDS = 5, 2.0
"""Measurements of each way, at most so many, and no more after so many seconds; two at least."""


class OpenVINOEngine:
    """The trunk in OpenVINO's CPU runtime, in float32 or bfloat16.

    The conversion is kept with digests of its files. On each processor model, the first batch is also
    computed by TensorFlow, and both are timed. If they agree and OpenVINO is faster, that is recorded and
    TensorFlow is not needed again.

    Args:
        recipe: What to compute.
        folder: Where conversions are kept.
        make_reference: Makes the engine for the same trunk in float32 that it is compared with; called when it is needed.
        earlier: Recipe of stored rows to start from; None: start from pixels.
        batch_size: Images per call of `features`.
        is_asked: The user names OpenVINO or bfloat16: raise if the engines disagree, and stay even if the other is faster.
            Otherwise the other takes over in both cases.
        num_rows: Rows that will be computed; in a long job, the user is told what bfloat16 would save.

    Raises:
        SettingError: The recipe's arithmetic is bfloat16, and the processor has none.
        DisagreementError: By `features`, see `is_asked`.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        make_reference: "Callable[[], Reference]",
        *,
        earlier: Recipe | None = None,
        batch_size: int = 32,
        is_asked: bool = False,
        num_rows: int = 0,
    ) -> None:
        self.batch_size = batch_size
        self._precision, self._num_rows = recipe.precision, num_rows
        self._make_reference, self._is_asked = make_reference, is_asked
        self._cpu = processor_name()
        if recipe.precision == BFLOAT16 and not has_bfloat16():
            raise SettingError(
                "--precision bfloat16 needs a processor that computes in bfloat16 (x86 with AVX512_BF16 or AMX, or Arm with BF16). "
                f"This one does not: {self._cpu}. Use --precision float32."
            )
        self._conversion = Conversion(folder / conversion_name(recipe, earlier))
        self._conversion.make(make_reference)
        self._network = _Network(self._conversion, batch_size, recipe.precision)
        self.concurrency = self._network.full + 1  # while one call ends, the next one keeps all cores busy
        self._checking = threading.Lock()
        known = self._conversion.known(self._where)
        self._is_checked, self._is_first = known is not None, True
        self._other: Reference | None = None
        if known is not None and known.gain < 1 and not is_asked:
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
            if self._is_first and self._other is None:
                self._is_first = False
                self._tell_of_bfloat16(inputs[: self.batch_size])
        if self._other is not None:
            return self._other.features(inputs)
        return self._network.infer(inputs)

    @property
    def _where(self) -> str:
        """The name under which comparisons are recorded."""
        arithmetic = "" if self._precision == "float32" else f", {self._precision}"
        return f"{self._cpu}{arithmetic}, {_STEP_IMAGES} images a request"

    def _check(self, inputs: NDArray[Any]) -> None:
        """Compare the conversion with TensorFlow; use it if both agree and it is faster, otherwise hand over to TensorFlow."""
        reference, infer = self._make_reference(), self._network.infer
        expected = reference.features(inputs)
        difference = _difference(infer(inputs), expected)
        self._is_checked = True
        limit = TOLERANCE[self._precision]
        if not difference <= limit:
            other = reference.provenance["engine"]
            message = f"OpenVINO in {self._precision} differs from {_NAMES[other]} by {difference:.2g} of the maximum feature (limit {limit:g})"
            if self._precision == BFLOAT16:
                raise DisagreementError(f"{message}: use --precision float32.")
            if self._is_asked:
                raise DisagreementError(f"{message}: use --engine {'tensorflow' if other == 'tensorflow' else 'auto'}.")
            logger.warning("%s: %s is used instead.", message, _NAMES[other])
            self._hand_over(reference)
            return
        gain = _gain((reference.features, 1), (infer, self._network.full), inputs)
        self._conversion.record(self._where, Compared(difference, gain))
        logger.info("OpenVINO agrees to %.1e, and is %.2f times as fast.", difference, gain)
        if gain < 1 and not self._is_asked:
            self._hand_over(reference)

    def _hand_over(self, other: "Reference") -> None:
        self._other, self.concurrency = other, other.concurrency

    def _tell_of_bfloat16(self, inputs: NDArray[Any]) -> None:
        """In a long job in float32, say once how much faster bfloat16 is, if this network can take it: measured once for each processor."""
        if self._precision != "float32" or self._num_rows <= len(inputs) or is_worker() or not has_bfloat16():
            return
        batches = self._num_rows / len(inputs)
        # One call alone: the runtime's first calls must not run at the same time.
        seconds = batches * _seconds(self._network.infer, inputs, 1) / self._network.full
        if seconds < _LONG_SECONDS:
            return
        where = f"{self._cpu}, bfloat16 against float32, {_STEP_IMAGES} images a request"
        found = self._conversion.known(where)
        if found is None:
            lower, plain = _Network(self._conversion, self.batch_size, BFLOAT16), self._network
            difference = _difference(lower.infer(inputs), plain.infer(inputs))
            found = Compared(difference, _gain((plain.infer, plain.full), (lower.infer, lower.full), inputs))
            self._conversion.record(where, found)
        if found.gain >= _WORTH_TELLING and found.difference <= TOLERANCE[BFLOAT16]:
            logger.warning(
                "The network needs about %.0f s for these %s rows. With --precision bfloat16 it is %.1f times as fast on this "
                "processor; features then differ by up to %.1g %% of the largest one, and are stored apart.",
                seconds,
                f"{self._num_rows:,}",
                found.gain,
                100 * found.difference,
            )


class _Network:
    """A conversion that is compiled for one arithmetic, with as many requests as keep all cores busy.

    A call's images go through it a few at a time, on all requests: their activations then stay in the processor's cache (MobileNetV2
    computes 1.3 times as many images as with 32 at a time, VGG16 equally many), and neither the first call nor the last one leaves
    cores idle. Fewer are padded, so that the row of an image does not depend on the others.
    """

    def __init__(self, conversion: Conversion, batch_size: int, precision: str) -> None:
        core = openvino.Core()
        model = core.read_model(conversion.xml, conversion.weights)
        batch, *pixels = list(model.input(0).partial_shape)
        # ONNX files may take one image at a time.
        self._step = min(batch_size, _STEP_IMAGES) if batch.is_dynamic else batch.get_length()
        model.reshape([self._step, *pixels])
        # Without the hint, processors with bfloat16 would use it for float32 networks.
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _HINTS[precision]}
        if is_worker():
            hints["INFERENCE_NUM_THREADS"] = num_threads()
        compiled = core.compile_model(model, "CPU", hints)
        num_requests = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.full = -(-num_requests * self._step // batch_size)
        """Number of calls that keep all cores busy."""
        self._row_shape = tuple(compiled.output(0).shape)[1:]
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(num_requests):
            self._requests.put(compiled.create_infer_request())
        self._steps = ThreadPoolExecutor(num_requests)
        self._starting, self._has_started = threading.Lock(), False

    def infer(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network, on all requests at the same time. The very first images run alone (see `compute._run`)."""
        rows = np.empty((len(inputs), *self._row_shape), np.float32)
        starts = range(0, len(inputs), self._step)
        with self._starting:
            if starts and not self._has_started:
                self._infer_step(inputs, rows, starts[0])
                starts, self._has_started = starts[1:], True
        list(self._steps.map(functools.partial(self._infer_step, inputs, rows), starts))
        return rows

    def _infer_step(self, inputs: NDArray[Any], rows: NDArray[np.float32], start: int) -> None:
        """Compute the rows of a few images."""
        batch = np.ascontiguousarray(inputs[start : start + self._step])
        if len(batch) < self._step:
            batch = np.concatenate([batch, np.zeros((self._step - len(batch), *batch.shape[1:]), batch.dtype)])
        request = self._requests.get()
        try:
            received = request.infer([batch], share_inputs=True, share_outputs=True)[0]
            rows[start : start + self._step] = received[: len(rows) - start]
        finally:
            self._requests.put(request)


def processor_name() -> str:
    """The processor's full name, as OpenVINO has it."""
    return str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME"))


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _difference(rows: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest difference of a feature, relative to the largest feature."""
    return float(np.abs(rows - expected).max() / max(float(np.abs(expected).max()), 1e-30))


_Way = tuple[Callable[[NDArray[Any]], object], int]
"""A function that runs a network, and how many of its calls run at the same time."""


def _gain(first: _Way, second: _Way, inputs: NDArray[Any]) -> float:
    """How many times as fast the second way is. Both run in turns, and the best of each counts: other programs only slow them down."""
    begin = time.perf_counter()
    seconds: list[list[float]] = []
    while len(seconds) < _TURNS and (len(seconds) < 2 or time.perf_counter() - begin < _TURNS_SECONDS):
        seconds.append([_seconds(run, inputs, concurrency) for run, concurrency in (first, second)])
    before, after = np.min(seconds, axis=0)
    return float(before / after)


def _seconds(run: Callable[[NDArray[Any]], object], inputs: NDArray[Any], concurrency: int) -> float:
    """Seconds per call, when `concurrency` calls run at the same time."""
    with ThreadPoolExecutor(concurrency) as calls:
        start = time.perf_counter()
        list(calls.map(run, [inputs] * concurrency))
        return (time.perf_counter() - start) / concurrency
