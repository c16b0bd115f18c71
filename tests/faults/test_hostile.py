"""Stores, runs and models from elsewhere: refused before they can read, run or fill anything."""

import csv
import json
import os
import shutil
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from pipeline.cache.exchange import import_store
from pipeline.cache.shard import check_bytes, read_features, read_rows
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, ForeignEntryError, PipelineError
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from tests.cache.samples import RECIPE, SHAPE, fill, forge, make_keys, make_rows, seal
from tests.cache.test_shard import FORGERIES
from tests.calls import fit
from tests.calls import read as scan
from tests.conftest import COLOURS, draw_photo

SECRET = 7.0


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A store of somebody else's, with two good shards."""
    store = Store(tmp_path / "theirs", RECIPE)
    fill(store, range(100, 106), range(106, 110))
    return store.folder


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_shard_is_neither_imported_nor_served(kind: str, foreign: Path, tmp_path: Path):
    """The import stops with its name; a store that it was smuggled into sets it aside and serves the others."""
    without, write, _ = FORGERIES[kind]
    np.full(4 * 20, SECRET, np.float32).tofile("secret.bin")
    with h5py.File("secret.h5", "w") as secret:
        secret["features"] = np.full((4, *SHAPE), SECRET, np.float32)
    forged = forge(foreign / "shards", write, without=without)

    with pytest.raises(DamagedStoreError, match=forged.name):
        import_store(foreign, tmp_path / "ours")
    assert forged.name not in {path.name for path in (tmp_path / "ours").rglob("*")}
    smuggled = Store(foreign.parent, RECIPE)
    assert smuggled.has(make_keys(range(4))).sum() == 0
    np.testing.assert_array_equal(smuggled.read(make_keys(range(100, 110))), make_rows(range(100, 110)))
    assert (foreign / "quarantine" / forged.name).is_file()


def _bomb(shape: tuple[int, ...], chunks: tuple[int, ...]) -> bytes:
    """Features that promise much more than the file holds, all chunks there, each a few bytes long."""
    path = Path("bomb.h5")
    with h5py.File(path, "w") as file:
        keys = np.frombuffer(make_keys(range(shape[0])).tobytes(), np.uint8).reshape(shape[0], 33)
        file.attrs.update({"schema": 1, "fingerprint": np.bytes_(RECIPE.fingerprint), "provenance": np.bytes_("{}")})
        file.create_dataset("digest", data=keys[:, :32], chunks=(shape[0], 32), fletcher32=True)
        file.create_dataset("view", data=keys[:, 32], chunks=(shape[0],), fletcher32=True)
        features = file.create_dataset("features", shape, "float32", chunks=chunks, **hdf5plugin.LZ4())
        for place in range(0, shape[0], chunks[0]):
            features.id.write_direct_chunk((place, *[0] * (len(shape) - 1)), b"\0" * 32)
    return seal(path).read_bytes()


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((4, 16_000, 16_000), (1, 16_000, 16_000)),
        ((4, 2**28), (1, 2**28)),
        ((2, 8_000, 8_000, 4), (1, 8_000, 8_000, 4)),
    ],
)
def test_shard_that_promises_too_much_is_refused(shape: tuple[int, ...], chunks: tuple[int, ...], foreign: Path):
    """Gigabytes in a file of kilobytes are refused by their numbers, before memory is taken."""
    data = _bomb(shape, chunks)
    (foreign / "shards" / "bomb").write_bytes(data)
    path = seal(foreign / "shards" / "bomb")
    check_bytes(path)

    assert len(data) < 20_000
    for read in (read_rows, read_features):
        with pytest.raises(DamagedStoreError, match=r"promises [\d,]+ bytes|which no shard has"):
            read(path, RECIPE)


@pytest.mark.parametrize("kind", ["a link to a file", "a pipe", "a folder"])
def test_what_only_looks_like_a_shard_is_not_opened(kind: str, foreign: Path, tmp_path: Path):
    """No link is followed out of the store, and no pipe can make an import wait."""
    fake = foreign / "shards" / f"{'0' * 32}.h5"
    if kind == "a link to a file":
        shutil.copy(next((foreign / "shards").iterdir()), "elsewhere.h5")
        fake.symlink_to(Path("elsewhere.h5").absolute())
    elif kind == "a pipe":
        os.mkfifo(fake)
    else:
        fake.mkdir()

    with pytest.raises(ForeignEntryError, match=r"is not a regular file|is a symbolic link"):
        import_store(foreign, tmp_path / "ours")


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret.png",
        "a/../../outside/secret.png",
        "~/secret.png",
        "x\0.png",
        "x" * 5000,
    ],
)
def test_relative_path_in_a_table_cannot_leave_the_folder(path: str, tmp_path: Path):
    """It is skipped with a reason, and the images below the folder are read."""
    draw_photo(tmp_path / "outside" / "secret.png", (1, 2, 3), 0)
    inside = tmp_path / "data"
    for number, label in enumerate(("red", "blue")):
        draw_photo(inside / f"{label}.png", COLOURS[label], number)
    with (inside / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), ("red.png", "red"), ("blue.png", "blue"), (path, "red")])
    manifest = scan(inside / "table.csv")

    assert manifest.names == ("red.png", "blue.png")
    assert len(manifest.skipped) == 1


CANARY = "import pathlib; pathlib.Path('canary').touch()"


class _Runs:
    """Touches `canary` when it is unpickled."""

    def __reduce__(self) -> tuple:
        return exec, (CANARY,)


def _pickled_arrays(folder: Path) -> None:
    np.savez(folder / "head.npz", weights=np.array([_Runs()], dtype=object))


def _renamed_pickle(folder: Path) -> None:
    import pickle

    (folder / "head.npz").write_bytes(pickle.dumps(_Runs()))


def _lambda(folder: Path) -> None:
    import keras

    (folder / "head.npz").unlink()
    inputs = keras.Input((512,))
    layer = keras.layers.Lambda(lambda x: (exec(CANARY), x)[1])
    keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(layer(inputs))).save(folder / "head.keras")
    Path("canary").unlink(missing_ok=True)  # building the model ran it once


def _foreign_class(folder: Path) -> None:
    import io
    import zipfile

    (folder / "head.npz").unlink()
    config = {
        "module": "os",
        "class_name": "system",
        "config": {"command": "touch canary"},
        "registered_name": "system",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
    (folder / "head.keras").write_bytes(stream.getvalue())


MODELS = {
    "arrays with a pickle inside": _pickled_arrays,
    "a pickle under the name of arrays": _renamed_pickle,
    "a Lambda layer": _lambda,
    "a class of another module": _foreign_class,
}


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache, and a run on it. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    fit(photos, "ridge", name="victim", plots=False, settings=_settings(folder))
    return folder


def _settings(folder: Path) -> Settings:
    return Settings.of(base="squeezenet", size=32, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.mark.parametrize("kind", MODELS)
def test_head_that_would_run_code_is_refused(kind: str, finished: Path, tmp_path: Path):
    """Nothing of it runs, and the error names the file."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    MODELS[kind](tmp_path / "runs" / "victim")

    with pytest.raises(PipelineError, match=r"head\.(npz|keras)"):
        load_run("victim", settings=_settings(tmp_path))
    assert not Path("canary").exists()
