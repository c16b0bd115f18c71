"""Stage one on objects of a server that is far away: does the network compute while the server is waited for?

The server (`_far_server.py`) gives each object after a wait, 64 of them at a time. Fetching alone, computing alone (from the disk) and
both together take turns, each from an empty cache; with `--spool-gb 0`, so that whatever is fetched twice shows.

    python benchmarks/far_beside.py [--images 2000] [--repeats 3] [--base vgg16] [--size 96] [--wait 0.5]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _turns import in_turns, say
from far import make_images, served

import pipeline
from pipeline.quiet import quiet_tensorflow

_GOAL = 0.85


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("images", 2000), ("repeats", 3), ("size", 96)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--base", default="vgg16")
    parser.add_argument("--wait", type=float, default=0.5)
    given = parser.parse_args()
    quiet_tensorflow()
    how = {"base": given.base, "size": given.size, "progress": False}
    far = {**how, "spool_gb": 0}
    names = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "photos")
        make_images(folder, given.images, 64)
        with served(folder, given.wait) as address:
            os.environ.update({**names, "AWS_ENDPOINT_URL": address})
            _timed(pipeline.extract, str(folder), how)()  # libraries are loaded, and the network has run
            runs = {
                "fetching": _timed(pipeline.scan, "s3://photos", far),
                "computing": _timed(pipeline.extract, str(folder), how),
                "both": _timed(pipeline.extract, "s3://photos", far),
            }
            found = in_turns(runs, given.repeats)
    bound = [
        max(fetching, computing) for fetching, computing in zip(found["fetching"], found["computing"], strict=True)
    ]
    say(
        f"{given.images:,} objects after {given.wait} s each, {given.base} at {given.size} px",
        found,
        {"of the slower one alone": (sum(bound) / sum(found["both"]), _GOAL)},
    )


def _timed(work: Callable[..., object], data: str, how: dict[str, object]) -> Callable[[], float]:
    def run() -> float:
        with tempfile.TemporaryDirectory() as cache:
            start = time.perf_counter()
            work(data, cache=cache, **how)
            return time.perf_counter() - start

    return run


if __name__ == "__main__":
    main()
