"""Report, leaderboard and tuner in a browser, on real images and with real weights.

The images are pieces of the two photos that scikit-learn ships, a Chinese temple and a dahlia. Two pieces of the dahlia are among the
test images of the temple, and two among its validation images, so that there are mistakes to look at.
"""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from pipeline.settings import Settings
from pipeline.tuner.choice import Choice, stops_of
from pipeline.tuner.serve import open_session
from tests.browser import assert_quiet, find, open_page
from tests.calls import fit, report, scan, sweep
from tests.tuner.pages import Page, serving

pytestmark = pytest.mark.real

PIECE_PX = 96
COUNTS = {"train": 20, "validation": 8, "test": 8}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pieces of each photo in its class folder; the name of a piece is its true class."""
    folder, rng = tmp_path_factory.mktemp("real") / "photos", np.random.default_rng(0)
    temple, dahlia = load_sample_images().images
    for label, own, other in (("temple", temple, dahlia), ("dahlia", dahlia, temple)):
        for split, count in COUNTS.items():
            for number in range(count):
                is_wrong = label == "temple" and split != "train" and number < 2
                piece = cut_piece(other if is_wrong else own, rng)
                path = folder / split / label / f"{'dahlia' if is_wrong else label}-{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(piece).save(path)
    return folder


def cut_piece(photo, rng):
    """A piece from the middle of a photo, where both show something."""
    height, width, _ = photo.shape
    top, left = rng.integers(height // 4, height // 2), rng.integers(width // 4, width // 2)
    return photo[top : top + PIECE_PX, left : left + PIECE_PX]


@pytest.fixture(scope="module")
def settings(photos):
    folder = photos.parent
    return Settings.of(base="squeezenet", size=64, cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="module")
def page_of_all(photos, settings):
    """The leaderboard, with the sections of all runs."""
    fit(photos, "logreg:C=0.01", name="best", settings=settings)
    sweep(photos, ("ridge", "knn:k=3"), name="swept", settings=settings)
    path, _ = report(settings=settings)
    return path.as_uri()


def test_report_and_leaderboard_show_the_images(browser, page_of_all):
    """A cell of the matrix shows exactly the pieces in the wrong folder, and no request leaves the machine."""
    open_page(browser, page_of_all)
    assert len(find(browser, "table", least=1)) >= 1
    [cell] = find(browser, "details.run[open] button[aria-label='2 images of temple predicted as dahlia']", least=1)
    cell.click()
    names = [image.get_attribute("alt") for image in find(browser, ".images.boxed img", least=2)]

    assert sorted(names) == ["test/temple/dahlia-0.png", "test/temple/dahlia-1.png"]
    assert_quiet(browser)


def test_tuner_refits_and_shows_the_images(browser, photos, settings):
    """Another regularisation gives other scores, a cell shows the pieces in the wrong folder, and no request leaves the machine."""
    session = open_session(photos, scan(photos), settings=settings)
    with serving(photos, settings, {}) as address:
        open_page(browser, address)
        page = Page(browser)
        first = session.refit(Choice())
        page.wait(lambda: f"{first.validation.scores.loss:.4f}" in page.summary)
        page.cell("temple predicted as dahlia").click()
        page.wait(lambda: len(page.images()) == 2)
        assert sorted(page.images()) == ["validation/temple/dahlia-0.png", "validation/temple/dahlia-1.png"]
        stops = stops_of("ridge")
        second = session.refit(Choice(value=stops[stops.index(1000.0) - 1]))
        page.all(".controls .q-slider [tabindex]")[0].send_keys("\ue012")  # the arrow to the left
        page.wait(lambda: f"{second.validation.scores.loss:.4f}" in page.summary)
        assert_quiet(browser)  # while the server runs: without it the page reports that it has lost the connection

    assert first.validation.scores.loss != second.validation.scores.loss
