"""The programs in Python of README and of their own page, which need nothing of the other pages."""

from collections import Counter

import pytest

from pipeline.images.scan import scan
from tests.conftest import COLOURS, draw_photo
from tests.documents import APART, PROJECT, run_page


@pytest.mark.real
def test_page_on_python_shows_what_comes_out(tmp_path):
    """Every program of the page runs, and prints what the page says it does."""
    assert run_page(APART, tmp_path) > 0


@pytest.mark.real
def test_python_of_the_readme_runs(tmp_path):
    """The program of README does what it says, on photographs in the folder that they name."""
    draw_few_photos(tmp_path / "photos")
    draw_photo(tmp_path / "new-1.jpg", COLOURS["red"], 100)
    draw_photo(tmp_path / "new-2.jpg", COLOURS["blue"], 101)

    assert run_page(PROJECT / "README.md", tmp_path) == 1


def draw_few_photos(folder):
    """Class folders with two photographs of each class for each split, which follows from a photograph's content."""
    for number in range(100):
        label = ("red", "blue")[number % 2]
        draw_photo(folder / label / f"{number}.jpg", COLOURS[label], number)
    manifest, seen = scan(folder), Counter()
    for name, label, split in zip(manifest.names, manifest.labels, manifest.splits, strict=True):
        seen[label, split] += 1
        if seen[label, split] > 2:
            (folder / name).unlink()
