"""What SECURITY.md promises holds with the lowest versions that it relies on."""

import os
import subprocess
import sys
from pathlib import Path

from tests.test_security import relied_on

ROOT = Path(__file__).parents[2]
FILES = ("test_foreign_exports.py", "test_images.py", "test_links.py")


def test_files_from_elsewhere_with_the_lowest_versions(tmp_path: Path):
    """The packages of its table are installed as old as pyproject.toml allows, and the tests on foreign files run on them."""
    lowest = tmp_path / "lowest"
    packages = [f"{name}=={least}" for name, least in relied_on()]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(lowest), *packages]
    subprocess.run(pip, check=True, timeout=300)

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (lowest, ROOT)))}
    versions = f"from importlib.metadata import version; print(*map(version, {[name for name, _ in relied_on()]!r}))"
    found = subprocess.run(
        [sys.executable, "-c", versions], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/faults/{name}" for name in FILES)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    for (_, least), version in zip(relied_on(), found, strict=True):
        assert version.startswith(least)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
