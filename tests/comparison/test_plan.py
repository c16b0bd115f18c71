"""Plans, measured on some rows."""

import math

import pytest

from pipeline.cache.stores import list_stores
from pipeline.cli.render import describe_plan
from pipeline.comparison import costs, samples
from pipeline.comparison import plan as module
from pipeline.comparison.plan import PlanSettings, plan
from pipeline.errors import DisagreementError, SettingError
from pipeline.settings import Settings
from pipeline.stage_one.engines.compiled import has_bfloat16
from tests.calls import extract, scan
from tests.cli.test_app import call


@pytest.fixture(autouse=True)
def _here_and_small(monkeypatch):
    """Samples of 16 and 24 rows, in this process."""
    monkeypatch.setattr(samples, "run_apart", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(samples, "_SAMPLE_SECONDS", 0)
    monkeypatch.setattr(samples, "_MIN_BATCHES", 6)
    monkeypatch.setattr(samples, "_FIRST_BATCHES", 4)
    monkeypatch.setattr(samples, "_LONG_SECONDS", 0)
    monkeypatch.setattr(costs, "measure_costs", lambda *_, **__: costs.Costs(trunk=3.0, step=2.0, infer=1.0))


@pytest.fixture
def settings(tmp_path):
    return Settings.of(
        size=48, weights="random", engine="tensorflow", batch_size=4, cache=tmp_path / "cache", runs=tmp_path / "runs"
    )


def test_rows_of_the_sample_are_kept_and_not_made_again(photos, settings):
    """A plan for 48 images makes 40 rows, stage one the other eight, and a second plan changes no store."""
    first = plan(scan(photos), PlanSettings(), ["squeezenet"], settings).bases[0]
    chosen = settings.with_changes(base="squeezenet")
    done = extract(photos, settings=chosen)
    shards = done.store.shard_paths()
    again = plan(scan(photos), PlanSettings(), ["squeezenet"], settings).bases[0]

    assert first.sample == again.sample == 24
    assert (first.left.rows, first.left.store, again.left) == (40, str(done.store.folder), None)
    assert (done.num_rows, done.num_new) == (48, 8)
    assert done.store.shard_paths() == shards
    assert [path.name for path in settings.paths.cache.iterdir() if path.is_dir()] == [done.store.name]
    assert first.shape == done.store.row_shape
    assert first.engine == "tensorflow"
    one_shard = sum(path.stat().st_size for path in shards) / 48
    assert first.stage_one.gigabytes * 1e9 / 8 == pytest.approx(one_shard, rel=0.5)


def test_what_is_there_costs_nothing(photos, settings):
    """Rows of the sample count as there; a plan for another number of images takes none for granted."""
    base = ["squeezenet"]
    first = plan(scan(photos), PlanSettings(), base, settings).bases[0]
    extract(photos, settings=settings.with_changes(base="squeezenet"))
    done, other = (
        plan(scan(photos), PlanSettings(num_images=images), base, settings).bases[0] for images in (None, 48)
    )

    assert (first.there, done.there, other.there) == (40, 48, 0)
    assert first.stage_one.seconds == pytest.approx(first.start_seconds + 8 / first.rows_per_second)
    assert (done.stage_one.seconds, done.stage_one.shards, done.break_even.epochs) == (0, 0, 1)
    assert other.stage_one.seconds == pytest.approx(other.start_seconds + 48 / other.rows_per_second)


def test_more_images_views_and_workers_than_there_are(photos, settings):
    """The estimate follows from the sample: a million images, four views of each training image (half of them), eight workers."""
    planned = PlanSettings(num_images=1_000_000, workers=8, num_views=4, pool="avg", epochs=2)
    result = plan(scan(photos), planned, ["squeezenet"], settings)
    base = result.bases[0]

    assert "Classes (train, validation, test): blue 12, 6, 6; red 12, 6, 6" in describe_plan(result.as_dict())
    assert result.as_dict()["skipped"] == []
    assert (result.images, result.rows, result.workers) == (1_000_000, 3_000_000, 8)
    assert base.shape == (512,)
    assert base.stage_one.shards >= math.ceil(3_000_000 / 1024)
    most = math.ceil(math.ceil(3_000_000 / 1024) / 8) * 1024
    assert base.stage_one.seconds == pytest.approx(base.start_seconds + most / base.rows_per_second)
    assert base.break_even.cached_epoch_seconds == 500_000 * 2 + 250_000
    assert base.break_even.live_epoch_seconds == 500_000 * 2 + 250_000 + 750_000 * 3


def test_a_plan_without_data_keeps_nothing(settings):
    """It measures synthetic images, and the cache stays empty."""
    result = plan(None, PlanSettings(num_images=5000), ["squeezenet"], settings)

    assert [row.base for row in result.bases] == ["squeezenet"]
    assert result.measured_on == "synthetic images, 500 x 375 px"
    assert "synthetic images, 500 x 375 px" in result._repr_html_()
    assert repr(result).startswith("Plan(5,000 images: squeezenet ")
    assert list(settings.paths.cache.iterdir()) == []
    assert list_stores(settings.paths.cache) == []


@pytest.mark.parametrize(("may", "expected"), [(True, ["float32", "bfloat16"]), (False, ["float32"])])
def test_where_float32_takes_long_bfloat16_is_measured_too(may, expected, photos, settings, monkeypatch):
    """If the processor has it; the sample's rows in bfloat16 are in a store of their own."""
    monkeypatch.setattr(module, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(
        module, "may_use_bfloat16", lambda precision, _: may and has_bfloat16() and precision == "float32"
    )
    if may and not has_bfloat16():
        pytest.skip("This processor does not compute in bfloat16.")

    result = plan(scan(photos), PlanSettings(), ["squeezenet"], settings.with_changes(engine="auto"))

    assert [row.precision for row in result.bases] == expected
    assert ("squeezenet, 48 px, bfloat16" in describe_plan(result.as_dict())) is may


def test_a_network_that_bfloat16_changes_is_planned_without_it(photos, settings, monkeypatch, caplog):
    """As the rows of MobileNetV2 with its weights of ImageNet: stage one refuses them."""
    made = module._plan_base

    def plan_base(*given, **keywords):
        if given[-1].features.precision == "bfloat16":
            raise DisagreementError("OpenVINO in bfloat16 differs by 0.9.")
        return made(*given, **keywords)

    monkeypatch.setattr(module, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(module, "may_use_bfloat16", lambda *_: True)
    monkeypatch.setattr(module, "_plan_base", plan_base)
    caplog.set_level("INFO")

    result = plan(scan(photos), PlanSettings(), ["squeezenet"], settings)

    assert [row.precision for row in result.bases] == ["float32"]
    assert "bfloat16 is left out. OpenVINO in bfloat16 differs by 0.9." in caplog.messages


def test_a_plan_of_nothing_is_refused(settings):
    """The number of images is given, or that of the data."""
    with pytest.raises(SettingError, match="Give the number of images"):
        plan(None, PlanSettings(), ["vgg16"], settings)
    with pytest.raises(SettingError, match="are positive"):
        PlanSettings(workers=0)


def test_command_prints_a_table_or_json(tmp_path):
    """Names of bases may be joined by commas; the size of synthetic images is WIDTHxHEIGHT."""
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

    assert (result["images"], result["measured_on"]) == (4000, "synthetic images, 60 x 40 px")
    assert [row["base"] for row in result["bases"]] == ["squeezenet", "squeezenet"]
    assert result["bases"][0].keys() >= {
        *("base", "hours", "gigabytes", "shards", "memory_gigabytes", "break_even", "once_seconds", "rows_per_second")
    }
    assert wrong.code == 2
    assert "WIDTHxHEIGHT" in wrong.err
    row = {**result["bases"][0], "seconds": 9000.0, "once_seconds": 90.0}
    table = describe_plan({**result, "bases": [row]})
    assert "2.5 h" in table
    assert "Once per machine, in addition: squeezenet 90 s" in table
