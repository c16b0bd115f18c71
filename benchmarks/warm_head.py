"""The whole process of a ridge and of a logistic regression on a warm store, against one that only imports scikit-learn and h5py.

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
GOALS = {"ridge": 1.0, "logreg": 1.5}
"""Times of the imports at most; turned round below, as all ratios are better when larger."""


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
                **{
                    head: lambda head=head: bottleneck(
                        "head", given.data, "--head", head, "--pool", "avg", "--name", f"warm-{head}", "--replace"
                    )
                    for head in GOALS
                },
            },
            given.repeats,
        )
    say(
        "a whole process on a warm store",
        seconds,
        {f"imports / {head}": (ratio(seconds, "imports alone", head), 1 / most) for head, most in GOALS.items()},
    )


if __name__ == "__main__":
    main()
