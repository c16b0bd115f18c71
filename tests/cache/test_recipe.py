"""The law of the key: what can change a feature's value changes the fingerprint, and nothing else does."""

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bases.table import PRECISIONS, Preprocessing
from pipeline.cache.recipe import POOLINGS, Recipe
from pipeline.errors import SettingError
from pipeline.images.augment import Augmentation, ViewMaker
from pipeline.images.decoding.decoder import RESIZE_METHODS, Decoder
from pipeline.images.decoding.pixels import FITS
from tests.cache.samples import HALF, RECIPE

CHANGES = {
    "base": "vgg19",
    "decoder": Decoder(151),
    "preprocessing": Preprocessing("native", "RGB", offset=(-103.939, -116.779, -123.68)),
    "trunk_digest": "ab" * 31 + "ac",
    "cut": "block4_pool",
    "pooling": "avg",
    "dtype": "float16",
    "precision": "mixed_bfloat16",
    "augmentation": '{"horizontal_flip":true,"seed":0}',
}
DECODER_CHANGES = {
    "size_px": 149,
    "resize": "nearest",
    "exif": False,
    "fit": "crop",
    "background": "drop",
}
PREPROCESSING_CHANGES = {"order": "RGB", "scale": (1.0, 1.0, 1.0000001), "offset": (-103.939, -116.779, -123.68001)}
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}", fullmatch=True)
MAKERS = st.builds(
    ViewMaker, st.builds(Augmentation, rotation=st.floats(0, 360), horizontal_flip=st.booleans()), st.integers()
)
_SIZES, _FILTERS = st.integers(1, 4096), st.sampled_from(RESIZE_METHODS)
DECODERS = st.one_of(
    st.builds(
        Decoder, _SIZES, _FILTERS, st.booleans(), st.sampled_from(FITS), st.sampled_from(("drop", "#ffffff", "#0a0b0c"))
    ),
    st.builds(Decoder, _SIZES, _FILTERS, st.booleans(), background=st.just("drop"), version=st.just(1)),
)
RECIPES = st.builds(
    Recipe,
    base=NAMES,
    decoder=DECODERS,
    preprocessing=st.builds(
        Preprocessing,
        st.sampled_from(("native", "standardize")),
        st.sampled_from(("RGB", "BGR")),
        st.tuples(FLOATS, FLOATS, FLOATS),
        st.tuples(FLOATS, FLOATS, FLOATS),
    ),
    trunk_digest=st.from_regex("[0-9a-f]{64}", fullmatch=True),
    cut=NAMES,
    pooling=st.sampled_from(POOLINGS),
    dtype=st.sampled_from(("float32", "float16")),
    precision=st.sampled_from(PRECISIONS),
    augmentation=st.none() | MAKERS.map(ViewMaker.canonical_json),
)


def _names(kind) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def test_every_field_has_its_change():
    """A field that is added to the recipe is added to this test, or it fails."""
    assert set(CHANGES) == _names(Recipe)
    assert set(DECODER_CHANGES) | {"version", "max_pixels"} == _names(Decoder)
    assert set(PREPROCESSING_CHANGES) == _names(Preprocessing) - {"name"}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_field_changes_the_fingerprint(name):
    """No field of the recipe can change and leave the rows where they are."""
    changed = dataclasses.replace(RECIPE, **{name: CHANGES[name]})

    assert changed.fingerprint != RECIPE.fingerprint
    assert changed.folder_name != RECIPE.folder_name


@pytest.mark.parametrize("name", DECODER_CHANGES)
def test_changed_decoder_changes_the_fingerprint(name):
    """How pixels are made is part of the key."""
    decoder = dataclasses.replace(RECIPE.decoder, **{name: DECODER_CHANGES[name]})

    assert dataclasses.replace(RECIPE, decoder=decoder).fingerprint != RECIPE.fingerprint


@pytest.mark.parametrize("name", PREPROCESSING_CHANGES)
def test_changed_preprocessing_changes_the_fingerprint(name):
    """Each number of the preprocessing is part of the key, to the last digit."""
    preprocessing = dataclasses.replace(RECIPE.preprocessing, **{name: PREPROCESSING_CHANGES[name]})

    assert dataclasses.replace(RECIPE, preprocessing=preprocessing).fingerprint != RECIPE.fingerprint


def test_name_of_the_preprocessing_is_not_in_the_key():
    """Two names for one arithmetic share rows."""
    renamed = dataclasses.replace(RECIPE.preprocessing, name="standardize")

    assert dataclasses.replace(RECIPE, preprocessing=renamed).fingerprint == RECIPE.fingerprint


def test_fingerprint_of_a_fixed_recipe_stays():
    """A release that changed this would lose every store that was ever made: those of 0.1 and 0.2 have decoder 1."""
    recipe = dataclasses.replace(RECIPE, decoder=Decoder(150, "bilinear", background="drop", version=1))

    assert recipe.canonical_json() == (
        '{"augmentation":null,"base":"vgg16","cut":"block5_pool","decoder":{"exif":true,"resize":"bilinear",'
        '"size_px":150},"dtype":"float32","pooling":"none","precision":"float32","preprocessing":{"offset":'
        '[-103.939,-116.779,-123.68],"order":"BGR","scale":[1.0,1.0,1.0]},"schema":1,"trunk_digest":"'
        + "ab" * 32
        + '"}'
    )
    assert recipe.fingerprint == "de4d5817f379e87ca10642e0fa47f951ac2ffc817a161118dc4afb3991f1afe3"
    assert recipe.folder_name == "vgg16-150px-block5_pool-de4d5817f379"
    assert recipe.with_pooling("avg").folder_name.startswith("vgg16-150px-block5_pool-avg-")


def test_fingerprint_of_decoder_2_stays():
    """The same for stores that are made from 0.3 on."""
    assert (
        '"decoder":{"background":"#ffffff","exif":true,"fit":"stretch","resize":"bilinear","size_px":150,"version":2}'
        in (RECIPE.canonical_json())
    )
    assert RECIPE.fingerprint == "18d3174ed0ba06bc7868bdfbc203fa6638b753784b6d42ad39aa63f4ad8b280d"


def test_limit_on_pixels_is_not_in_the_key():
    """It says which images are read, and changes no pixel of those."""
    raised = RECIPE.with_max_pixels(10**9)

    assert raised.decoder.max_pixels == 10**9
    assert (raised, raised.fingerprint) == (RECIPE, RECIPE.fingerprint)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"version": 1, "background": "drop"},
        {"max_pixels": 5},
        {"background": "WHITE"},
        {"background": "#FFFFFF"},
        {"fit": "fill"},
        {"version": 3},
    ],
)
def test_recipe_has_one_form(changes):
    """A decoder is written in one way only, so no two texts mean the same rows; version 1 has none of the later fields."""
    values = json.loads(RECIPE.canonical_json())
    values["decoder"] |= changes

    with pytest.raises(SettingError):
        Recipe.from_dict(values)


@given(RECIPES)
def test_recipe_comes_back_from_its_json(recipe):
    """Through the file and back, in whatever order its keys are, a recipe has the same fingerprint."""
    values = json.loads(json.dumps(recipe.as_dict(), indent=2))
    shuffled = dict(reversed(values.items()))
    back = Recipe.from_dict(shuffled)

    assert back.fingerprint == recipe.fingerprint
    assert back.as_dict() == recipe.as_dict()
    assert back.decoder == recipe.decoder
    assert back.preprocessing.offset == recipe.preprocessing.offset


def _without(name: str) -> dict:
    values = RECIPE.as_dict()
    del values[name]
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (RECIPE.as_dict() | {"schema": 2}, r"A recipe has schema 1\. Received: 2\."),
        ({}, r"A recipe has schema 1\. Received: None\."),
        (_without("cut"), r"Not a recipe: .*'cut'.*Received: \['augmentation', 'base', 'decoder'"),
        (_without("decoder"), r"Not a recipe: 'decoder'"),
        (RECIPE.as_dict() | {"colour": 1}, r"Not a recipe: .*'colour'"),
        (RECIPE.as_dict() | {"decoder": {"size_px": 150, "colour": 1}}, r"Not a recipe: .*'colour'"),
        (
            RECIPE.as_dict() | {"decoder": {"size_px": "150"}},
            r"The size is a whole number of pixels from 1 to 9,459\. Received: '150'\.",
        ),
        (RECIPE.as_dict() | {"preprocessing": {"order": "BGR"}}, r"Not a recipe: 'scale'"),
        (RECIPE.as_dict() | {"preprocessing": None}, r"Not a recipe: "),
        (RECIPE.as_dict() | {"dtype": "int8"}, r"dtype is one of \('float32', 'float16'\)\. Received: 'int8'\."),
        (RECIPE.as_dict() | {"pooling": "sum"}, r"pooling is one of \('none', 'avg', 'max'\)\. Received: 'sum'\."),
    ],
)
def test_values_that_are_no_recipe_are_refused(values, message):
    """A recipe of another release or another hand is named, not guessed at."""
    with pytest.raises(SettingError, match=message):
        Recipe.from_dict(values)


def _deep(depth: int) -> list:
    """Lists in lists."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


ABSURD = [
    None,
    True,
    5,
    -1,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x/../../y",
    "x\0",
    [],
    [[]],
    {},
    {"a": 1},
    _deep(5000),
]
PARTS = [
    *((name,) for name in RECIPE.as_dict()),
    *(("decoder", name) for name in RECIPE.as_dict()["decoder"]),
    *(("preprocessing", name) for name in RECIPE.as_dict()["preprocessing"]),
]


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_part_of_another_type_is_refused(part):
    """Whatever stands in the place of a part, the recipe is a sound one or a SettingError, and its folder is one plain name."""
    for value in ABSURD:
        values = json.loads(json.dumps(RECIPE.as_dict()))
        holder = values
        for name in part[:-1]:
            holder = holder[name]
        holder[part[-1]] = value
        try:
            recipe = Recipe.from_dict(values)
        except SettingError:
            continue
        assert (part[-1], value) in [("augmentation", None), ("exif", True), ("size_px", 5)]
        assert re.fullmatch("[A-Za-z0-9_.-]+", recipe.folder_name)


@pytest.mark.parametrize("values", [None, 5, "text", [], [1], _deep(5000)])
def test_what_is_no_object_is_no_recipe(values):
    """A run's `recipe` may be any JSON."""
    with pytest.raises(SettingError, match=r"A recipe is a JSON object\. Received: "):
        Recipe.from_dict(values)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "null",
            "[]",
            '{"seed": 0, "colour": 1}',
            '{"seed": "0"}',
            '{"seed": true}',
            '{"seed": 1e999}',
            "{}",
        ),
        *('{"seed": 0, "rotation": NaN}', '{"seed": 0, "rotation": "5"}', '{"seed": 0, "horizontal_flip": 1}'),
        *('{"seed": 0, "fill": []}', '{"seed": 0, "zoom": 1}', '{"seed": 0, "rotation": 1e999}'),
        '{"seed": 0, "zoom": ' + "[" * 100_000 + "}",
        '{"seed": 0' + " " * 5000 + "}",
    ],
    ids=range(17),
)
def test_augmentation_is_what_makes_views(text):
    """Another text has no views, so no rows can be made of it."""
    with pytest.raises(SettingError, match=r"Not the settings of views|The augmentation is a JSON text"):
        dataclasses.replace(RECIPE, augmentation=text)


@pytest.mark.parametrize("offset", [float("nan"), float("inf")])
def test_number_that_json_does_not_have_is_refused(offset):
    """NaN is not equal to itself, so it cannot be part of a key."""
    with pytest.raises(SettingError, match="offset of the preprocessing is three finite numbers"):
        dataclasses.replace(RECIPE.preprocessing, offset=(offset, 0.0, 0.0))


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (RECIPE, True),
        (HALF, False),
        (RECIPE.with_pooling("avg"), False),
        (dataclasses.replace(RECIPE, precision="mixed_float16"), False),
    ],
)
def test_only_whole_grids_in_full_precision_lead_on(recipe, expected):
    """A mean or a rounded value is not what the next layer takes."""
    assert recipe.has_whole_grids is expected
