"""Is what `plan` says of a stage one what that stage one takes?

Each plan is made of a sample in an empty cache; then `features` makes all rows in another empty cache. Compared are the seconds of stage
one, from the scan to the last committed row, and the gigabytes on the disk. The plan comes first, so that the one-time work on
a machine, which it tells apart, is done.

    python benchmarks/plan.py --data photos [--bases squeezenet mobilenetv2 vgg16]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _turns import say

SIZES = {"squeezenet": 160, "mobilenetv2": 160, "resnet50": 150, "vgg16": 150}


def run(command: str, data: str, base: str, cache: Path) -> dict[str, Any]:
    """What a command prints as JSON."""
    words = ["--base", base, "--size", str(SIZES[base]), "--weights", given_weights(base), "--cache", str(cache)]
    call = [sys.executable, "-m", "pipeline", command, data, *words, "--quiet", "--json"]
    result: dict[str, Any] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return result


def given_weights(base: str) -> str:
    """Real ones where a package index has them: random ones take as long, but their rows are packed less well."""
    return "imagenet" if base in ("squeezenet", "vgg16") else "random"


def main() -> None:
    """One base after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--bases", nargs="+", default=["squeezenet", "mobilenetv2", "vgg16"], choices=SIZES)
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("plan: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    for base in given.bases:
        with tempfile.TemporaryDirectory() as scratch:
            planned = run("plan", given.data, base, Path(scratch, "planned"))["bases"][0]
            done = run("features", given.data, base, Path(scratch, "made"))
            size = sum(path.stat().st_size for path in Path(done["store"]).glob("shards/*.h5"))
        seconds = {"planned": [planned["seconds"]], "measured": [done["seconds"]]}
        pairs = {"seconds": (planned["seconds"], done["seconds"]), "gigabytes": (planned["gigabytes"], size / 1e9)}
        say(
            f"stage one of {done['rows']} photographs, {base} at {SIZES[base]} px, {done['engine']}",
            seconds,
            {
                f"{name}: the smaller of both, to the larger": (min(pair) / max(pair), 0.8)
                for name, pair in pairs.items()
            },
            planned=planned,
        )


if __name__ == "__main__":
    main()
