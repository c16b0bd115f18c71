"""Keywords of the public functions."""

from dataclasses import fields

import pytest

import pipeline
from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS, NAMED, PUBLISHED
from pipeline.keywords import DataKeywords, ReadKeywords, SettingsKeywords, TrainingKeywords, gather, keywords_of
from pipeline.settings import KEYWORDS
from pipeline.stage_two.dense.settings import Training
from pipeline.tasks.decisions import Decisions
from tests.conftest import draw_photo


def test_keywords_of_settings_are_their_fields():
    """The typed dictionary has each field of the four parts of the settings, and no other key."""
    assert set(SettingsKeywords.__annotations__) == set(KEYWORDS)


def test_keywords_of_a_training_are_its_fields():
    """The typed dictionary has each field of `Training`; two have shorter names."""
    longer = {"lr": "learning_rate", "head_batch_size": "batch_size"}
    names = set(TrainingKeywords.__annotations__) - set(DataKeywords.__annotations__)

    assert {longer.get(name, name) for name in names} - {
        "augment",
        "views",
        "view_seed",
        "tta",
        "threshold",
        "calibrate",
    } == {field.name for field in fields(Training)}


def test_keywords_are_sorted_into_what_they_set():
    """Settings, training, views and reading are separate values."""
    keywords = {"size": 48, "lr": 0.1, "head_batch_size": 4, "augment": "r0", "views": 2, "label": "season"}
    given = gather(keywords, pipeline.fit)

    assert given.settings.features.size == 48
    assert (given.training.learning_rate, given.training.batch_size) == (0.1, 4)
    assert given.settings.compute.batch_size == 32
    assert (given.views.count, given.views.augmentation) == (2, AUGMENTATIONS["r0"])
    assert given.read == {"label": "season"}


@pytest.mark.parametrize(
    ("function", "name", "message"),
    [
        ("fit", "sise", r"fit\(\) has no keyword 'sise'\. Did you mean 'size'\?"),
        ("fit", "plot", r"fit\(\) has no keyword 'plot'\. Did you mean 'plots'\?"),
        ("extract", "batchsize", r"Did you mean 'batch_size'\?"),
        ("extract", "epochs", r"extract\(\) has no keyword 'epochs'\. Expected some of: data, pool, "),
        ("predict", "options", r"predict\(\) has no keyword 'options'\."),
    ],
)
def test_unknown_keyword_suggests_the_nearest(function, name, message):
    """A keyword of another function, which would have no effect, is unknown too."""
    with pytest.raises(SettingError, match=message):
        gather({name: 1}, getattr(pipeline, function))


@pytest.mark.parametrize("keywords", [{"views": 4}, {"augment": "r0"}])
def test_views_need_a_number_and_an_augmentation(keywords):
    """One without the other would have no effect."""
    given = gather(keywords, pipeline.fit)

    with pytest.raises(SettingError, match="give both --views K and --augment"):
        _ = given.views
    with pytest.raises(SettingError, match="Give the number of views and their augmentation"):
        gather({}, pipeline.extract_views).require_views()


def test_decisions_are_checked_when_they_are_given():
    """Every function that trains a run takes them; one that does not keep a run has no such keyword."""
    for function in (pipeline.fit, pipeline.sweep, pipeline.finetune, pipeline.end_to_end):
        assert gather({"threshold": 0.3, "calibrate": "isotonic"}, function).decisions == Decisions(0.3, "isotonic")
        with pytest.raises(SettingError, match="Received: recall"):
            gather({"threshold": "recall"}, function)
    with pytest.raises(SettingError, match="no keyword 'threshold'"):
        gather({"threshold": 0.3}, pipeline.compare)


@pytest.mark.parametrize("keywords", [{"threshold": "f1"}, {"calibrate": "temperature"}])
def test_decisions_without_an_effect_are_refused_before_any_work(keywords, tmp_path):
    """Numbers have no threshold and no calibration: found when the labels are read."""
    table = tmp_path / "ages.csv"
    table.write_text(
        "path,label,split\n"
        + "".join(
            f"{draw_photo(tmp_path / f'{number}.png', (number, 9, 9), number)},{number}.5,{('train', 'validation')[number % 2]}\n"
            for number in range(12)
        )
    )
    given = gather({"task": "regression", "progress": False, **keywords}, pipeline.fit, data=table)

    with pytest.raises(SettingError, match=r"--(threshold|calibrate) is for .*regression"):
        given.open_questions(table)


def test_keywords_of_a_function_are_its_own_and_those_of_its_group():
    """`data` comes first, the shared ones last."""
    names = keywords_of(pipeline.verify_cache)

    assert names[:2] == ("data", "recompute")
    assert set(names[2:]) == set(SettingsKeywords.__annotations__) | set(ReadKeywords.__annotations__)


def test_augmentation_that_is_left_out_is_the_functions_own():
    """A keyword that is left out has the function's default; None is no augmentation; both differ from a name."""
    own = gather({}, pipeline.end_to_end, augment="standard").augmentation
    none = gather({"augment": None}, pipeline.end_to_end, augment="standard").augmentation
    named = gather({"augment": "r4"}, pipeline.end_to_end, augment="standard").augmentation

    assert (own, none, named) == (NAMED["standard"], None, PUBLISHED["r4"])
