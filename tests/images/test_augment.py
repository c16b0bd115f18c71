import dataclasses
import hashlib

import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS, Augmentation, parse_augmentation, view_rng


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
    ],
)
def test_an_augmentation_is_read_from_text(text, expected):
    """Names, settings, and changes of a named augmentation."""
    assert parse_augmentation(text) == expected


@pytest.mark.parametrize("text", ["r9", "rotation=much", "tilt=3", "fill=white", "zoom=1.5", "rotation=-3"])
def test_what_cannot_be_understood_is_refused(text):
    """Unknown names, values that are no numbers, and ranges that make no sense."""
    with pytest.raises(SettingError):
        parse_augmentation(text)
