"""The OpenVINO engine: the trunk is converted once, kept on disk, and compared with TensorFlow before it is used.

The network of an ONNX file is compared with ONNX Runtime instead: what is said of TensorFlow here holds for it too.
"""

import importlib.metadata
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.table import BFLOAT16
from pipeline.cache.recipe import Recipe
from pipeline.errors import DisagreementError, SettingError
from pipeline.execution.threads import is_worker
from pipeline.stage_one.engines.compiled import STEP_IMAGES, CompiledNetwork, has_bfloat16, processor_name
from pipeline.stage_one.engines.conversion import Compared, Conversion, conversion_name
from pipeline.stage_one.engines.engine import Reference
from pipeline.stage_one.engines.measure import gain, largest_difference, seconds_per_call

logger = logging.getLogger(__name__)

TOLERANCE = {"float32": 1e-4, BFLOAT16: 5e-2}
"""Maximum difference from TensorFlow in float32, relative to the maximum of the batch, by arithmetic. The rows of real photographs
differ by 0.5 to 1.5 % in bfloat16, whose significand has 8 bits; those of MobileNetV2 by so much (0.9 and more) that it is refused."""

_NAMES = {"tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime"}

_LONG_SECONDS = 30.0
"""For jobs that are expected to take longer, bfloat16 is suggested if it makes them faster by at least this factor:"""

_WORTH_TELLING = 1.2


class OpenVINOEngine:
    """The trunk in OpenVINO's CPU runtime, in float32 or bfloat16.

    The conversion is kept with digests of its files. On each processor model, the first batch shows whether Winograd convolutions are
    faster. It is also computed by TensorFlow, and both are timed. If they agree and OpenVINO is faster, that is recorded and
    TensorFlow is not needed again.

    Args:
        recipe: What to compute.
        folder: Where conversions are kept.
        make_reference: Makes the engine for the same trunk in float32 that it is compared with; called when it is needed.
        earlier: Recipe of stored rows to start from; None: start from pixels.
        batch_size: Images per call of `features`.
        is_asked: The user names OpenVINO or bfloat16: raise if the engines disagree, and stay even if the other is faster.
            Otherwise the other takes over in both cases.
        num_rows: Rows that will be computed; in a long job, a log line says what bfloat16 would save.

    Raises:
        SettingError: The recipe's arithmetic is bfloat16, and the processor has none.
        DisagreementError: By `features`, see `is_asked`.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        make_reference: Callable[[], Reference],
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
        known = self._conversion.known(_where(self._cpu, recipe.precision))
        self._use(self._compiled(winograd=known is not None and known.winograd))
        self._checking = threading.Lock()
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
        convolutions = {"convolutions": "Winograd"} if self._network.num_winograd else {}
        return {"engine": "openvino", "device": self._cpu, **convolutions, **versions}

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

    def _compiled(self, *, winograd: bool) -> CompiledNetwork:
        return CompiledNetwork(self._conversion, self.batch_size, self._precision, winograd=winograd)

    def _use(self, network: CompiledNetwork) -> None:
        self._network = network
        self.concurrency = network.full + 1  # while one call ends, the next one keeps all cores busy

    def _choose_convolutions(self, inputs: NDArray[Any]) -> None:
        """Use Winograd convolutions where they are faster; bfloat16 has too few digits for them."""
        if self._precision != "float32":
            return
        winograd = self._compiled(winograd=True)
        if winograd.num_winograd:
            faster = _gain(self._network, winograd, inputs)
            logger.info("%d Winograd convolutions: %.2f times as fast.", winograd.num_winograd, faster)
            if faster > 1:
                self._use(winograd)

    def _check(self, inputs: NDArray[Any]) -> None:
        """Compare the conversion with TensorFlow; use it if both agree and it is faster, otherwise hand over to TensorFlow."""
        self._choose_convolutions(inputs)
        reference = self._make_reference()
        expected = reference.features(inputs)
        difference = largest_difference(self._network.infer(inputs), expected)
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
        faster = gain((reference.features, 1), (self._network.infer, self._network.full), inputs)
        found = Compared(difference, faster, winograd=self._network.num_winograd > 0)
        self._conversion.record(_where(self._cpu, self._precision), found)
        logger.info("OpenVINO agrees to %.1e, and is %.2f times as fast.", difference, faster)
        if faster < 1 and not self._is_asked:
            self._hand_over(reference)

    def _hand_over(self, other: Reference) -> None:
        self._other, self.concurrency = other, other.concurrency

    def _tell_of_bfloat16(self, inputs: NDArray[Any]) -> None:
        """In a long job in float32, say once how much faster bfloat16 is, if this network can take it: measured once for each processor."""
        if self._precision != "float32" or self._num_rows <= len(inputs) or is_worker() or not has_bfloat16():
            return
        batches = self._num_rows / len(inputs)
        # One call alone: the runtime's first calls must not run at the same time.
        seconds = batches * seconds_per_call(self._network.infer, inputs, 1) / self._network.full
        if seconds < _LONG_SECONDS:
            return
        where = f"{_where(self._cpu, 'float32')}, against bfloat16"
        found = self._conversion.known(where)
        if found is None:
            lower, plain = CompiledNetwork(self._conversion, self.batch_size, BFLOAT16), self._network
            few = inputs[: plain.enough]
            found = Compared(largest_difference(lower.infer(few), plain.infer(few)), _gain(plain, lower, few))
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


def is_approved(recipe: Recipe, folder: Path, *, earlier: Recipe | None = None) -> bool:
    """Whether a trunk was converted before, and OpenVINO was found to agree and to be faster on this processor."""
    known = Conversion(folder / conversion_name(recipe, earlier)).known(_where(processor_name(), recipe.precision))
    return known is not None and known.gain >= 1


def _gain(first: CompiledNetwork, second: CompiledNetwork, inputs: NDArray[Any]) -> float:
    """How many times as fast the second network is, on as many images as keep all cores busy."""
    few = inputs[: first.enough]
    for network in (first, second):
        network.infer(few[:1])  # the first images of a network run alone
    return gain((first.infer, 1), (second.infer, 1), few)


def _where(cpu: str, precision: str) -> str:
    """The name under which a comparison is recorded: of what can make it come out otherwise."""
    return f"{cpu}, {precision}, {STEP_IMAGES} images a request, direct or Winograd"
