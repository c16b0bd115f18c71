"""Wheel and sdist have what they should, and nothing else."""

import subprocess
import sys
import tarfile
from zipfile import ZipFile

from pipeline import __version__

FOR_DEVELOPERS = {".gitignore", ".pre-commit-config.yaml"}
"""Files that are of no use without git."""


def test_wheel_is_the_package(built):
    """Every file of the package is in it, its pages, scripts and styles too; tests, documents and caches are not."""
    with ZipFile(built.wheel) as wheel:
        files = set(wheel.namelist())
        entries = wheel.read(f"bottleneck_pipeline-{__version__}.dist-info/entry_points.txt").decode()
    facts = f"bottleneck_pipeline-{__version__}.dist-info/"

    assert {name for name in files if not name.startswith(facts)} == {
        name for name in built.source if name.startswith("pipeline/")
    }
    assert {name.removeprefix(facts) for name in files if name.startswith(facts)} == {
        *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE")
    }
    assert any(name.endswith(".js") for name in files)
    assert "bottleneck = pipeline.cli.app:main" in entries


def test_sdist_is_the_whole_source(built):
    """Tests and documents are in it, so that whoever packages it again can run them; what only git reads is not."""
    with tarfile.open(built.sdist) as sdist:
        paths = {name.name.partition("/")[2] for name in sdist.getmembers() if name.isfile()}
    made = {name for name in paths if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}

    assert paths - made == built.source - FOR_DEVELOPERS


def test_index_would_take_both(built):
    """Metadata are valid, and the README can be rendered."""
    command = [sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2
