"""Stage one by worker processes."""

import errno
import os
import re
import shutil
import signal
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from pipeline.cache.store import Store
from pipeline.errors import DataNotFoundError, WorkerDiedError
from pipeline.execution.workers import Workers
from pipeline.images.manifest import Files, Manifest
from pipeline.stage_one.computing import distribute as module
from tests.calls import read as scan
from tests.conftest import draw_photo, draw_tree
from tests.faults.child import SMALL, Averages
from tests.stage_one.whole import distribute, extract_in_process

BLACK = "red/black.png"


@dataclass
class Deadly(Averages):
    """Kills its process at a black image, or at any."""

    at_any: bool = False

    def features(self, inputs):
        if self.at_any or (inputs.reshape(len(inputs), -1).max(axis=1) == 0).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().features(inputs)


@cache
def averages() -> Averages:
    return Averages()


def deadly() -> Deadly:
    return Deadly()


def deadly_at_any() -> Deadly:
    return Deadly(at_any=True)


@pytest.mark.parametrize("gather", [False, True])
def test_processes_make_what_one_process_makes(gather, hundred, tmp_path):
    """The same rows, bit for bit; a second run has nothing to do."""
    here = extract_in_process(scan(hundred), Store(tmp_path / "here", SMALL), Averages(), batch_size=4)
    there = distribute(
        scan(hundred), Store(tmp_path / "there", SMALL), averages, Workers(count=2), batch_size=4, gather=gather
    )
    again = distribute(scan(hundred), Store(tmp_path / "there", SMALL), averages, Workers(count=2), batch_size=4)

    assert (there.num_new, there.num_rows, there.engine) == (100, 100, "averages")
    assert (again.num_new, again.engine) == (0, None)
    np.testing.assert_array_equal(there.store.keys(), here.store.keys())
    np.testing.assert_array_equal(there.store.read(there.keys()), here.store.read(here.keys()))


def test_image_that_kills_its_worker_is_found_and_set_aside(hundred, tmp_path):
    """All others have their rows; it is listed with the reason."""
    data = tmp_path / "data"
    for number, path in enumerate(sorted(hundred.rglob("*.png"))[::4]):
        (data / path.parent.name).mkdir(parents=True, exist_ok=True)
        (data / path.parent.name / f"{number}.png").write_bytes(path.read_bytes())
    draw_photo(data / BLACK, (-100, -100, -100), seed=0)
    done = distribute(scan(data), Store(tmp_path / "cache", SMALL), deadly, Workers(count=2), batch_size=4)

    assert (done.num_new, done.num_rows) == (25, 25)
    assert [(entry.path, entry.reason) for entry in done.manifest.skipped] == [(BLACK, "killed its worker twice")]


def test_workers_that_die_at_any_image_are_an_error(tmp_path, monkeypatch):
    """It is not the images then: the message says what may help."""
    monkeypatch.setattr(module, "_MAX_DEADLY_IMAGES", 1)
    data = draw_tree(tmp_path / "data", {"": 2})

    with pytest.raises(WorkerDiedError, match="smaller --batch-size, or fewer --workers"):
        distribute(scan(data), Store(tmp_path / "cache", SMALL), deadly_at_any, Workers(count=2), batch_size=4)


@dataclass(frozen=True)
class Faulty(Files):
    """Files whose blue images a worker process cannot read, or has other bytes of."""

    fault: OSError | bytes = b""

    def read(self, position):
        if "blue" not in self.names[position]:
            return super().read(position)
        if isinstance(self.fault, OSError):
            raise self.fault
        return self.fault


def send_with_fault(fault):
    """`Manifest.detached` as it is, but that workers meet the fault where they read files."""
    send = Manifest.detached

    def detached(manifest, *, with_bytes):
        sent = send(manifest, with_bytes=with_bytes)
        return sent if with_bytes else replace(sent, images=Faulty(sent.images.root, sent.images.names, fault))

    return detached


@pytest.mark.parametrize(
    "fault",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ESTALE, "Stale file handle"),
        b"a stale copy",
    ],
    ids=["missing", "denied", "stale handle", "other bytes"],
)
def test_image_that_a_worker_cannot_read_is_sent_to_it(fault, hundred, tmp_path, caplog, monkeypatch):
    """No image that this process can read is skipped; the worker is named."""
    monkeypatch.setattr(Manifest, "detached", send_with_fault(fault))
    done = distribute(scan(hundred), Store(tmp_path / "cache", SMALL), averages, Workers(count=2), batch_size=4)
    here = extract_in_process(scan(hundred), Store(tmp_path / "here", SMALL), Averages(), batch_size=4)

    assert (done.num_new, done.num_rows, done.manifest.skipped) == (100, 100, ())
    np.testing.assert_array_equal(done.store.read(done.keys()), here.store.read(here.keys()))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert 1 <= len(warnings) <= 2
    assert all(re.match(r"Worker process \d+ on .* lacks images that this process can read", text) for text in warnings)


def test_image_that_nobody_can_read_is_skipped(hundred, tmp_path, caplog):
    """Files deleted since the scan are listed with the reason, and no worker is blamed."""
    data = shutil.copytree(hundred, tmp_path / "data")
    manifest = scan(data)
    for name in manifest.names[:3]:
        (data / name).unlink()
    done = distribute(manifest, Store(tmp_path / "cache", SMALL), averages, Workers(count=2), batch_size=4)

    assert (done.num_new, done.num_rows) == (97, 97)
    assert [(entry.path, entry.reason) for entry in done.manifest.skipped] == [
        (name, "cannot be read: No such file or directory") for name in manifest.names[:3]
    ]
    assert caplog.records == []


def test_folder_that_is_gone_is_an_error(tmp_path):
    """Its images are not listed as broken one by one."""
    data = draw_tree(tmp_path / "data", {"": 2})
    manifest = scan(data)
    data.rename(tmp_path / "moved")

    with pytest.raises(DataNotFoundError, match="The folder of the images is gone"):
        distribute(manifest, Store(tmp_path / "cache", SMALL), averages, Workers(count=2), batch_size=4)
