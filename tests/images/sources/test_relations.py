"""What names say about masks and series, and names of which nothing may be said."""

import pytest

from pipeline.images.sources.relations import warn_of_masks, warn_of_series
from tests.calls import read
from tests.conftest import draw_photo

SERIES = {
    "patients": ["a/person{0}_bacteria_{1}.jpeg", "b/person{0}_{1}.jpeg"],
    "tracks of traffic signs": ["a/{0:05d}_{1:05d}.ppm", "b/{0:05d}_{1:05d}.ppm"],
    "frames of videos": ["a/video{0}_frame_{1:05d}.jpg", "b/v_g{0:02d}_c01_{1}.jpg"],
    "versions of Roboflow": ["a/x{0}_jpg.rf.0a{1}f.jpg", "b/y{0}_png.rf.0a{1}f.jpg"],
    "copies": ["a/{0} ({1}).jpg", "b/{0} ({1}).jpg"],
    "folders": ["a/burst_{0}/{1}.jpg", "b/burst_{0}/{1}.jpg"],
}
NO_SERIES = {
    "numbers": ["a/{0}{1}.jpg", "b/cat.{0}{1}.jpg"],
    "a camera": ["a/DSC_{0:03d}{1}.jpg", "b/IMG_{0:03d}{1}.jpg"],
    "days": ["a/IMG_2023010{0}_12{1}000.jpg", "b/Screenshot 2023-01-1{0} at 10.1{1}.png"],
    "one for each class": ["n0144{1}/n0144{1}_{0}.jpg"],
    "folders with a name": ["a/cat/{0}{1}.jpg", "a/lion/{0}{1}.jpg", "b/rose/{0}{1}.jpg", "b/lily/{0}{1}.jpg"],
    "numbers that come once": ["a/Bird_{0}{1}_77{1}{0}.jpg"],
}


def names_of(patterns):
    return [pattern.format(series, image) for pattern in patterns for series in range(6) for image in range(3)]


@pytest.mark.parametrize(
    ("patterns", "expected"), [(p, 1) for p in SERIES.values()] + [(p, 0) for p in NO_SERIES.values()]
)
def test_series_are_known_by_their_names(patterns, expected):
    """Several images of each of several series in each class; numbers and days alone are none."""
    names = names_of(patterns)

    assert len(warn_of_series(names, [name.partition("/")[0] for name in names])) == expected


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("benign/benign (1)_mask.png", "benign/benign (1).png"),
        ("a/7_Segmentation_2.png", "a/7.jpg"),
        ("COVID/masks/1.png", "COVID/images/1.png"),
        ("train/masks/1_mask.png", "train/images/1.jpg"),
    ],
)
def test_masks_are_known_by_their_names(mask, image):
    """An image of the same name lies beside them."""
    others = ["mask/1.png", "no_mask/1.png", "a/gt_7.png", "a/mask.png", "x/masks/9.png"]

    assert warn_of_masks(others) == []
    assert warn_of_masks([image, mask, *others])[0].startswith(
        f"1 of 7 images seem to be masks of others, and are read as images, such as {mask!r} of {image!r}."
    )


def test_series_are_named_where_the_images_are_divided(tmp_path):
    """Not where the data says what a group is, or divides all of them itself."""
    names = names_of(SERIES["patients"])
    for number, name in enumerate(names):
        draw_photo(tmp_path / "train" / name, (90, 90, 90), number, (8, 8))
    table = tmp_path / "table.csv"
    lines = [f"train/{name},{name[0]},{name.split('_')[0]}\n" for name in names]
    table.write_text("path,label,group\n" + "".join(lines))
    divided = read(tmp_path / "train").warnings
    draw_photo(tmp_path / "val" / "a" / "1.png", (90, 90, 90), 99)

    assert any("36 of 36 images seem to belong to 12 series" in warning for warning in divided)
    for data in (table, tmp_path):
        assert not any("series" in warning for warning in read(data).warnings)
