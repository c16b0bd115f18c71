"""The plot of a confusion matrix."""

import subprocess
import sys
from unicodedata import category

import numpy as np
import pytest
from matplotlib.font_manager import findfont, get_font

from pipeline.runs.plots import fonts
from pipeline.runs.plots.confusion import draw_confusion
from tests.runs.images import ODD_NAMES, is_drawn, pixels


@pytest.mark.parametrize("num_classes", [2, 10, 20, 100])
def test_confusion_grows_with_the_classes_up_to_a_limit(num_classes, tmp_path):
    """The plot grows with the number of classes, up to a limit of 2,000 pixels."""
    names = [f"class {number}" for number in range(num_classes)]
    confusion = (np.eye(num_classes, dtype=int) * 9).tolist()
    draw_confusion(tmp_path / "confusion.png", confusion, names, "photos: logreg on vgg16")
    grey = pixels(tmp_path / "confusion.png")

    assert is_drawn(grey)
    assert 400 < min(grey.shape) <= max(grey.shape) < 2000


def test_confusion_has_true_classes_in_rows(tmp_path):
    """Row 0, column 1 is the upper right cell; another value in row 1 changes the lower half of the plot."""
    draw_confusion(tmp_path / "confusion.png", [[0, 9], [9, 9]], ("a", "b"), "title")
    draw_confusion(tmp_path / "other.png", [[0, 9], [0, 9]], ("a", "b"), "title")
    changed = np.argwhere(pixels(tmp_path / "confusion.png") != pixels(tmp_path / "other.png"))
    height, _ = pixels(tmp_path / "other.png").shape

    assert len(changed)
    assert changed[:, 0].min() > height * 0.4  # the second row is the lower one


def test_class_without_images_is_an_empty_row(tmp_path):
    """A class without images does not lead to a division by zero."""
    draw_confusion(tmp_path / "confusion.png", [[3, 0], [0, 0]], ("a", "b"), "title")

    assert is_drawn(pixels(tmp_path / "confusion.png"))


@pytest.mark.parametrize("installed", [True, False])
def test_class_names_in_any_script_have_a_font_or_a_warning(installed, tmp_path, monkeypatch, caplog):
    """Another font is used where it has the characters; otherwise boxes are drawn, and that is said once."""
    other = findfont("STIXGeneral")
    own = set(get_font(findfont("DejaVu Sans")).get_charmap())
    letters = (chr(code) for code in sorted(get_font(other).get_charmap()) if code > 0xFF and code not in own)
    letter = next(letter for letter in letters if category(letter)[0] != "M")  # marks are drawn on another letter
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [other] if installed else [])
    fonts.file_with.cache_clear()
    fonts._warn.cache_clear()
    draw_confusion(tmp_path / "confusion.png", [[3, 1], [0, 4]], (letter, f"{letter}b"), "title")
    draw_confusion(tmp_path / "latin.png", [[3, 1], [0, 4]], ("Größe", "b"), "title")
    fonts.file_with.cache_clear()

    assert is_drawn(pixels(tmp_path / "confusion.png"))
    assert caplog.text.count("boxes for characters such as") == (0 if installed else 1)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_class_name_can_be_drawn(name, tmp_path):
    """Long names are shortened, and no name is parsed as a formula or breaks the plot."""
    draw_confusion(tmp_path / "confusion.png", [[3, 1], [0, 4]], (name, "b"), f"{name}: logreg")
    grey = pixels(tmp_path / "confusion.png")

    assert is_drawn(grey)
    assert max(grey.shape) < 1200


@pytest.mark.parametrize("title", [*ODD_NAMES, "photos: dense:256,relu,dropout:0.5,dense:256,relu,dropout:0.5 " * 3])
def test_any_title_can_be_drawn(title, tmp_path):
    """A title is text, however odd the data set's name, and a long one is broken into lines."""
    draw_confusion(tmp_path / "confusion.png", [[3, 1], [0, 4]], ("a", "b"), title)

    assert is_drawn(pixels(tmp_path / "confusion.png"))


def test_a_failure_leaves_nothing_behind(tmp_path):
    """A row of text cannot be drawn, and there is no half of a file."""
    with pytest.raises(TypeError):
        draw_confusion(tmp_path / "confusion.png", [["a"]], ("a",), "title")

    assert list(tmp_path.iterdir()) == []


def test_matplotlib_is_not_imported(tmp_path):
    """Its import takes longer than a linear head on a warm store."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.runs.plots.confusion import draw_confusion\n"
        f"draw_confusion(Path({str(tmp_path / 'confusion.png')!r}), [[1]], ('a',), 'title')\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

    assert is_drawn(pixels(tmp_path / "confusion.png"))
