"""The whole process of a logistic regression on a warm store, against one that only imports scikit-learn and h5py.

python benchmarks/warm_head.py [--data photos] [--repeats 5]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _turns import in_turns, ratio, say

IMPORTS = "import sklearn.linear_model, h5py"


def main() -> None:
    """In turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA") or "sklearn:digits")
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--size", default="150")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as runs:
        places = ["--size", given.size, "--cache", str(given.cache), "--runs", runs]

        def bottleneck(*words: str) -> None:
            subprocess.run([sys.executable, "-m", "pipeline", *words, *places], check=True, capture_output=True)

        bottleneck("features", given.data)
        seconds = in_turns(
            {
                "imports alone": lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True),
                "head": lambda: bottleneck("head", given.data, "--head", "logreg", "--pool", "avg", "--name", "warm"),
            },
            given.repeats,
        )
    # Stated as at most 1.6 times the time of the imports; turned round here, as all ratios are better when larger.
    say(
        "a whole process on a warm store",
        seconds,
        {"imports / head": (ratio(seconds, "imports alone", "head"), 1 / 1.6)},
    )


if __name__ == "__main__":
    main()
