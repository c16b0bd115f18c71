"""Kill the command at random moments, over and over, and look whether anything was lost, wrong, or computed twice.

Four commands on scikit-learn's digits through SqueezeNet (random weights: nothing here depends on their values): `features`,
`endtoend` (training with a checkpoint), `sweep`, `export`. Each is run undisturbed once; then it is started and killed (SIGKILL,
with all its children) after a random part of that time, until the kills are used up, and once more to its end. Where it comes
to its end before it is killed, what it made is looked at and deleted, and it starts from nothing.

    python benchmarks/kill.py [--kills 100] [--seed 0]
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

from pipeline.cache.store import Store

BASE = ["--base", "squeezenet", "--size", "32", "--weights", "random", "--engine", "tensorflow"]
# Shards of 64 rows instead of 1,024, so that there are many moments between two of them.
START = "from pipeline.stage_one.computing import pending; pending._SHARD_ROWS = 64; from pipeline.cli.app import main; main()"


class Place:
    """A cache and a folder of runs."""

    def __init__(self, folder: Path) -> None:
        self.cache, self.runs, self.export = folder / "cache", folder / "runs", folder / "exported" / "model.keras"

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """The command, in a process group of its own."""
        places = ["--cache", str(self.cache), "--runs", str(self.runs)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([sys.executable, "-c", START, *words, *places], start_new_session=True, **quiet)

    def words(self, command: str) -> list[str]:
        """What to call."""
        data = "sklearn:digits"
        training = ["--head", "dense:16,relu,dropout:0.5", "--epochs", "6", "--no-plots"]
        return {
            "features": ["features", data, *BASE],
            "endtoend": ["endtoend", data, *BASE, *training, "--name", "live"],
            "sweep": ["sweep", data, *BASE, "--head", "logreg:C=0.001|0.01|0.1|1", "--head", "ridge", "--name", "best"],
            "export": ["export", "best", str(self.export)],
        }[command]

    def outcome(self, command: str) -> str:
        """A digest of what the command is for, without times."""
        if command == "features":
            store = self.store()
            return hashlib.sha256(store.keys().tobytes() + store.read(store.keys()).tobytes()).hexdigest()
        if command == "export":
            return hashlib.sha256(self.export.with_suffix(".labels.json").read_bytes()).hexdigest()
        name = "live" if command == "endtoend" else "best"
        return hashlib.sha256((self.runs / name / "predictions.csv").read_bytes()).hexdigest()

    def forget(self, command: str) -> None:
        """Delete what the command made."""
        made = {
            "features": [self.cache],
            "endtoend": [self.runs / "live", self.runs / ".training"],
            "sweep": [self.runs / "best", self.runs / ".sweeps"],
            "export": [self.export.parent],
        }
        for folder in made[command]:
            shutil.rmtree(folder, ignore_errors=True)

    def store(self) -> Store:
        """That of the digits."""
        return Store.open(next(self.cache.glob("squeezenet-32px-*/recipe.json")).parent)

    def rows_computed_twice(self) -> int:
        """Rows in all shards, without the different ones."""
        store = self.store()
        stored = 0
        for path in store.shard_paths():
            with h5py.File(path) as file:
                stored += len(file["view"])
        return stored - len(store)

    def debris(self) -> list[str]:
        """Hidden files and folders; those that the commands keep on purpose are named."""
        kept = {".sweeps", ".training", ".lock"}
        folders = [self.cache, self.runs, self.export.parent]
        hidden = [path for folder in folders for path in folder.rglob(".*") if path.name not in kept]
        return [str(path) for path in hidden]


def run(place: Place, command: str) -> float:
    """To its end; seconds."""
    start = time.perf_counter()
    code = place.start(place.words(command)).wait()
    if code:
        raise SystemExit(f"{command} ended with {code}")
    return time.perf_counter() - start


def kill_often(place: Place, calm: Place, command: str, duration: float, kills: int, rng: random.Random) -> int:
    """Start and kill, so many times; how often the command came to its end meanwhile with something else than the calm one."""
    killed = wrong = 0
    while killed < kills:
        process = place.start(place.words(command))
        time.sleep(rng.uniform(0.02, 1.0) * duration)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            killed += 1
        else:
            wrong += place.outcome(command) != calm.outcome(command)
            place.forget(command)
    return wrong


def main() -> None:
    """All commands, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        calm, wild = Place(Path(scratch, "calm")), Place(Path(scratch, "wild"))
        for command in ("features", "endtoend", "sweep", "export"):
            run(calm, command)
            calm.forget(command)
            duration = run(calm, command)  # now with compiled files and weights at hand
            wrong = kill_often(wild, calm, command, duration, given.kills // 4, rng)
            run(wild, command)
            rows.append(
                {
                    "command": command,
                    "killed": given.kills // 4,
                    "same": not wrong and wild.outcome(command) == calm.outcome(command),
                    "computed twice": wild.rows_computed_twice(),
                    "debris": wild.debris(),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    bad = [row for row in rows if not row["same"] or row["computed twice"] or row["debris"]]
    print(f"{sum(row['killed'] for row in rows)} kills; {'all held' if not bad else f'FAILED: {bad}'}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
