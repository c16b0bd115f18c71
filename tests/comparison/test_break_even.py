"""Comparison, advice and the published recipes on small photographs with a small random base."""

import json
from dataclasses import replace

import pytest

from pipeline.bases.network import build_base
from pipeline.bases.table import find_base
from pipeline.cli.render import describe_comparison
from pipeline.comparison import costs
from pipeline.comparison.advice import Evidence, advise_regime
from pipeline.comparison.advise import advise
from pipeline.comparison.break_even import break_even
from pipeline.comparison.published import PUBLISHED
from pipeline.comparison.reproduce import find_published
from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS, parse_augmentation
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import parse_head, parse_layers


@pytest.fixture
def options(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def outcome(regime, training, extraction):
    metrics = {
        split: {"accuracy": accuracy, "ci95": [0, 1]} for split, accuracy in (("train", 0.9), ("validation", 0.8))
    }
    return Outcome(regime, regime, metrics, training, None, extraction, 10)


def test_the_cache_pays_for_itself_after_so_many_heads():
    """100 s of extraction and 1 s a head against 41 s a head: 3 heads, since 100 + 3 <= 123."""
    outcomes = [outcome("linear", 1.0, 100.0), outcome("dense", 60.0, 100.0), outcome("endtoend", 41.0, 0.0)]

    against = {"against": "endtoend"}
    assert break_even(outcomes) == {"linear": {**against, "heads": 3}, "dense": {**against, "heads": None}}


def test_a_cached_regime_is_set_against_its_own_live_one():
    """Fine-tuning against fine-tuning, a head against a head; against the cheapest where its own was not run."""
    outcomes = [outcome("dense", 1.0, 100.0), outcome("cached-finetune", 20.0, 100.0)]
    live = [outcome("endtoend", 41.0, 0.0), outcome("finetune", 70.0, 0.0)]

    assert break_even([*outcomes, *live])["cached-finetune"] == {"against": "finetune", "heads": 2}
    assert break_even([*outcomes, live[0]])["cached-finetune"] == {"against": "endtoend", "heads": 5}
    assert break_even(outcomes) == {}


def test_the_gap_is_training_minus_validation():
    """Overfitting shows as a positive gap."""
    assert outcome("linear", 1.0, 1.0).overfitting_gap == pytest.approx(0.1)


def test_regimes_are_compared_in_one_table_and_one_picture(photos, options):
    """Each regime is a run, with its seconds; the picture is there."""
    comparison = Comparison(
        regimes=("finetune", "cached-finetune", "endtoend", "dense", "linear"),
        head="dense:8,relu",
        augmentation=AUGMENTATIONS["r0"],
        training=Training(epochs=2, batch_size=8),
        first="fire9_squeeze1x1",
    )
    result = compare(photos, comparison, settings=options)
    rows = {row["regime"]: row for row in result["rows"]}

    assert list(rows) == ["linear", "dense", "cached-finetune", "endtoend", "finetune"]
    assert rows["endtoend"]["extraction_seconds"] == 0
    assert rows["dense"]["extraction_seconds"] > 0
    assert rows["dense"]["total_seconds"] > rows["dense"]["training_seconds"]
    assert set(result["break_even"]) == {"linear", "dense", "cached-finetune"}
    assert result["picture"].endswith(".png")
    for regime, head in (("cached-finetune", "dense"), ("finetune", "endtoend")):
        run = load_run(rows[regime]["run"], settings=options)
        assert [phase["epochs"] for phase in run.folder.info.phases] == [2, 2], "goes on from the head beside it"
        assert run.folder.history()[:2] == load_run(rows[head]["run"], settings=options).folder.history()
    assert rows["cached-finetune"]["extraction_seconds"] == rows["dense"]["extraction_seconds"]


def test_comparison_is_kept_where_its_plot_fails(photos, options, monkeypatch, caplog):
    """The table is written and printed without a plot, and the warning says why."""
    monkeypatch.setattr("pipeline.runs.plots.draw_comparison", lambda *_: 1 / 0)
    result = compare(photos, Comparison(regimes=("linear",)), settings=options)
    [table] = options.paths.runs.glob("comparison-*/comparison.json")

    assert result["picture"] is None
    assert json.loads(table.read_text())["rows"] == result["rows"]
    assert "Picture" not in describe_comparison(result)
    assert caplog.messages == [
        "The comparison is saved, but comparison.png could not be drawn: ZeroDivisionError: division by zero"
    ]


def test_a_comparison_that_cannot_be_made_is_refused(photos, options):
    """Unknown regimes, fine-tuning without a first layer, and a cut where fine-tuning sets it."""
    with pytest.raises(SettingError, match="leave out --cut"):
        compare(
            photos,
            Comparison(regimes=("finetune",), first="fire9_concat"),
            settings=options.with_changes(cut="fire8_concat"),
        )
    with pytest.raises(SettingError, match="Regimes are linear"):
        Comparison(regimes=("quick",))
    with pytest.raises(SettingError, match="--from LAYER"):
        Comparison(regimes=("finetune",))


@pytest.mark.parametrize(
    ("images", "early", "late", "regime", "first"),
    [
        (100, 0.6, 0.9, "head only", None),
        (1000, 0.6, 0.9, "head only", None),
        (5000, 0.6, 0.9, "fine-tune the last part", "layer7"),
        (100, 0.8, 0.7, "fine-tune the last part", "layer4"),
        (100, 0.37, 0.43, "fine-tune the last part", "layer4"),
        (5000, 0.8, 0.7, "fine-tune everything", "layer0"),
    ],
)
def test_the_guide_has_four_scenarios(images, early, late, regime, first):
    """Small or large, similar or different: each has its regime, its share of frozen layers, and reasons in words."""
    advice = advise_regime(Evidence(images, early, late, 0.5, 0.7), [f"layer{k}" for k in range(10)])

    assert (advice.regime, advice.first) == (regime, first)
    assert advice.frozen_share == (int(first.removeprefix("layer")) / 10 if first else 1.0)
    assert len(advice.reasons) == 3
    assert advice.base_rate is None or advice.base_rate < advice.head_rate


def test_advice_measures_a_sample(photos, options, monkeypatch):
    """Evidence is measured on training images only; costs are counted up from those of one image."""
    monkeypatch.setattr(costs, "measure_costs", lambda *_: costs.Costs(trunk=3.0, step=2.0, infer=1.0))
    result = advise(photos, num_sample=24, settings=options)

    assert result["evidence"]["sample"] == 24
    assert 0 <= result["evidence"]["late_accuracy"] <= 1
    cached, live = result["costs"][:2]
    # 24 training, 12 validation and 12 test images; a trunk of 3 s hides the decoding.
    assert cached["stage_one_seconds"] == 48 * 3
    assert cached["seconds_per_epoch"] == 24 * 2 + 12 * 1
    assert cached["megabytes"] > 0
    assert live["seconds_per_epoch"] == 24 * 2 + 12 * 1 + 36 * 3
    assert live["stage_one_seconds"] == live["megabytes"] == 0


def test_both_sides_of_the_cut_are_timed():
    """Real steps of trunk, tail and head; each takes its time."""
    base = build_base(find_base("squeezenet"), 48)
    found = costs.measure_costs(base, "fire9_squeeze1x1", parse_layers("dense:8,relu"), 2)

    assert min(found.trunk, found.step, found.infer) > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_recipe_can_be_understood(name):
    """Heads, settings and augmentations of the table are ones that the verbs take."""
    published = PUBLISHED[name]
    Training(**published.training)
    Settings.of(**published.base)

    assert parse_head(published.head)
    assert parse_augmentation(published.tuning.get("augmentation", "none")) in (None, *AUGMENTATIONS.values())
    assert published.verb in ("head", "endtoend", "finetune", "classify")


def test_a_recipe_that_trains_nothing_or_is_not_there_is_refused(photos):
    """The message names what to do."""
    with pytest.raises(SettingError, match="bottleneck classify"):
        run_published(find_published("r1a"), photos)
    with pytest.raises(SettingError, match="Published recipes: r0a"):
        find_published("r7")
    with pytest.raises(SettingError, match="that fine-tune"):
        run_published(find_published("r0a"), photos, cached=True)


def test_a_recipe_with_changed_values_runs_from_the_cache_with_views(photos, tmp_path):
    """Stage one stores the views of the published augmentation, and the run says what it was made with."""
    options = Settings.of(weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")
    small = replace(
        PUBLISHED["r0c"],
        base={"base": "squeezenet", "size": 48, "preprocess": "rescale"},
        tuning={"augmentation": "r0", "first": "fire9_squeeze1x1", "head_epochs": 1},
    )
    run = run_published(
        small.changed(epochs=2, preprocess="native", seed=3), photos, cached=True, num_views=2, settings=options
    )

    assert run.name == "r0c-cached-2-views-epochs-2-preprocess-native-seed-3"
    assert run.folder.info.views == {"count": 2, "augmentation": "r0", "seed": 0, "tta": False}
    assert run.folder.info.seed == 3
    assert [phase["epochs"] for phase in run.folder.info.phases] == [1, 2]
    assert run.folder.info.recipe["preprocessing"]["order"] == "BGR"
    with pytest.raises(SettingError, match="--views is for recipes that augment"):
        run_published(small, photos, num_views=2, settings=options)
