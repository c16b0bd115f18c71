"""The whole process of a report: photographs made small, a map, near-duplicates; in seconds, and the page in megabytes.

python benchmarks/report.py [--data photos] [--repeats 5]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _turns import in_turns, say


def main() -> None:
    """One run on a warm store, then its page again and again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA") or "sklearn:digits")
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--base", default="squeezenet")
    parser.add_argument("--size", default="96")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as runs:
        places = ["--cache", str(given.cache), "--runs", runs, "--quiet"]

        def bottleneck(*words: str) -> None:
            subprocess.run([sys.executable, "-m", "pipeline", *words, *places], check=True, capture_output=True)

        bottleneck("head", given.data, "--head", "logreg", "--base", given.base, "--size", given.size)
        seconds = in_turns({"report": lambda: bottleneck("report")}, given.repeats)
        megabytes = (Path(runs) / "report.html").stat().st_size / 1e6
    say(f"a page on {given.data}, {megabytes:.1f} MB", seconds, {}, megabytes=megabytes)


if __name__ == "__main__":
    main()
