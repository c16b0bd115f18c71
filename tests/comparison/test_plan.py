"""Plans: measured on some rows, which stay."""

import math

import pytest

from pipeline.cache.stores import list_stores
from pipeline.cli.render import describe_plan
from pipeline.comparison import costs
from pipeline.comparison import plan as module
from pipeline.comparison.plan import Planned, plan
from pipeline.errors import SettingError
from pipeline.settings import Settings
from tests.calls import extract
from tests.cli.test_app import call


@pytest.fixture(autouse=True)
def _here_and_small(monkeypatch):
    """Samples of 16 and 24 rows, in this process."""
    monkeypatch.setattr(module, "run_apart", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(module, "_SAMPLE_SECONDS", 0)
    monkeypatch.setattr(module, "_LEAST_BATCHES", 6)
    monkeypatch.setattr(costs, "measure_costs", lambda *_, **__: costs.Costs(trunk=3.0, step=2.0, infer=1.0))


@pytest.fixture
def options(tmp_path):
    return Settings.of(
        size=48, weights="random", engine="tensorflow", batch_size=4, cache=tmp_path / "cache", runs=tmp_path / "runs"
    )


def test_rows_of_the_sample_are_kept_and_not_made_again(photos, options):
    """A plan of 48 photographs makes 40 of them; stage one makes the other eight; a further plan leaves the store alone."""
    first = plan(photos, Planned(), ["squeezenet"], settings=options)["bases"][0]
    chosen = options.with_changes(base="squeezenet")
    done = extract(photos, settings=chosen)
    shards = done.store.shard_paths()
    again = plan(photos, Planned(), ["squeezenet"], settings=options)["bases"][0]

    assert first["sample"] == again["sample"] == 24
    assert (done.num_rows, done.num_new) == (48, 8)
    assert done.store.shard_paths() == shards
    assert [path.name for path in options.paths.cache.iterdir() if path.is_dir()] == [done.store.name]
    assert first["shape"] == list(done.store.row_shape)
    assert first["engine"] == "tensorflow"
    one_shard = sum(path.stat().st_size for path in shards) / 48
    assert first["gigabytes"] * 1e9 / 48 == pytest.approx(one_shard, rel=0.5)


def test_more_images_views_and_workers_than_there_are(photos, options):
    """All follows from the sample's pace: a million images, four views of each of the half that is trained on, eight workers."""
    planned = Planned(num_images=1_000_000, workers=8, num_views=4, pool="avg", epochs=2)
    result = plan(photos, planned, ["squeezenet"], settings=options)
    base = result["bases"][0]

    assert (result["images"], result["rows"], result["workers"]) == (1_000_000, 3_000_000, 8)
    assert base["shape"] == [512]
    assert base["shards"] >= math.ceil(3_000_000 / 1024)
    most = math.ceil(math.ceil(3_000_000 / 1024) / 8) * 1024
    assert base["seconds"] == pytest.approx(base["start_seconds"] + most / base["rows_per_second"])
    assert base["break_even"]["cached_epoch_seconds"] == 500_000 * 2 + 250_000
    assert base["break_even"]["live_epoch_seconds"] == 500_000 * 2 + 250_000 + 750_000 * 3


def test_a_plan_without_data_keeps_nothing(options):
    """Photographs are made, and the cache stays empty."""
    result = plan(None, Planned(num_images=5000), ["squeezenet"], settings=options)

    assert [row["base"] for row in result["bases"]] == ["squeezenet"]
    assert result["photographs"] == "made, 500 x 375 px"
    assert list(options.paths.cache.iterdir()) == []
    assert list_stores(options.paths.cache) == []


def test_a_plan_of_nothing_is_refused(options):
    """How many images there will be has to come from somewhere."""
    with pytest.raises(SettingError, match="Say how many images"):
        plan(None, Planned(), ["vgg16"], settings=options)
    with pytest.raises(SettingError, match="are positive"):
        Planned(workers=0)


def test_command_prints_a_table_or_json(tmp_path):
    """Names of bases may be joined by commas; the size of made photographs has a form."""
    words = (
        "--size",
        48,
        "--weights",
        "random",
        "--engine",
        "tensorflow",
        "--batch-size",
        4,
        "--cache",
        tmp_path / "cache",
    )
    result = call(
        "plan", "--images", 4000, "--base", "squeezenet, squeezenet", "--photo", "60x40", *words, "--json"
    ).json
    wrong = call("plan", "--images", 10, "--photo", "60")

    assert (result["images"], result["photographs"]) == (4000, "made, 60 x 40 px")
    assert [row["base"] for row in result["bases"]] == ["squeezenet", "squeezenet"]
    assert result["bases"][0].keys() >= {
        *("base", "hours", "gigabytes", "shards", "memory_gigabytes", "break_even", "once_seconds", "rows_per_second")
    }
    assert wrong.code == 2
    assert "WIDTHxHEIGHT" in wrong.err
    told = {**result["bases"][0], "seconds": 9000.0, "once_seconds": 90.0}
    table = describe_plan({**result, "bases": [told]})
    assert "2.5 h" in table
    assert "the first time on a machine: squeezenet 90 s" in table
