"""Stage one on a GPU: how fast the network is and with what, and whether files arrive fast enough.

For each network and arithmetic (float32, mixed_float16), with and without XLA, the batch size is doubled until that makes the network
less than 5 % faster or memory runs out. With the fastest of them: the copy of a batch beside the computation of another, the whole of
stage one against the slower of its two parts (decoding alone, network alone), and against `model.predict` on pixels in memory.

    python benchmarks/gpu.py --data photos [--images 4000] [--repeats 3]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _parts import StageOne, keras_network
from _turns import in_turns, ratio, say

import pipeline
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow

NETWORKS = (("vgg16", 224), ("resnet50", 224), ("mobilenetv2", 224))
PRECISIONS = ("float32", "mixed_float16")
SMALLEST, LARGEST = 16, 2048
_WORTH_DOUBLING = 1.05
_TIMED_BATCHES = 8


@dataclass(frozen=True)
class Way:
    """One way of running a network, with its best batch size."""

    precision: str
    has_xla: bool
    batch_size: int
    speed: float
    """Images per second of the network alone."""


def find_batch_size(
    measure: Callable[[int], float], smallest: int = SMALLEST, largest: int = LARGEST
) -> tuple[int, float]:
    """The best batch size and its speed: it is doubled while that makes the network at least 5 % faster.

    Args:
        measure: Images per second for a batch size; raises MemoryError if the device has too little memory.
        smallest: The first size; it must fit.
        largest: The last size.
    """
    best, speed = smallest, measure(smallest)
    while 2 * best <= largest:
        try:
            doubled = measure(2 * best)
        except MemoryError:
            break
        if doubled < _WORTH_DOUBLING * speed:
            break
        best, speed = 2 * best, doubled
    return best, speed


def bottleneck_of(decoding: float, forward: float) -> str:
    """Which part bounds stage one where both run at the same time, from their seconds."""
    return "decoding" if decoding > forward else "the network"


def ways_of(manifest: Manifest, base: str, size: int, scratch: Path) -> Iterator[Way]:
    """All arithmetics, with XLA and without, each with its best batch size."""
    import tensorflow as tf

    for precision in PRECISIONS:
        for has_xla in (False, True):
            tf.config.optimizer.set_jit("autoclustering" if has_xla else False)

            def measure(batch_size: int, precision: str = precision) -> float:
                parts = make(manifest, base, size, scratch, precision, batch_size)
                batch = parts.batch()
                start = time.perf_counter()
                for _ in range(_TIMED_BATCHES):
                    parts.engine.features(batch)
                return _TIMED_BATCHES * batch_size / (time.perf_counter() - start)

            yield Way(precision, has_xla, *find_batch_size(measure))


def make(manifest: Manifest, base: str, size: int, scratch: Path, precision: str, batch_size: int) -> StageOne:
    """The network on the GPU; random weights are as fast as others."""
    parts = StageOne.make(
        manifest,
        scratch,
        base=base,
        size=size,
        weights="random",
        engine="tensorflow",
        device="gpu",
        precision=precision,
        batch_size=batch_size,
    )
    if getattr(parts.engine, "batch_size", batch_size) < batch_size:  # the engine halves it when memory runs out
        raise MemoryError
    return parts


def predicting(base: str, size: int, parts: StageOne) -> Callable[[], None]:
    """Keras's `predict` on as many images in memory, with the same batch size."""
    network = keras_network(base, size, "random")
    batch = parts.batch().astype(np.float32)
    pixels = np.concatenate([batch] * -(-len(parts.manifest) // len(batch)))[: len(parts.manifest)]

    def run() -> None:
        network.predict(pixels, batch_size=len(batch), verbose=0)

    run()
    return run


def measure_network(base: str, size: int, manifest: Manifest, repeats: int) -> None:
    """All ways of one network, then stage one with the fastest."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as scratch:
        ways = list(ways_of(manifest, base, size, Path(scratch)))
        for way in ways:
            xla = "with XLA" if way.has_xla else "without XLA"
            print(
                f"{base} at {size} px, {way.precision}, {xla}: {way.speed:,.0f} images/s, batches of {way.batch_size}"
            )
        best = max(ways, key=lambda way: way.speed)
        tf.config.optimizer.set_jit("autoclustering" if best.has_xla else False)
        parts = make(manifest, base, size, Path(scratch), best.precision, best.batch_size)
        batch, count = parts.batch(), -(-len(manifest) // best.batch_size)

        def one_by_one() -> None:
            for _ in range(count):
                parts.engine.features(batch)

        seconds = in_turns(
            {
                "decoding alone": parts.decoding,
                "network alone": parts.forward,
                "network, one batch at a time": one_by_one,
                "ours": parts.whole,
                "predict, pixels in memory": predicting(base, size, parts),
            },
            repeats,
        )
    slower = max("decoding alone", "network alone", key=lambda name: min(seconds[name]))
    say(
        f"stage one on a GPU, {base} at {size} px, bound by {bottleneck_of(*(min(seconds[name]) for name in ('decoding alone', 'network alone')))}",
        seconds,
        {
            "copy beside compute": (ratio(seconds, "network, one batch at a time", "network alone"), 1.0),
            f"ours against {slower}": (ratio(seconds, slower, "ours"), 0.85),
            "ours against predict on pixels in memory": (ratio(seconds, "predict, pixels in memory", "ours"), 0.0),
        },
        images=len(manifest),
        ways=[vars(way) for way in ways],
    )


def main() -> None:
    """All networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"), help="a folder of photographs")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    quiet_tensorflow()
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        print("gpu: no GPU; nothing measured.")
        return
    if not given.data or not Path(given.data).is_dir():
        print("gpu: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    manifest = pipeline.scan(given.data)
    manifest = manifest.select(list(range(min(len(manifest), given.images))))
    for base, size in NETWORKS:
        measure_network(base, size, manifest, given.repeats)


if __name__ == "__main__":
    main()
