"""What can be known is checked before the work, and work that is done is kept."""

import errno
import multiprocessing
import os
import re
import signal
import tempfile
from pathlib import Path

import pytest

import pipeline
from pipeline import files
from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.scratch import naming_store
from pipeline.cache.store import Store
from pipeline.disk import exchange
from pipeline.errors import SettingError, UnsavedRunError, UnwritableStoreError
from pipeline.exports import keras_file
from pipeline.exports.export import _check_name
from pipeline.images.decoding.decoder import Decoder
from pipeline.runs import save as module
from pipeline.runs.folder import open_run
from pipeline.runs.naming import check_run_name, check_target
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from tests.conftest import RANDOM
from tests.runs.samples import make_run


@pytest.mark.parametrize("name", ["x" * 181, "ä" * 91, "a/b", "..", "\udcff", "a\x1b", ""])
def test_name_that_cannot_be_a_folder_is_refused_at_once(name: str, tmp_path: Path):
    """Before the data is looked at, which does not even exist."""
    with pytest.raises(SettingError, match="A run's name is one folder name"):
        pipeline.fit(tmp_path / "nowhere", name=name, runs=tmp_path)


@pytest.fixture
def _no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may write anywhere: permissions are asked as for others."""
    real = os.access

    def access(path: Path, mode: int) -> bool:
        return real(path, mode) and bool(mode == os.F_OK or Path(path).stat().st_mode & 0o200)

    monkeypatch.setattr(os, "access", access)


@pytest.mark.usefixtures("_no_root")
def test_target_that_cannot_be_written_is_refused_at_once(tmp_path: Path):
    """A folder without permission, a file in the place of a folder, and a folder that will be made below them."""
    (tmp_path / "locked").mkdir(mode=0o500)
    (tmp_path / "file").touch()
    for folder, problem in (
        ("locked", "cannot be written to"),
        ("locked/new", "cannot be written to"),
        ("file", "is not a folder"),
    ):
        with pytest.raises(SettingError, match=f"{problem}, so .* Choose another --runs"):
            pipeline.fit(tmp_path / "nowhere", name="mine", runs=tmp_path / folder)
        with pytest.raises(SettingError, match=f"{problem}, so model.keras cannot be written"):
            _check_name(tmp_path / folder / "model.keras", keras_file)
    check_run_name("mine", tmp_path / "new" / "runs")

    assert not (tmp_path / "new").exists()


def test_cache_that_cannot_be_written_is_refused_before_rows_are_computed(photos: Path, tmp_path: Path):
    """The message names the store and the option; with all rows there, nothing has to be written."""
    (tmp_path / "cache").touch()

    with pytest.raises(UnwritableStoreError, match=r"Rows cannot be stored in .*cache.*: Not a directory\. .*--cache"):
        pipeline.extract(photos, **RANDOM, cache=tmp_path / "cache")


def test_disk_that_is_full_in_the_middle_names_the_store(tmp_path: Path):
    """And not a hidden file in it; an error that has nothing to do with the store goes on as it is."""
    store = Store(
        tmp_path, Recipe("vgg16", Decoder(32), find_base("vgg16").native_preprocessing, "d" * 64, "block5_pool")
    )

    for raised, expected in (
        (OSError(errno.ENOSPC, "No space left on device"), UnwritableStoreError),
        (OSError(errno.ENOSPC, "No space left on device", str(store.folder / ".x.tmp")), UnwritableStoreError),
        (OSError(errno.ENOSPC, "No space left on device", "/elsewhere/x"), OSError),
        (OSError(errno.EIO, "Input/output error"), OSError),
    ):
        with pytest.raises(OSError) as caught, naming_store(store):
            raise raised
        assert type(caught.value) is expected
        assert str(store.folder) in str(caught.value) or expected is OSError


def test_full_disk_is_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk without a free block is named before the work."""
    full = os.statvfs_result((4096, 4096, 100, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)

    with pytest.raises(SettingError, match="is on a disk that is full"):
        check_target(tmp_path / "runs" / "run", "--runs")


def test_finished_run_is_kept_elsewhere(
    photos: Path, warm: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """If the disk fails at the end of a training, the message says where the run is, and it predicts there."""
    real, runs, kept = module._write, tmp_path / "runs", tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))

    def write(trained, fitted, settings, folder, *arguments, **keywords):
        if folder == runs:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        return real(trained, fitted, settings, folder, *arguments, **keywords)

    monkeypatch.setattr(module, "_write", write)

    with pytest.raises(UnsavedRunError, match="No space left on device") as caught:
        pipeline.fit(photos, "ridge", name="mine", plots=False, **RANDOM, cache=warm["cache"], runs=runs)
    found = re.search(r"kept as (\S+)\. Move", str(caught.value))
    assert found
    assert Path(found[1]).is_relative_to(kept)
    assert load_run(found[1], Settings.of(runs=runs)).classes == ("blue", "red")


def _replace(runs: Path, times: int) -> None:
    for _ in range(times):
        make_run(runs, "mine", replace=True)


def test_many_processes_replace_one_run(tmp_path: Path):
    """Four at once: none fails, a whole run has the name, and nothing hidden is left."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_replace, args=(tmp_path, 15)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert [path.name for path in tmp_path.iterdir() if path.name != "kept"] == ["mine"]
    assert make_run(tmp_path, "mine", replace=True).info.name == "mine"


def _replace_and_die(runs: Path) -> None:
    """Replace the run, and be killed after the first rename of it."""
    rename = files.exchange

    def die(*arguments: Path) -> None:
        rename(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    files.exchange = die
    make_run(runs, "mine", replace=True)


def test_kill_while_a_run_is_replaced_leaves_a_run(tmp_path: Path):
    """There is no moment at which the name has no run; what the killed process left is removed by the next one."""
    make_run(tmp_path, "mine")
    if not exchange(tmp_path, tmp_path):
        pytest.skip("this system cannot exchange names")
    worker = multiprocessing.get_context("fork").Process(target=_replace_and_die, args=(tmp_path,))
    worker.start()
    worker.join(60)

    assert worker.exitcode == -signal.SIGKILL
    assert make_run(tmp_path, "other").info.name == "other"
    assert sorted(path.name for path in tmp_path.iterdir())[-2:] == ["mine", "other"]
    assert open_run("mine", tmp_path).info.name == "mine"
    make_run(tmp_path, "mine", replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]
