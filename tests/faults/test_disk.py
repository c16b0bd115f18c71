"""The disk is full or fails: an error that says so, every committed row right, and nothing left behind."""

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cache.store import Store
from tests.faults.child import SHARD_ROWS, Averages, run
from tests.faults.conftest import NUM_PHOTOS, assert_nothing_wrong, assert_same, start


def _limit_files() -> None:
    """No file of this process may grow beyond 2 KiB; the kernel says so by an error instead of a signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))


def debris(cache: Path) -> list[Path]:
    """Unfinished files."""
    return [path for path in cache.rglob("*") if path.name.startswith(".") and path.name != ".lock"]


def test_file_that_may_not_grow(many: Path, cache: Path, undisturbed: Store):
    """The message is the system's, the exit code is 1 and not a signal, and the next run makes all rows."""
    with start(many, cache, preexec_fn=_limit_files) as child:
        _, said = child.communicate(timeout=120)

    assert child.returncode == 1
    assert "File too large" in said
    assert debris(cache) == []
    assert assert_nothing_wrong(cache, undisturbed) == 0
    run(many, cache, Averages())
    assert_same(cache, undisturbed)


@pytest.fixture(params=["size=48k", "size=1m,nr_inodes=9"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system that is full after some shards: of bytes, or of files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(small_disk: Path, many: Path, undisturbed: Store):
    """Shards that had room are whole; with more room the next run adds the others and no more."""
    cache = small_disk / "cache"
    with start(many, cache) as child:
        _, said = child.communicate(timeout=120)
    rows = assert_nothing_wrong(cache, undisturbed)

    assert child.returncode == 1
    assert "No space left on device" in said
    assert 0 < rows < NUM_PHOTOS
    assert debris(cache) == []
    subprocess.run(["mount", "-o", "remount,size=16m,nr_inodes=1000", str(small_disk)], check=True)
    engine = Averages()
    run(many, cache, engine)
    assert engine.num_images == NUM_PHOTOS - rows
    assert_same(cache, undisturbed)


@pytest.mark.parametrize("failing", range(1, 10))
def test_sync_that_fails(failing: int, many: Path, cache: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch):
    """EIO at whichever call it comes: an error, no wrong row, and the next run completes the store."""
    sync, calls = os.fsync, []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(OSError, match="Input/output error"):
        run(many, cache, Averages())
    monkeypatch.undo()

    assert assert_nothing_wrong(cache, undisturbed) < NUM_PHOTOS
    assert debris(cache) == []
    run(many, cache, Averages())
    assert_same(cache, undisturbed)


def test_power_that_fails_after_a_commit(many: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever was not synced is gone then: every shard was, with all its bytes, and so was its folder after it had its name.

    No test can cut the power; what the file system was asked to keep is written down instead.
    """
    sync, kept = os.fsync, []

    def note(descriptor: int) -> None:
        stat = os.fstat(descriptor)
        kept.append((stat.st_ino, stat.st_size, len(list(cache.glob("*/shards/[!.]*.h5")))))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    store = run(many, cache, Averages()).store
    paths = store.shard_paths()
    folder = paths[0].parent.stat().st_ino

    assert len(paths) == NUM_PHOTOS // SHARD_ROWS
    for path in paths:
        assert (path.stat().st_ino, path.stat().st_size) in {(inode, size) for inode, size, _ in kept}
    assert [count for inode, _, count in kept if inode == folder] == list(range(1, len(paths) + 1))


def test_photograph_that_cannot_be_read_from_the_disk(many: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    """EIO on one photograph costs that photograph; it is listed with the system's words, and made by the next run."""
    victim = min((many / "red").iterdir())
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path == victim:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    done = run(many, cache, Averages())
    monkeypatch.undo()

    assert done.num_new == NUM_PHOTOS - 1
    assert [(entry.path, entry.reason) for entry in done.manifest.skipped] == [
        (f"red/{victim.name}", "cannot be read: Input/output error")
    ]
    assert run(many, cache, Averages()).num_new == 1
