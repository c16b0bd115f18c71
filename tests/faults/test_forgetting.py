"""Forgetting is killed: nothing else is lost, and the next call ends where an undisturbed one does."""

import hashlib
import signal
from pathlib import Path

import pytest

import pipeline
from pipeline.images.files.hashing import FileHashes
from tests.faults.conftest import start
from tests.forgetting.samples import TRAIN, assert_gone, copy_places, copy_without, files_of, fit, forget


# A commit and a removal in each of two stores, two runs, the table of hashes.
@pytest.mark.parametrize("step", range(7))
def test_killed_at_each_step(step: int, photos: Path, places: dict[str, Path], tmp_path: Path):
    """The image is named by the path of a file that is gone, which the table of hashes alone may know."""
    where, beside = copy_places(places, tmp_path / "own"), copy_places(places, tmp_path / "beside")
    data, less = copy_without(photos, tmp_path / "all"), copy_without(photos, tmp_path, TRAIN)
    pipeline.extract(data, base="squeezenet", size=56, weights="random", progress=False, **where)
    for head in ("ridge", "logreg"):
        fit(data, head, where, name=head)
        fit(less, head, beside, name=head)
    hashes = where["cache"] / "file_hashes.sqlite"
    hashes.unlink(missing_ok=True)
    FileHashes(hashes, clock_ns=lambda: 2**62).digests(sorted(data.rglob("*.png")))
    digest = hashlib.sha256((photos / TRAIN).read_bytes()).digest()
    (data / TRAIN).unlink()
    with start(data / TRAIN, *where.values(), step, module="tests.faults.forgetting") as child:
        assert child.wait(timeout=120) == -signal.SIGKILL

    assert pipeline.verify_cache(cache=where["cache"]).is_whole
    done = forget(data / TRAIN, where)
    assert done.is_complete
    assert pipeline.verify_cache(cache=where["cache"]).as_dict()["rows"] == 94
    assert_gone(where.values(), [digest])
    for head in ("ridge", "logreg"):
        assert files_of(where["runs"] / head) == files_of(beside["runs"] / head)
    assert sorted(path.name for path in where["runs"].iterdir() if path.name[0] != ".") == ["logreg", "ridge"]
