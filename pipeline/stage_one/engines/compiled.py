"""A converted network, compiled by OpenVINO for this processor and run on all of its cores."""

import functools
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from pipeline.bases.table import BFLOAT16
from pipeline.execution.threads import is_worker, num_threads
from pipeline.stage_one.engines.conversion import Conversion
from pipeline.stage_one.engines.winograd import with_winograd

STEP_IMAGES = 4
"""Images that one request computes at a time."""

_WINOGRAD_IMAGES = 2
"""The same with Winograd convolutions, whose tiles take more than twice the memory of the pixels."""

_HINTS = {"float32": "f32", BFLOAT16: "bf16"}


class CompiledNetwork:
    """A conversion that is compiled for one arithmetic, with as many requests as keep all cores busy.

    A call's images go through it a few at a time, on all requests: their activations then stay in the processor's cache (MobileNetV2
    computes 1.3 times as many images as with 32 at a time, VGG16 equally many), and neither the first call nor the last one leaves
    cores idle. Fewer are padded, so that the row of an image does not depend on the others.

    Args:
        conversion: The network.
        batch_size: Images per call.
        precision: `float32` or `bfloat16`.
        winograd: Whether convolutions are Winograd's where these take fewer products.
    """

    def __init__(self, conversion: Conversion, batch_size: int, precision: str, *, winograd: bool = False) -> None:
        core = openvino.Core()
        model = core.read_model(conversion.xml, conversion.weights)
        batch, *pixels = list(model.input(0).partial_shape)
        # ONNX files may take one image at a time.
        most = _WINOGRAD_IMAGES if winograd else STEP_IMAGES
        self._step = min(batch_size, most) if batch.is_dynamic else batch.get_length()
        model.reshape([self._step, *pixels])
        self.num_winograd = with_winograd(model) if winograd else 0
        """Number of Winograd convolutions."""
        # Without the hint, processors with bfloat16 would use it for float32 networks.
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _HINTS[precision]}
        if is_worker():
            hints["INFERENCE_NUM_THREADS"] = num_threads()
        compiled = core.compile_model(model, "CPU", hints)
        num_requests = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.full = -(-num_requests * self._step // batch_size)
        """Number of calls that keep all cores busy."""
        self.enough = num_requests * self._step
        """Number of images that keep all cores busy once."""
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
