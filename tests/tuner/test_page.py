"""The tuner's page in a browser, on small images, some of which have a wrong label."""

import csv

import pytest

from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.tuner.choice import Choice, stops_of
from pipeline.tuner.panes.classes import ClassPane
from pipeline.tuner.serve import open_session
from tests.browser import assert_quiet, open_page
from tests.calls import read as scan
from tests.conftest import COLOURS, draw_photo
from tests.tuner.pages import Page, serving


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes; every fifth image is in the folder of the other class."""
    folder, seed = tmp_path_factory.mktemp("tuned") / "photos", 0
    for split, count in (("train", 20), ("validation", 10), ("test", 4)):
        for label, other in (("blue", "red"), ("red", "blue")):
            for number in range(count):
                colour = COLOURS[other if number % 5 == 4 else label]
                draw_photo(folder / split / label / f"{number}.png", colour, seed)
                seed += 1
    return folder


@pytest.fixture(scope="module")
def settings(photos):
    folder = photos.parent
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="module")
def session(photos, settings):
    """What the page is expected to show. Its rows are computed before the page needs them."""
    return open_session(photos, scan(photos), settings=settings)


@pytest.fixture(scope="module")
def page(photos, settings, session, home, browser):
    """The page, open, its first head fitted."""
    with serving(photos, settings, {"BOTTLENECK_HOME": str(home)}) as address:
        open_page(browser, address)
        yield Page(browser)


def summary_of(results):
    """The summary of a head on the page."""
    return f"log loss {results.validation.scores.loss:.4f}. {results.head} on {results.num_train}"


def names_of(session, predictions, indices):
    return [session.manifest.names[int(row)] for row in predictions.rows[indices]]


def test_page_opens_with_a_fitted_head(page, session):
    """It shows ridge's scores, curve, matrix and mistakes, writes no error to the console and asks no other machine."""
    results = session.refit(Choice())
    page.wait(lambda: summary_of(results) in page.summary)
    page.wait(lambda: len(page.all(".curve svg path")) > 4)

    assert page.images() == names_of(session, results.validation, results.validation.mistakes())
    loaded = "return [...document.querySelectorAll('.image img')].every(i => i.complete && i.naturalWidth > 0)"
    page.wait(lambda: page.driver.execute_script(loaded))
    assert_quiet(page.driver)


def test_moving_the_regularisation_refits(page, session):
    """An arrow key moves the slider by a stop, and the numbers are those of its value."""
    stops = stops_of("ridge")
    results = session.refit(Choice(value=stops[stops.index(1000.0) - 1]))
    slider = page.all(".controls .q-slider [tabindex]")[0]
    slider.send_keys("\ue012")  # the arrow to the left

    page.wait(lambda: summary_of(results) in page.summary)
    assert_quiet(page.driver)


def test_another_head_and_its_best_value(page, session):
    """A head from the list is fitted; `Best` moves the slider to what the command would choose."""
    choose_head(page, "logreg")
    choice = Choice("logreg", 0.01)
    page.wait(lambda: summary_of(session.refit(choice)) in page.summary)
    best = Choice("logreg", session.best_value(choice))
    page.press("Best")
    page.wait(lambda: summary_of(session.refit(best)) in page.summary)
    page.wait(lambda: f"C = {best.value:g}" in page.all(".controls")[0].text)

    choose_head(page, "ridge")
    page.wait(lambda: summary_of(session.refit(Choice())) in page.summary)
    assert_quiet(page.driver)


def choose_head(page, name):
    page.all(".controls .q-select")[0].click()
    page.wait(lambda: next(item for item in page.all(".q-menu .q-item") if item.text == name)).click()
    page.wait(lambda: not page.all(".q-menu"))


def test_images_show_where_the_head_looked(page, session):
    """A click shows the map of one image and takes it away, `e` those of all."""
    # Read from a copy: Chromium warns of a canvas that is read often, as it is where drawing takes long.
    drawn = """return [...document.querySelectorAll('.image canvas')].filter((canvas) => {
        if (!canvas.width) return false;
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        return copy.getImageData(0, 0, canvas.width, canvas.height).data.some((value, k) => k % 4 === 3 && value);
    }).length"""
    count = len(page.images())
    page.all(".image img")[1].click()
    page.wait(lambda: page.driver.execute_script(drawn) == 1)
    assert " against " in page.all(".image.looking .looked")[0].text
    page.all(".image img")[1].click()
    assert page.all(".image canvas") == []

    page.driver.find_element("tag name", "body").send_keys("e")
    page.wait(lambda: page.driver.execute_script(drawn) == count)
    page.press("Where it looked (e)")
    page.wait(lambda: page.all(".image canvas") == [])
    assert_quiet(page.driver)


def test_suspect_labels_show_where_the_head_looked(page, session):
    """In their list a click and the key `e` do the same; the small neighbours have no map of their own."""
    page.press("Suspect labels")
    images = page.wait(lambda: page.all(".suspects .image"))
    images[0].find_element("css selector", ":scope > img").click()
    page.wait(lambda: len(page.all(".suspects .image.looking canvas")) == 1)
    images[0].find_element("css selector", ".near img").click()
    page.driver.find_element("tag name", "body").send_keys("e")
    page.wait(lambda: len(page.all(".suspects .image.looking")) == len(images))
    page.press("Where it looked (e)")
    page.wait(lambda: page.all(".image.looking") == [])
    page.press(ClassPane(session, None).worst)
    assert_quiet(page.driver)


def test_cell_of_the_matrix_shows_its_images(page, session):
    """Those with this label and this prediction; `All mistakes` shows all mistakes again."""
    predictions = session.refit(Choice()).validation
    page.cell("blue recognised").click()
    expected = names_of(session, predictions, ClassPane(session, None).indices(predictions, (0, 0)))
    page.wait(lambda: page.images() == expected)

    assert page.cell("blue recognised").text == str(len(expected))
    assert page.cell("blue recognised").get_attribute("aria-pressed") == "true"
    page.press("All mistakes")
    page.wait(lambda: page.images() == names_of(session, predictions, predictions.mistakes()))


def test_strangest_images_are_shown(page, session):
    """Of the validation images, until a part or all mistakes are chosen."""
    predictions = session.refit(Choice()).validation
    page.press("Strangest")
    page.wait(lambda: page.images() == names_of(session, predictions, session.strangest(predictions)))

    assert any(text.startswith("Strangest first: 20 validation images") for text in (h.text for h in page.all("h2")))
    page.press("All mistakes")
    page.wait(lambda: page.images() == names_of(session, predictions, predictions.mistakes()))


def test_relabelling_changes_file_and_numbers(page, session, photos):
    """An image's new label is in the file beside the folder, and changes the head; `Undo` undoes it."""
    before, name = page.summary, page.images()[0]
    select = page.all(".image select")[0]
    assert select.get_attribute("aria-label") == f"Label of {name}"
    old = select.get_attribute("value")
    new = "red" if old == "blue" else "blue"
    select.find_element("css selector", f"option[value='{new}']").click()
    page.wait(lambda: page.summary != before)
    with photos.with_name("photos.labels.csv").open() as file:
        kept = {row["path"]: row["label"] for row in csv.DictReader(file)}

    assert kept == dict(zip(session.manifest.names, session.manifest.labels, strict=True)) | {name: new}
    assert "1 changed" in page.all(".labels")[0].text
    page.press("Undo")
    page.wait(lambda: page.summary == before)
    assert_quiet(page.driver)


def test_label_that_cannot_be_written_is_not_shown(page, photos):
    """The page shows the error, and the list shows the unchanged label."""
    path, before = photos.with_name("photos.labels.csv"), page.summary
    path.rename(path.with_name("aside.csv"))
    path.mkdir()
    select = page.all(".image select")[0]
    old = select.get_attribute("value")
    select.find_element("css selector", f"option[value='{'red' if old == 'blue' else 'blue'}']").click()
    page.wait(lambda: "cannot be written: Not a regular file. The file is as it was" in page.all(".status")[0].text)
    page.wait(lambda: page.all(".image select")[0].get_attribute("value") == old)
    path.rmdir()
    path.with_name("aside.csv").rename(path)

    assert page.summary == before
    assert_quiet(page.driver)


def test_saved_choice_is_a_run(page, settings):
    """It has the head and the scores of the page."""
    page.all("input[placeholder='default: from data, base and head']")[0].send_keys("from-the-page")
    page.press("Save as a run")
    page.wait(lambda: "Saved as from-the-page" in page.all(".status")[0].text)
    run = load_run("from-the-page", settings)

    assert run.folder.info.head in page.summary
    assert f"log loss {run.metrics['validation']['loss']:.4f}" in page.summary
    assert run.metrics["test"]["n"] == 8
    assert (run.folder.path / "confusion.png").is_file()
    assert_quiet(page.driver)


def test_page_answers_to_this_machine_alone(page):
    """A request under another host name, as after DNS rebinding, is refused."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    address = page.driver.current_url
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(address, headers={"Host": "evil.example"}))
    with urlopen(address) as answer:
        assert answer.status == 200
