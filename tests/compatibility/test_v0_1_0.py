"""A store and two runs of version 0.1.0."""

import json
import shutil
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 registers the filters of the shards
import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.stage_one.views import Views
from tests.calls import extract, extract_views

OLD = Path(__file__).parent / "v0_1_0"


@pytest.fixture
def options(tmp_path: Path) -> Settings:
    """A copy of all that 0.1.0 left, in the current folder."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    return Settings.of(
        base="squeezenet", size=32, weights="random", cache=tmp_path / "cache", runs=tmp_path / "trained"
    )


def test_no_image_is_computed_again(options):
    """The same recipe has the same fingerprint, with and without views."""
    extraction = extract("photos", settings=options)
    viewed = extract_views(extraction.manifest, Views(2, AUGMENTATIONS["r0"]), settings=options)

    assert (extraction.num_rows, extraction.num_new, viewed.num_new) == (22, 0, 0)


def test_rows_are_the_ones_that_were_written(options):
    """Read by h5py alone, and by the store."""
    for folder in sorted(options.paths.cache.iterdir()):
        (shard,) = folder.glob("shards/*.h5")
        with h5py.File(shard) as file:
            written, digests, views = (file[name][...] for name in ("features", "digest", "view"))
        keys = np.concatenate([row_keys([row.tobytes()], view) for row, view in zip(digests, views, strict=True)])

        assert len(written) >= 22
        assert np.array_equal(Store.open(folder).read(keys), written)


@pytest.mark.parametrize("name", ["linear", "dense"])
def test_a_run_predicts_what_it_predicted(name, options):
    """From images, by rows that are in the store."""
    expected = json.loads((OLD / f"expected_{name}.json").read_text())

    run = load_run(name, settings=options)
    predicted = run.predict(["photos/test"])

    assert [entry["path"] for entry in predicted] == [entry["path"] for entry in expected]
    assert [entry["label"] for entry in predicted] == [entry["label"] for entry in expected]
    probabilities = [entry["probability"] for entry in predicted]
    assert probabilities == pytest.approx([entry["probability"] for entry in expected], abs=1e-6)
    assert {entry["p_value"] for entry in predicted} == {None}
    with pytest.raises(SettingError, match=r"has no novelty\.npz.*Train it again"):
        run.predict(["photos/test"], abstain=0.05)
