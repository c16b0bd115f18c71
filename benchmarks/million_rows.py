"""What a store of a million rows costs: seconds and memory, beside one of a tenth of it.

The rows are the average-pooled features of real photographs (VGG16 at 150 px, 512 numbers each), over and over under made keys,
a tenth of a per cent of noise on each so that no two are alike. Every question is asked in a process of its own, whose largest
memory is compared with that of a process which has only loaded the same libraries (and, for the head, trained on 2,000 rows).

    python benchmarks/million_rows.py --data photos [--rows 1000000] [--folder scratch]
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from _turns import say

import pipeline
from pipeline.cache.audit import delete, verify
from pipeline.cache.compact import compact
from pipeline.cache.shard import commit_shard, read_features, read_rows
from pipeline.cache.store import Keys, Store, pack_rows, row_keys
from pipeline.cache.stores import find_store
from pipeline.stage_two.rows import LabelledRows, Split, StoredRows
from pipeline.stage_two.spec import parse_head, parse_layers
from pipeline.tasks.classification import Classification

SHARD = 1024
MEMORY_GB = 0.125


def digest_of(number: int) -> bytes:
    """The SHA-256 of an image that there is not."""
    return hashlib.sha256(f"made image {number}".encode()).digest()


def keys_of(numbers: range) -> Keys:
    """Their keys."""
    return row_keys([digest_of(number) for number in numbers])


def build(real: Store, source: Keys, cache: Path, count: int) -> Store:
    """So many rows in shards of 1,024."""
    rows = real.read(source, pooling="avg")
    store = Store(cache, replace(real.recipe, pooling="avg"))
    rng = np.random.default_rng(0)
    for start in range(0, count, SHARD):
        numbers = range(start, min(start + SHARD, count))
        part = rows[rng.integers(0, len(rows), len(numbers))]
        noise = rng.normal(1, 1e-3, part.shape).astype(np.float32)
        store.append(keys_of(numbers), part * noise, {"engine": "made"})
    return store


def _index(folder: Path, _count: int) -> None:
    Store.open(folder).has(keys_of(range(10)))


def _lookup(folder: Path, count: int) -> float:
    store = Store.open(folder)
    keys = keys_of(range(0, count, max(1, count // 10_000)))
    store.has(keys[:1])
    start = time.perf_counter()
    store.read(keys)
    return time.perf_counter() - start


def _verify(folder: Path, count: int) -> None:
    found = verify([Store.open(folder)])
    if (found.num_ok, found.bad) != (count, ()):
        raise SystemExit(f"{found.num_ok} of {count} rows, {found.bad[:3]}")


def _task(folder: Path, count: int) -> LabelledRows:
    """Two classes, so many rows that stay in their shards, a fiftieth of them for validation."""
    store = Store.open(folder)
    block_rows = int(MEMORY_GB * 2**30 / 4 / (4 * 512))
    num_watched = count // 50

    def split(numbers: range) -> Split:
        rows = StoredRows(store, keys_of(numbers), "none", block_rows)
        return Split(rows, np.arange(len(numbers)) % 2, tuple(map(str, numbers)))

    return LabelledRows(
        Classification(("a", "b")), {"train": split(range(num_watched, count)), "validation": split(range(num_watched))}
    )


def _sgd_epoch(folder: Path, count: int) -> float:
    """By two fits that differ in four epochs: without the pass for means and the scores on validation."""
    from pipeline.stage_two.linear import stream

    task, seconds = _task(folder, count), []
    for num_epochs in (1, 1, 5):  # the first one loads scikit-learn, and is not counted
        stream.EPOCHS = (num_epochs, num_epochs)
        start = time.perf_counter()
        stream.stream_linear(parse_head("sgd:alpha=0.0001"), task)
        seconds.append(time.perf_counter() - start)
    return (seconds[2] - seconds[1]) / 4


def _ridge(folder: Path, count: int) -> None:
    """One pass over all rows, 25 values."""
    from pipeline.stage_two.linear.stream import stream_linear

    stream_linear(parse_head("ridge"), _task(folder, count))


def _compact(folder: Path, count: int) -> float:
    """Full shards, and as many of an eighth of their size in the place of a tenth of them."""
    store = Store.open(folder)
    for path in store.shard_paths()[::10]:
        rows, features = read_rows(path, store.recipe), read_features(path, store.recipe)
        path.unlink()
        for part in np.array_split(np.arange(len(rows)), 8):
            keys = row_keys([digest.tobytes() for digest in rows.digests[part]])
            commit_shard(path.parent, pack_rows(store.recipe, keys, features[part], {"engine": "made"}))
    num_small = len(store.shard_paths())
    start = time.perf_counter()
    done = compact(Store.open(folder))
    seconds = time.perf_counter() - start
    if done.rows != count or done.shards_after >= num_small:
        raise SystemExit(f"{done} of {count} rows in {num_small} shards")
    return seconds


def _prune(folder: Path, _count: int) -> None:
    """All of the store; the last question."""
    delete([find_store(folder.name, folder.parent).folder])


def _epoch(folder: Path, count: int) -> float:
    """Of a dense head, rows streamed from their shards."""
    from pipeline.quiet import quiet_tensorflow

    quiet_tensorflow()
    from pipeline.stage_two.dense.build import fit_dense
    from pipeline.stage_two.dense.settings import Training

    done = fit_dense(parse_layers("dense:64,relu"), _task(folder, count), Training(epochs=2, batch_size=256))
    return float(done.history[-1]["seconds"])


def _libraries(folder: Path, count: int) -> None:
    """What is there before anything is done."""


QUESTIONS: dict[str, Callable[[Path, int], float | None]] = {
    "libraries": _libraries,
    "open and index": _index,
    "read 10,000 rows": _lookup,
    "verify": _verify,
    "an epoch of sgd": _sgd_epoch,
    "ridge": _ridge,
    "an epoch of a dense head": _epoch,
    "compact": _compact,
    "prune": _prune,
}


def ask(question: str, folder: Path, count: int) -> tuple[float, float]:
    """Seconds, and the largest memory in MiB, of a process of its own."""
    command = [sys.executable, __file__, "--ask", question, "--folder", str(folder), "--rows", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return seconds, memory


def answer(question: str, folder: Path, count: int) -> None:
    """In the child."""
    start = time.perf_counter()
    own = QUESTIONS[question](folder, count)
    seconds = time.perf_counter() - start if own is None else own
    # getrusage would say what the parent had in memory when it started this process, if that was more.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([seconds, int(peak.split()[1]) / 1024]))


def main() -> None:
    """A tenth first, then all; memory beyond the libraries', and seconds a row of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ask", choices=QUESTIONS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        answer(given.ask, given.folder, given.rows)
        return
    if not given.data or not Path(given.data).is_dir():
        print("million_rows: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    done = pipeline.extract(given.data, size=150, cache=given.cache, progress=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        seconds: dict[str, list[float]] = {}
        memory: dict[str, list[float]] = {}
        base = {
            "libraries": ask("libraries", Path(scratch), 0)[1],
            # TensorFlow and what it keeps of a small training.
            "an epoch of a dense head": ask(
                "an epoch of a dense head", build(done.store, done.keys(), Path(scratch, "small"), 2000).folder, 2000
            )[1],
        }
        counts = (given.rows // 10, given.rows)
        for count in counts:
            start = time.perf_counter()
            folder = build(done.store, done.keys(), Path(scratch, str(count)), count).folder
            seconds.setdefault("build", []).append(time.perf_counter() - start)
            for question in list(QUESTIONS)[1:]:
                taken, peak = ask(question, folder, count)
                seconds.setdefault(question, []).append(taken)
                memory.setdefault(question, []).append(peak - base.get(question, base["libraries"]))
                print(
                    f"{count:9,} rows: {question:28} {taken:8.2f} s, {memory[question][-1]:7.0f} MiB more", flush=True
                )
    flat = {
        f"{question}: a row's seconds, {counts[0]:,} against {counts[1]:,}": (
            values[0] / counts[0] / (values[1] / counts[1]),
            0.9,
        )
        for question, values in seconds.items()
        # Ten thousand rows are as many in either; deleting files is over before it can be timed.
        if question not in ("read 10,000 rows", "prune")
    }
    most = max(max(values) for values in memory.values())
    say(
        f"{counts[1]:,} rows", seconds, {"2 GiB against the most memory": (2048 / most, 1.0), **flat}, memory_mib=memory
    )


if __name__ == "__main__":
    main()
