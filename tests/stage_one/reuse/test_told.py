"""Stores say of which weights their rows are, to machines that cannot read the weights."""

import json
import shutil
import sys

import pytest

import pipeline
from pipeline.cache.store import Store
from pipeline.cache.trunk_note import read_note
from pipeline.errors import MissingExtraError, WeightsUnavailableError
from pipeline.surroundings import shield_keras
from tests.conftest import RANDOM

WEIGHTS = {"weights": "random", "progress": False}


@pytest.fixture
def light(places, tmp_path, monkeypatch):
    """Folders of a machine without weights and without TensorFlow, and a shared cache with all rows of the photos."""
    pipeline.push_cache(tmp_path / "team", cache=places["cache"], progress=False)
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for name in ("pipeline.bases.weights", "pipeline.bases.trunks"):  # imported again, as in a new process
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "keras"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    shield_keras()
    return {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}


def change_note(folder, **values):
    """Another note in the only store of a cache."""
    (path,) = folder.glob("*/trunk.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return path


def forge_twin(cache, **changes):
    """A store of the same name of weights and another trunk, with one row."""
    (store,) = pipeline.list_stores(cache)
    recipe = store.recipe
    twin = Store(cache, type(recipe).from_dict(recipe.as_dict() | {"trunk_digest": "ab" * 32} | changes))
    source = Store(cache, recipe)
    twin.append(source.keys()[:1], source.read(source.keys()[:1]), {})
    shutil.copy(source.folder / "trunk.json", twin.folder)
    return twin


def test_rows_that_are_made_leave_a_note(places):
    """Of the weights, with nothing of the machine in it."""
    (store,) = (Store.open(path.parent) for path in places["cache"].glob("*/recipe.json"))
    note = read_note(store.folder)

    assert (note.weights, note.parameters > 0, note.depth > 0) == ("random", True, True)
    assert set(json.loads((store.folder / "trunk.json").read_text())) == {
        "weights",
        "weights_sha256",
        "parameters",
        "depth",
    }


def test_pull_is_enough(light, photos, tmp_path):
    """A head on the pulled rows, with images or with none, and no setting but the weights, which are not the usual ones."""
    pipeline.pull_cache(tmp_path / "team", cache=light["cache"], progress=False)
    run = pipeline.fit(photos, **WEIGHTS, **light, plots=False)

    assert run.info.stage_one["new"] == 0
    assert run.info.recipe["base"] == "squeezenet"
    assert run.info.trunk_digest_after == run.info.trunk_digest_before
    assert not (tmp_path / "home" / "weights" / "digests.json").exists()


def test_reading_through_is_enough(light, photos, tmp_path, caplog):
    """The shared store is asked before anything is in the cache; a line says so."""
    run = pipeline.fit(photos, **RANDOM, **light, shared=tmp_path / "team", plots=False, progress=False)

    assert run.info.stage_one["new"] == 0
    assert f"at {tmp_path / 'team'} says which rows are theirs" in caplog.text


def test_a_copied_cache_is_enough(light, places, photos):
    """The folder of the stores, without weights and digests."""
    shutil.copytree(places["cache"], light["cache"])

    assert pipeline.extract(photos, **RANDOM, cache=light["cache"]).num_new == 0


def test_rows_of_other_weights_are_not_taken(light, photos, tmp_path):
    """The name decides: random weights are not those of ImageNet."""
    pipeline.pull_cache(tmp_path / "team", cache=light["cache"], progress=False)

    with pytest.raises(
        MissingExtraError, match=r"(?s)needs TensorFlow.*No store says which rows are those of squeezenet"
    ):
        pipeline.fit(photos, base="squeezenet", size=48, **light, plots=False)


def test_two_answers_are_an_error(light, photos, tmp_path):
    """Without the weights nobody can tell which is right."""
    pipeline.pull_cache(tmp_path / "team", cache=light["cache"], progress=False)
    forge_twin(light["cache"])

    with pytest.raises(WeightsUnavailableError, match=r"both say that their rows are those of squeezenet.*cache prune"):
        pipeline.fit(photos, **RANDOM, **light, plots=False)


@pytest.mark.parametrize(
    "values",
    [{"weights": ["imagenet"]}, {"weights_sha256": "x"}, {"parameters": -1}, {"depth": True}, {"weights": "a" * 5000}],
)
def test_forged_notes_are_refused(values, light, photos, tmp_path):
    """They are named, the rows come over, and the rest says what is not known."""
    change_note(tmp_path / "team", **values)
    done = pipeline.pull_cache(tmp_path / "team", cache=light["cache"], progress=False)

    assert [entry.path.rpartition("/")[2] for entry in done.refused] == ["trunk.json"]
    assert done.transfers[0].rows == 48
    with pytest.raises(MissingExtraError):
        pipeline.fit(photos, **RANDOM, **light, plots=False)


def test_weights_that_are_here_are_asked_first(places, photos, tmp_path):
    """A store that lies about its weights is not used where they are."""
    shutil.copytree(places["cache"], tmp_path / "cache")
    forge_twin(tmp_path / "cache")
    (store,) = (path.parent for path in places["cache"].glob("*/recipe.json"))

    assert pipeline.extract(photos, **RANDOM, cache=tmp_path / "cache").store.name == store.name


def test_stores_of_earlier_versions_get_a_note_when_they_are_pushed(places, tmp_path):
    """If their weights are here."""
    shutil.copytree(places["cache"], tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob("*/trunk.json")
    path.unlink()
    pipeline.push_cache(tmp_path / "team", cache=tmp_path / "cache", progress=False)

    assert read_note(tmp_path / "team" / path.parent.name).weights == "random"


def test_an_old_shared_store_gets_a_note(places, tmp_path):
    """Although no shard has to be copied."""
    pipeline.push_cache(tmp_path / "team", cache=places["cache"], progress=False)
    (path,) = (tmp_path / "team").glob("*/trunk.json")
    path.unlink()
    done = pipeline.push_cache(tmp_path / "team", cache=places["cache"], progress=False)

    assert path.exists()
    assert done.transfers[0].shards == 0
