"""The list of suspect labels, and images that are alike, in a browser. The images have no bytes, so their thumbnails are missing."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from pipeline.tuner.choice import Choice
from pipeline.tuner.labels import LabelFile
from tests.browser import find, open_page, wait_until
from tests.tuner.pages import Page
from tests.tuner.serving import serving
from tests.tuner.sessions import make_session


@pytest.fixture(scope="module")
def server():
    with serving("hard") as started:
        yield started


@pytest.fixture
def session(tmp_path):
    """What the page is expected to show."""
    return make_session(LabelFile(tmp_path / "labels.csv"))[0]


@pytest.fixture
def page(server, browser):
    """The page with the list; no change is left behind."""
    page = opened(browser, server)
    yield page
    while page.all(".controls .line button") and page.all(".controls .line button")[-1].is_displayed():
        before = page.all(".labels")[0].text
        page.press("Undo")
        page.wait(lambda text=before: page.all(".labels")[0].text != text)


def opened(browser, server, width=1280):
    open_page(browser, f"http://127.0.0.1:{server.port}", width=width)
    wait_until(browser, "return document.querySelector('.summary')?.textContent.includes('training images')")
    page = Page(browser)
    page.press("Suspect labels")
    find(browser, ".suspects .image", least=3)
    return page


def shown(page):
    return [image.get_attribute("alt") for image in page.all(".suspects figure > img")]


def chosen(page):
    return [image.get_attribute("alt") for image in page.all(".suspects .current > img")]


def expected(session):
    return [suspect.image.path for suspect in session.suspects(Choice(), 24).shown]


def press(page, keys):
    ActionChains(page.driver).send_keys(keys).perform()


def test_list_shows_the_suspects(page, session):
    """In order, with both probabilities and the neighbours that disagree; the mistakes are hidden meanwhile."""
    first = session.suspects(Choice(), 1).shown[0]
    card = page.all(".suspects .image")[0].text

    assert shown(page) == expected(session)
    assert f"label {first.image.label}" in card
    assert f"likely {first.likely}" in card
    assert len(page.all(".suspects .image")[0].find_elements("css selector", ".near img")) == len(first.neighbours)
    assert "of 150 images" in page.all(".results")[0].text
    assert not any(element.is_displayed() for element in page.all(".card button") if element.text == "All mistakes")

    page.press("Mistakes")
    page.wait(lambda: not page.all(".suspects")[0].is_displayed())


def test_keys_take_keep_and_undo(page, session):
    """n and b choose an image, a takes its likely label, k keeps its label, u undoes; the list is ranked again after each."""
    names = expected(session)
    press(page, "nnb")
    page.wait(lambda: chosen(page) == [names[1]])

    press(page, "a")
    row = session.manifest.names.index(names[1])
    session.relabel(row, next(one.likely for one in session.suspects(Choice(), 24).shown if one.image.row == row))
    page.wait(lambda: shown(page) == expected(session))
    assert "1 changed" in page.all(".labels")[0].text

    [kept] = chosen(page)
    press(page, "k")
    session.check(session.manifest.names.index(kept))
    page.wait(lambda: shown(page) == expected(session))
    assert "1 checked" in page.all(".labels")[0].text

    press(page, "u")
    page.wait(lambda: chosen(page) == [kept])
    press(page, "u")
    page.wait(lambda: shown(page) == names)
    assert chosen(page) == [names[1]]


def test_a_press_does_the_same(page, session):
    """`Label is right` takes the image from the list, and the button of its likely label too."""
    names = expected(session)
    page.all(".suspects .image")[0].find_elements("css selector", ".relabel")[1].click()
    page.wait(lambda: shown(page)[0] == names[1])
    page.all(".suspects .image")[0].find_elements("css selector", ".relabel")[0].click()
    page.wait(lambda: names[1] not in shown(page))
    page.wait(lambda: "1 changed since the start; 1 checked" in page.all(".labels")[0].text)


def test_what_was_checked_can_be_asked_again(page, session):
    """`1 checked` lists it, `Ask again` makes it a suspect again, and `Suspects` leads back."""
    names = expected(session)
    press(page, "k")
    page.wait(lambda: shown(page)[0] == names[1])
    page.press("1 checked")
    page.wait(lambda: shown(page) == names[:1])
    assert "Checked labels: 1" in page.all(".results")[0].text

    press(page, "k")
    page.press("Ask again")
    page.wait(lambda: shown(page) == [])
    page.wait(lambda: "No label is checked." in page.all(".results")[0].text)
    page.press("Suspects")
    page.wait(lambda: shown(page) == names)
    assert "checked" not in page.all(".labels")[0].text


def test_keys_do_nothing_elsewhere(page, session):
    """Not while a name is typed, nor above an open window, nor when the list is closed."""
    names = shown(page)
    page.all("input[placeholder='default: from data, base and head']")[0].send_keys("aka")
    page.all(".suspects .like")[0].click()
    page.wait(lambda: page.all(".alike .image"))
    press(page, "ak")
    page.press("Close")
    page.wait(lambda: not page.all(".alike"))
    page.press("Mistakes")
    page.wait(lambda: not page.all(".suspects")[0].is_displayed())
    press(page, "ak")
    page.press("Suspect labels")
    page.wait(lambda: shown(page) == names)

    assert "changed" not in page.all(".labels")[0].text


@pytest.mark.parametrize("width", [1280, 390])
def test_more_like_this_shows_the_nearest(server, browser, session, width):
    """Twelve images with their cosines, from each of which one can go on; nothing scrolls sideways."""
    page = opened(browser, server, width)
    name = shown(page)[0]
    page.all(".suspects .like")[0].click()
    for _ in range(2):
        found = session.alike(Choice(), session.manifest.names.index(name))
        wanted = [name, *(session.manifest.names[row] for row, _ in found)]
        page.wait(
            lambda wanted=wanted: [image.get_attribute("alt") for image in page.all(".alike .image img")] == wanted
        )
        assert f"cosine {found[0][1]:.3f}" in page.all(".alike")[0].text
        name = wanted[1]
        page.all(".alike .like")[0].click()

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
