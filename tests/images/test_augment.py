import dataclasses
import hashlib

import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.images.augment import (
    AUGMENTATIONS,
    LIVE_DEFAULT,
    NAMED,
    PUBLISHED,
    Augmentation,
    ViewMaker,
    parse_augmentation,
    view_rng,
)

# Recipes of stored views hold these values: a change would make all of them unreachable.
STORED = {
    "flip": "983f5b9f8b65",
    "standard": "c5db042db5c7",
    "strong": "3f18c7b8db41",
    "overhead": "fe5af689cc03",
    "r0": "e791f718052a",
    "r2": "df13fcf51798",
    "r4": "658d4b37e3c5",
}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)


def draw(pixels, augmentation, view=1, digest=b"d" * 32, seed=0):
    return augmentation(pixels, view_rng(digest, augmentation, view=view, seed=seed))


def test_a_view_depends_on_content_settings_view_and_seed_alone(pixels):
    """The same four give the same pixels, and a change of any of them gives others."""
    r0 = AUGMENTATIONS["r0"]
    first = draw(pixels, r0)

    assert np.array_equal(draw(pixels, r0), first)
    assert not np.array_equal(draw(pixels, r0, view=2), first)
    assert not np.array_equal(draw(pixels, r0, seed=1), first)
    assert not np.array_equal(draw(pixels, r0, digest=b"e" * 32), first)
    assert not np.array_equal(draw(pixels, AUGMENTATIONS["r2"]), first)


def test_views_of_today_are_those_of_every_machine():
    """The first view of a fixed image has a known digest, so that stored views stay valid."""
    ramp = (np.arange(16 * 16 * 3) % 256).astype(np.uint8).reshape(16, 16, 3)
    view = draw(ramp, AUGMENTATIONS["r0"])

    assert hashlib.sha256(view.tobytes()).hexdigest()[:16] == "1c7731bdc1efe2d8"


def test_the_given_image_is_not_changed(pixels):
    """Augmentation works on a copy."""
    before = pixels.copy()
    draw(pixels, dataclasses.replace(AUGMENTATIONS["r0"], brightness=0.5, contrast=0.5, vertical_flip=True))

    assert np.array_equal(pixels, before)


def test_no_setting_is_no_change(pixels):
    """An augmentation with all ranges at zero returns the image."""
    assert np.array_equal(draw(pixels, Augmentation()), pixels)


def test_flips_come_in_about_half_of_the_views(pixels):
    """A flip is the exact mirror image, drawn with even odds."""
    flips = [
        np.array_equal(draw(pixels, Augmentation(horizontal_flip=True), view=k), pixels[:, ::-1]) for k in range(1, 101)
    ]
    same = [np.array_equal(draw(pixels, Augmentation(horizontal_flip=True), view=k), pixels) for k in range(1, 101)]

    assert 30 < sum(flips) < 70
    assert sum(flips) + sum(same) == 100


def test_a_shift_of_one_axis_moves_that_axis(pixels):
    """A width shift changes columns: away from the border every row is a shifted copy of itself."""
    columns = np.broadcast_to(np.arange(30, dtype=np.uint8)[None, :, None] * 8, (40, 30, 3))
    view = draw(columns, Augmentation(width_shift=0.3))

    assert not np.array_equal(view, columns)
    assert (view == view[:1]).all()


def test_fill_sets_the_pixels_beyond_the_border():
    """`constant` is black, `nearest` repeats the border."""
    white = np.full((20, 20, 3), 255, np.uint8)
    black_seen = [draw(white, Augmentation(rotation=40, fill="constant"), view=k).min() for k in range(1, 6)]
    nearest_seen = [draw(white, Augmentation(rotation=40, fill="nearest"), view=k).min() for k in range(1, 6)]

    assert min(black_seen) == 0
    assert min(nearest_seen) == 255


def test_one_setting_does_not_shift_the_draws_of_another(pixels):
    """Brightness added to a flip leaves the geometry of the same generator as it was."""
    rng_a, rng_b = np.random.default_rng(3), np.random.default_rng(3)
    flipped = Augmentation(horizontal_flip=True)(pixels, rng_a)
    brighter = Augmentation(horizontal_flip=True, brightness=0.5)(pixels, rng_b)

    assert np.corrcoef(flipped.ravel(), brighter.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", None),
        ("r4", AUGMENTATIONS["r4"]),
        ("rotation=20,zoom=0.1,horizontal_flip", Augmentation(rotation=20, zoom=0.1, horizontal_flip=True)),
        ("r0,rotation=10,fill=reflect", dataclasses.replace(AUGMENTATIONS["r0"], rotation=10, fill="reflect")),
        (" standard , horizontal_flip = false", dataclasses.replace(NAMED["standard"], horizontal_flip=False)),
        ("flip", Augmentation(horizontal_flip=True)),
    ],
)
def test_an_augmentation_is_read_from_text(text, expected):
    """Names, settings, and changes of a named augmentation."""
    assert parse_augmentation(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r9", "Unknown augmentation 'r9'"),
        ("tilt=3", "Expected none, flip, standard, strong, overhead, r0, r2, r4, or settings: rotation, width_shift"),
        ("standrad", "Did you mean 'standard'"),
        ("Flip", "Did you mean 'flip'"),
        ("rotaton=20", "Did you mean 'rotation'"),
        ("strong,horizontal-flip", "Did you mean 'horizontal_flip'"),
        ("rotation=much", "rotation needs a number, such as rotation=0.1. Received: 'much'"),
        ("rotation", "rotation needs a value"),
        ("fill", "fill needs a value, such as fill=reflect"),
        ("horizontal_flip=2", "horizontal_flip is true or false"),
        ("flip,strong", "'strong' is a name: it comes first"),
        ("none,rotation=3", "none stands alone"),
        ("rotation=3,rotation=4", "rotation is given twice"),
        ("fill=white", "The fill is one of nearest, reflect, constant, wrap. Received: 'white'"),
        ("zoom=1.5", "zoom, brightness and contrast must be below 1"),
        ("rotation=-3", "0 or more"),
        (20, "is a text such as 'standard', or an Augmentation. Received: 20"),
    ],
)
def test_what_cannot_be_understood_is_refused(text, message):
    """Unknown names with the nearest one, values of another kind, and ranges that make no sense."""
    with pytest.raises(SettingError) as caught:
        parse_augmentation(text)

    assert message in str(caught.value)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_stored_views_keep_their_recipe(name):
    """The values of a name are part of the recipe of stored rows, so they never change."""
    text = ViewMaker(AUGMENTATIONS[name], 0).canonical_json()

    assert hashlib.sha256(text.encode()).hexdigest()[:12] == STORED[name]


def test_text_of_settings_makes_the_same_recipe_again():
    """Named settings are written as their name, others in full; 40 and 40.0 are settings of different rows."""
    published = PUBLISHED["r0"]
    as_floats = dataclasses.replace(published, rotation=40.0)
    for settings in (*AUGMENTATIONS.values(), as_floats, parse_augmentation("strong,rotation=5,fill=wrap")):
        again = parse_augmentation(settings.as_text())
        assert again is not None
        assert again.canonical_json() == settings.canonical_json()

    assert published.as_text() == "r0"
    assert as_floats.as_text() != "r0"


def test_default_is_a_name():
    """Live training has an augmentation of its own."""
    assert parse_augmentation(LIVE_DEFAULT) == NAMED["standard"]
