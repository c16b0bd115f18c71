"""Install this checkout into new environments, with TensorFlow and without, and use it there: megabytes, seconds, and what worked.

python benchmarks/studies/environments.py python3.11 python3.12 python3.13

Packages come from your index (about 0.9 GB for each Python). Nothing is taken from pip's cache.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
BASE = ("--base", "squeezenet", "--size", "32", "--weights", "random")
FULL = (("install", "."),)
LIGHT = (("install", "-r", "requirements-light.txt"), ("install", "--no-deps", "."))


def main() -> None:
    """Each Python with TensorFlow; then without it, on the rows that the first one computed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", help="commands or paths of interpreters")
    given = parser.parse_args()
    print(f"{platform.platform()}\n{'Python':<10}{'installed':<22}{'MB':>7}{'seconds':>9}  worked")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for python in given.pythons:
            for name, steps in {"with TensorFlow": FULL, "without": LIGHT}.items():
                measure(python, name, steps, work)


def measure(python: str, name: str, steps: tuple[tuple[str, ...], ...], work: Path) -> None:
    """Make an environment, print its row of the table, and remove it."""
    environment, source = work / "environment", work / "source"
    copied = subprocess.run(["git", "-C", PROJECT, "archive", "HEAD"], check=True, capture_output=True).stdout
    source.mkdir()
    subprocess.run(["tar", "-x", "-C", source], input=copied, check=True)
    subprocess.run([python, "-m", "venv", environment], check=True)
    start = time.perf_counter()
    for step in steps:
        subprocess.run([environment / "bin" / "pip", *step, "--quiet", "--no-cache-dir"], check=True, cwd=source)
    seconds = time.perf_counter() - start
    tried = [try_command(environment, words, work) for words in commands(name)]
    version = subprocess.run([environment / "bin" / "python", "-V"], check=True, capture_output=True, text=True).stdout
    size = subprocess.run(["du", "-sm", environment], check=True, capture_output=True, text=True).stdout.split()[0]
    print(f"{version.split()[1]:<10}{name:<22}{size:>7}{seconds:>9.0f}  {', '.join(tried)}", flush=True)
    shutil.rmtree(environment)
    shutil.rmtree(source)


def commands(name: str) -> list[tuple[str, ...]]:
    """With TensorFlow rows are computed; without, they are used, and what needs it is refused with exit code 2."""
    rows = [("features", *BASE)] if name == "with TensorFlow" else []
    heads = [("head", "--head", head, "--name", head, "--replace", *BASE) for head in ("ridge", "logreg")]
    dense = ("head", "--head", "dense:8,relu", "--epochs", "1", "--name", "dense", "--replace", *BASE)
    return [*rows, *heads, ("sweep", "--head", "ridge", "--head", "knn", "--name", "best", "--replace", *BASE), dense]


def try_command(environment: Path, words: tuple[str, ...], work: Path) -> str:
    """Run a command of the new environment; its name, with the exit code if it is not 0."""
    command, *options = words
    line = [environment / "bin" / "bottleneck", command, "sklearn:digits", *options, "--no-plots"]
    if command in ("features", "sweep"):
        line.remove("--no-plots")
    done = subprocess.run(line, check=False, cwd=work, capture_output=True, text=True)
    shown = options[1] if command == "head" else command
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
    return shown if done.returncode == 0 else f"{shown} refused ({done.returncode})"


if __name__ == "__main__":
    main()
