"""Rows of a team: a store pushed to and pulled from a folder and a server of S3 on this machine, and how keys are best looked up."""

import argparse
import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

import pipeline
from pipeline.cache.shared.contents import look_into
from pipeline.cache.shared.open import open_shared
from pipeline.cache.stores import list_stores, seconds_to_make
from tests.servers import Buckets, serve_buckets


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def exchange(url: str, cache: Path, scratch: Path) -> tuple[float, float, float]:
    """Seconds of a push, a pull, and a pull that finds nothing new."""
    second = scratch / "second"
    shutil.rmtree(second, ignore_errors=True)
    pushed = seconds(lambda: pipeline.push_cache(url, cache=cache, progress=False))
    pulled = seconds(lambda: pipeline.pull_cache(url, cache=second, progress=False))
    return pushed, pulled, seconds(lambda: pipeline.pull_cache(url, cache=second, progress=False))


def places(buckets: Buckets, scratch: Path, repeats: int) -> Iterator[tuple[str, str]]:
    """A new folder and a new bucket for each turn."""
    for turn in range(repeats):
        buckets.client.create_bucket(Bucket=f"turn-{turn}")
        yield "folder", str(scratch / f"folder{turn}")
        yield "S3", f"s3://turn-{turn}/rows"


def look_up(url: str, cache: Path, buckets: Buckets) -> None:
    """Which rows are in which shard: by the lists beside the shards, and by reading parts of the shards."""
    import s3fs

    (store,) = list_stores(cache)
    shared = open_shared(url, Path("nobody"))
    shared.list("nothing")  # both clients have a connection before they are measured
    buckets.asked()
    taken = seconds(lambda: look_into(shared, store.recipe))
    size = sum(path.stat().st_size for path in store.shard_paths())
    print(f"lists: {taken:.3f} s, {len(buckets.asked())} requests, {33 * len(store):,} bytes of {size:,}")
    fs = s3fs.S3FileSystem(endpoint_url=buckets.address, use_listings_cache=False)
    fs.ls(url.removeprefix("s3://"))
    for block in (2**14, 2**16, 2**20):
        buckets.asked()
        num_bytes = 0
        start = time.perf_counter()
        for path in fs.ls(f"{url.removeprefix('s3://')}/{store.name}/shards"):
            with fs.open(path, "rb", cache_type="blockcache", block_size=block) as file:
                with h5py.File(file) as shard:
                    _ = shard["digest"][()], shard["view"][()]
                num_bytes += file.cache.total_requested_bytes
        taken = time.perf_counter() - start
        print(f"parts, blocks of {block:,}: {taken:.3f} s, {len(buckets.asked())} requests, {num_bytes:,} bytes")


def main() -> None:
    """Print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("DATA") or "sklearn:digits")
    parser.add_argument(
        "--cache", type=Path, help="A cache of one store, which is only read. None: one is made of the data."
    )
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {"folder": [], "S3": []}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        scratch = Path(name)
        cache = given.cache or scratch / "cache"
        if given.cache is None:
            pipeline.features(given.data, base="squeezenet", size=96, cache=cache)
        (store,) = list_stores(cache)
        computed = seconds_to_make(store, len(store)) or 0
        print(f"{len(store):,} rows, {len(store.shard_paths())} shards, computed in {computed:.1f} s as they say")
        buckets = stack.enter_context(serve_buckets(scratch))
        os.environ |= buckets.environment
        for kind, url in places(buckets, scratch, given.repeats):
            found[kind].append(exchange(url, cache, scratch))
        for kind, turns in found.items():
            medians = [statistics.median(column) for column in zip(*turns, strict=True)]
            print(f"{kind}: push {medians[0]:.2f} s, pull {medians[1]:.2f} s, pull of nothing new {medians[2]:.2f} s")
        look_up("s3://turn-0/rows", cache, buckets)


if __name__ == "__main__":
    main()
