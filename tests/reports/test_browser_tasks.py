"""The report on several labels, on numbers and on two classes in a browser."""

import json

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipeline.settings import Settings
from tests.browser import assert_quiet, find, open_page, wait_until
from tests.calls import report
from tests.reports.samples import make_task_run
from tests.stage_two.tasks import make_label_task, make_task, make_value_task

LABELLED = {
    "things": make_label_task(),
    "age": make_value_task(),
    "both": make_value_task(names=("age", "mass")),
    "sick": make_task(num_classes=2, distance=1.3, shape=(8,)),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A run for each question about the same images, and another one for the labels."""
    folder = tmp_path_factory.mktemp("asked")
    for name, labelled in LABELLED.items():
        make_task_run(folder / "runs", name, labelled, label_column=name, data_digest=name)
    make_task_run(
        folder / "runs", "things-knn", LABELLED["things"], "knn:k=5", label_column="things", data_digest="things"
    )
    return Settings.of(runs=folder / "runs", cache=folder / "cache")


@pytest.fixture(scope="module")
def page(settings):
    path, _ = report(settings=settings)
    return path.as_uri()


def data_of(browser):
    return json.loads(find(browser, "#data")[0].get_attribute("textContent"))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (360, "light")])
def test_page_is_quiet_and_fits(width, scheme, browser, page):
    """All sections open without an error, and only tables scroll sideways."""
    open_page(browser, page, width=width, scheme=scheme)
    for section in find(browser, "details.run:not([open]) > summary"):
        section.click()
    find(browser, "details.run[open] .figures", least=5)
    root = "document.documentElement"

    assert browser.execute_script(f"return {root}.scrollWidth === {root}.clientWidth")
    assert_quiet(browser)


def test_questions_about_the_same_images_are_together(browser, page):
    """A table has the best run of each, and each has a leaderboard that names its score."""
    open_page(browser, page)
    [table] = find(browser, "[aria-label=Questions]", least=1)
    rows = [
        [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]
    heads = " ".join(head.text for head in find(browser, "h2"))

    assert [row[:4] for row in rows] == [
        ["age", "a number", "age", "R2"],
        ["both", "2 numbers", "both", "R2"],
        ["sick", "one of two classes", "sick", "accuracy"],
        ["things", "any of 3 labels", "things", "mean average precision"],
    ]
    assert "ranked by mean average precision" in heads
    assert "ranked by R2" in heads


def test_label_shows_the_images_that_it_misses_and_is_wrongly_given(browser, page):
    """A press on a label of the table shows as many as the table counts."""
    open_page(browser, f"{page}#things")
    run = next(run for run in data_of(browser)["runs"] if run["name"] == "things")
    for number, entry in enumerate(run["splits"]["test"]["labels"]):
        find(browser, "#things button.link", least=3)[number].click()
        name = run["task"]["names"][number]
        wait_until(browser, "return document.querySelector('#things h3.chosen').textContent === arguments[0]", name)
        shown = {
            box.find_element(By.TAG_NAME, "h4").text.split(":")[0].lower(): len(box.find_elements(By.TAG_NAME, "li"))
            for box in find(browser, "#things .answers")
        }
        expected = {
            what: min(entry[what]["count"], 36) for what in ("missed", "false", "found") if entry[what]["count"]
        }
        assert shown == expected
    assert find(browser, "#things .curve svg path.line", least=1)
    assert_quiet(browser)


def test_points_of_numbers_show_their_images(browser, page):
    """Arrow keys go from point to point, in both charts; a second column is chosen by its name."""
    open_page(browser, f"{page}#both")
    charts = find(browser, "#both .map.plain svg", least=2)
    for number, chart in enumerate(charts):
        browser.execute_script("arguments[0].focus()", chart)
        seen = set()
        for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_UP):
            chart.send_keys(key)
            tip = find(browser, "#both .map.plain .tip")[number]
            assert tip.is_displayed()
            seen.add(tip.text)
        assert len(seen) > 1
    next(button for button in find(browser, "#both .choice button") if button.text == "mass").click()
    wait_until(
        browser, "return document.querySelector('#both .map.plain svg')?.getAttribute('aria-label').includes('mass')"
    )
    assert len(find(browser, "#both .map.plain svg .dot", least=1)) == 2 * 54
    assert_quiet(browser)


def test_two_classes_have_the_curves_of_their_thresholds(browser, page):
    """With a ring at the threshold in use, and what it gives in words."""
    open_page(browser, f"{page}#sick")
    section = next(
        entry for entry in find(browser, "#sick section", least=5) if entry.text.startswith("Thresholds of bee")
    )

    assert "the ring is the threshold in use, 0.5" in section.text
    assert len(section.find_elements(By.CSS_SELECTOR, "path.mark.hollow")) == 2
    assert_quiet(browser)
