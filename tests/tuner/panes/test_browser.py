"""The panes of labels and of numbers in a browser. The images of these sessions have no bytes, so their thumbnails are missing."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from pipeline.tuner.choice import Choice
from tests.browser import find, open_page, wait_until
from tests.stage_two.tasks import make_label_task, make_value_task
from tests.tuner.serving import serving
from tests.tuner.sessions import session_of


def opened(browser, server, width=1280):
    open_page(browser, f"http://127.0.0.1:{server.port}", width=width)
    wait_until(browser, "return document.querySelector('.summary')?.textContent.includes('training images')")


def names_shown(browser):
    return [image.get_attribute("alt") for image in find(browser, ".image img", least=1)]


@pytest.fixture(scope="module")
def labels():
    with serving("multilabel") as server:
        yield server


@pytest.fixture(scope="module")
def numbers():
    with serving("regression") as server:
        yield server


def test_a_label_shows_the_images_that_it_misses(labels, browser):
    """The button has their number, and a press shows exactly them, each with a button that removes the label."""
    session, _ = session_of(make_label_task())
    predictions = session.refit(Choice()).validation
    opened(browser, labels)
    missed = [(predictions.y[:, k] == 1) & (predictions.decided[:, k] == 0) for k in range(3)]
    number = max(range(3), key=lambda k: missed[k].sum())
    button = find(browser, ".by-label button", least=9)[3 * number]
    expected = {session.manifest.names[row] for row in predictions.rows[missed[number]]}

    assert button.text == str(len(expected))
    button.click()
    wait_until(browser, "return document.querySelectorAll('.image').length === arguments[0]", len(expected))
    assert set(names_shown(browser)) == expected
    assert {entry.text for entry in find(browser, ".image .relabel")} == {f"Remove {session.classes[number]}"}
    assert find(browser, ".controls .q-select")[0].is_displayed()
    assert "mean average precision" in find(browser, ".results h2")[0].text


@pytest.mark.parametrize("width", [1280, 390])
def test_numbers_have_a_point_for_each_image(numbers, browser, width):
    """And the largest errors below; nothing offers to change a number, and the page does not scroll sideways."""
    session, _ = session_of(make_value_task())
    predictions = session.refit(Choice()).validation
    opened(browser, numbers, width)
    expected = [session.manifest.names[int(row)] for row in predictions.rows[predictions.mistakes()]]
    wait_until(browser, "return document.querySelectorAll('.scatter svg path').length > 50")

    assert names_shown(browser) == expected[:60]
    assert find(browser, ".image .relabel, .image select") == []
    assert "Numbers are changed in their table" in find(browser, ".labels")[0].text
    root = "document.documentElement"
    assert browser.execute_script(f"return {root}.scrollWidth === {root}.clientWidth")


def test_point_shows_its_image_and_a_click_puts_it_first(numbers, browser):
    """The tip has the numbers of the point; below, its image comes before the largest errors."""
    opened(browser, numbers)
    wait_until(browser, "return document.querySelectorAll('.scatter svg path').length > 50")
    points = [point for point in find(browser, ".scatter svg path") if point.get_attribute("fill") == "#2b8cc4"]
    last = max(points, key=lambda point: point.rect["x"])  # no other point covers it
    ActionChains(browser).move_to_element(last).perform()
    wait_until(browser, "return document.querySelector('.scatter').textContent.includes('predicted ')")
    ActionChains(browser).click().perform()
    wait_until(browser, "return document.querySelector('.results').textContent.includes('The chosen image, and')")
    largest = max(find(browser, ".image .label"), key=lambda entry: float(entry.text.removeprefix("true ")))

    assert find(browser, ".image .label")[0].text == largest.text
    browser.find_element("xpath", "//button[normalize-space()='All largest errors']").click()
    wait_until(browser, "return document.querySelector('.results').textContent.includes('Largest errors: ')")


def test_curves_of_a_label_follow_the_list(labels, browser):
    """A label has both curves with the dot of its threshold; another one is chosen in the list."""
    opened(browser, labels)
    wait_until(browser, "return document.querySelectorAll('.pair-curve svg path').length > 4")
    text = "return [...document.querySelectorAll('.note')].find(note => note.textContent.startsWith('Curves'))?.textContent"

    assert "'cat'" in browser.execute_script(text)
    browser.execute_script("document.querySelector('.results .q-select, .q-select:last-of-type').scrollIntoView()")
    find(browser, "[aria-label='Curves of']")[0].click()
    wait_until(browser, "return document.querySelectorAll('.q-item').length === 3")
    find(browser, ".q-item", least=3)[1].click()
    wait_until(browser, f"{text}.includes(arguments[0])", "'dog'")
