"""Pictures."""

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from pipeline.runs.plots import draw_comparison, draw_confusion, draw_curves

HISTORY = [
    {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": 1 - 0.5 / epoch, "val_accuracy": 0.6}
    for epoch in range(1, 8)
]
ODD_NAMES = (
    "a class whose name is much longer than any picture has room for, and then some",
    "$x_$",
    "100$ and $200",
    r"\frac{a}",
    "猫",
    "\N{DOG FACE}",
    "line\nbreak",
    "",
)


def pixels(path):
    """The picture in grey, (H, W), after a check that it is a PNG file."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("L"))


def is_drawn(grey):
    """Something dark on much white, and nothing that touches the border."""
    edge = np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[:, :2].ravel(), grey[:, -2:].ravel()])
    return (grey > 240).mean() > 0.3 and (grey < 128).mean() > 0.002 and edge.min() > 200


def test_curves_are_drawn(tmp_path):
    """Loss and accuracy stand side by side in one wide picture that a page can show."""
    draw_curves(tmp_path / "curves.png", HISTORY, "photos: dense:256 on vgg16")
    grey = pixels(tmp_path / "curves.png")
    height, width = grey.shape

    assert is_drawn(grey)
    assert 900 < width < 1600
    assert 350 < height < 800


def test_curves_show_the_history(tmp_path):
    """Another history is another picture."""
    draw_curves(tmp_path / "a.png", HISTORY, "title")
    draw_curves(tmp_path / "b.png", [row | {"val_loss": 0.9} for row in HISTORY], "title")

    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_curve_of_one_epoch_is_drawn(tmp_path):
    """One epoch is a point."""
    draw_curves(tmp_path / "curves.png", HISTORY[:1], "one")

    assert is_drawn(pixels(tmp_path / "curves.png"))


@pytest.mark.parametrize("num_classes", [2, 10, 20, 100])
def test_confusion_grows_with_the_classes_up_to_a_limit(num_classes, tmp_path):
    """The picture is readable for two classes and still a picture for a hundred."""
    names = [f"class {number}" for number in range(num_classes)]
    confusion = (np.eye(num_classes, dtype=int) * 9).tolist()
    draw_confusion(tmp_path / "confusion.png", confusion, names, "photos: logreg on vgg16")
    grey = pixels(tmp_path / "confusion.png")

    assert is_drawn(grey)
    assert 400 < min(grey.shape) <= max(grey.shape) < 2000


def test_confusion_has_true_classes_in_rows(tmp_path):
    """What is dark above the diagonal is not dark below it: row 0, column 1 is the right upper field."""
    draw_confusion(tmp_path / "confusion.png", [[0, 9], [9, 9]], ("a", "b"), "title")
    draw_confusion(tmp_path / "other.png", [[0, 9], [0, 9]], ("a", "b"), "title")
    changed = np.argwhere(pixels(tmp_path / "confusion.png") != pixels(tmp_path / "other.png"))
    height, _ = pixels(tmp_path / "other.png").shape

    assert len(changed)
    assert changed[:, 0].min() > height * 0.4  # the second row is the lower one


def test_class_without_images_is_an_empty_row(tmp_path):
    """No image of a class is no division by zero."""
    draw_confusion(tmp_path / "confusion.png", [[3, 0], [0, 0]], ("a", "b"), "title")

    assert is_drawn(pixels(tmp_path / "confusion.png"))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_class_name_can_be_drawn(name, tmp_path):
    """Long names are cut, and no name is read as a formula or breaks the picture."""
    draw_confusion(tmp_path / "confusion.png", [[3, 1], [0, 4]], (name, "b"), f"{name}: logreg")
    grey = pixels(tmp_path / "confusion.png")

    assert is_drawn(grey)
    assert max(grey.shape) < 1200


@pytest.mark.parametrize("title", [*ODD_NAMES, "photos: dense:256,relu,dropout:0.5,dense:256,relu,dropout:0.5 " * 3])
def test_any_title_can_be_drawn(title, tmp_path):
    """A title is text, however odd the data set's name, and a long one is broken into lines."""
    draw_confusion(tmp_path / "confusion.png", [[3, 1], [0, 4]], ("a", "b"), title)

    assert is_drawn(pixels(tmp_path / "confusion.png"))


def test_comparison_is_drawn(tmp_path):
    """Each regime is a point with its interval; times of zero are no problem for the logarithm."""
    rows = [
        {
            "regime": regime,
            "validation": 0.8,
            "ci95": [0.7, 0.9],
            "training_seconds": seconds,
            "extraction_seconds": extraction,
            "total_seconds": seconds + extraction,
        }
        for regime, seconds, extraction in (("cached", 0.0, 30.0), ("warm", 0.0, 0.0), ("live", 400.0, 0.0))
    ]
    draw_comparison(tmp_path / "comparison.png", rows, "photos")
    grey = pixels(tmp_path / "comparison.png")

    assert is_drawn(grey)
    assert 800 < grey.shape[1] < 1600


def test_settings_of_the_environment_are_not_for_these_plots(tmp_path):
    """What a matplotlibrc asks for changes nothing, needs nothing (LaTeX), and is still there for the user's own plots."""
    arguments = [[2, 1], [0, 3]], ("a", "b"), "title"
    draw_confusion(tmp_path / "plain.png", *arguments)
    with mpl.rc_context({"text.usetex": True, "font.size": 3, "savefig.format": "svg"}):
        draw_confusion(tmp_path / "other.png", *arguments)
        kept = mpl.rcParams["text.usetex"]

    assert (tmp_path / "other.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    assert kept is True


def test_plot_that_fails_leaves_nothing_behind(tmp_path):
    """A file is there whole or not at all."""
    with pytest.raises(KeyError):
        draw_curves(tmp_path / "curves.png", [{"epoch": 1}], "title")

    assert list(tmp_path.iterdir()) == []
