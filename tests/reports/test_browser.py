"""The report in a browser, on images whose names are attacks."""

import json
from urllib.parse import quote

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipeline.runs.folder import open_run
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.tasks.class_scores import score
from tests.browser import assert_quiet, find, open_page, wait_until
from tests.calls import fit, report, sweep
from tests.conftest import COLOURS, draw_photo
from tests.reports.samples import make_run

SCRIPT = "</script><script>document.title = 'attacked'</script>"
IMAGE = '"><img src=x onerror="document.title = \'attacked\'">'
CLASSES = {SCRIPT: "red", IMAGE: "blue", "plain": "green"}
RUN = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Runs on a table of images. Two test images of each class have another colour than their label says, and one image two labels."""
    folder = tmp_path_factory.mktemp("report")
    lines, seed = ["path,label,split"], 0
    for label, colour in CLASSES.items():
        wrong = COLOURS["green" if colour != "green" else "red"]
        for split, count in (("train", 8), ("validation", 4), ("test", 5)):
            for number in range(count):
                seed += 1
                name = f"{IMAGE[:25]}{seed}.png"
                draw_photo(folder / "photos" / name, wrong if split == "test" and number < 2 else COLOURS[colour], seed)
                lines.append(",".join('"' + text.replace('"', '""') + '"' for text in (name, label, split)))
    lines.append(f'{lines[1][: lines[1].index(".png")]}.png","plain","train"')
    (folder / "photos" / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    folders = {"cache": folder / "cache", "runs": folder / "runs", "backend": "threading"}
    made = Settings.of(base="squeezenet", size=48, weights="random", **folders)
    data = folder / "photos" / "table.csv"
    fit(data, "logreg:C=1", name=RUN, plots=False, settings=made)
    fit(data, "dense:4", name="layers", training=Training(epochs=3), plots=False, settings=made)
    sweep(data, ("ridge", "knn:k=3"), name="swept", settings=made)
    return made


@pytest.fixture(scope="module")
def pages(settings):
    """The page of one run, and that of all."""
    one, _ = report([RUN], settings.paths.runs / "one.html", settings=settings)
    every, _ = report(settings=settings)
    return {"one": one.as_uri(), "every": every.as_uri()}


def names_shown(browser):
    """Names of the images that are shown for the pressed cell of the matrix."""
    return [image.get_attribute("alt") for image in find(browser, ".images.boxed img")]


@pytest.mark.parametrize("page", ["one", "every"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
def test_page_is_quiet_and_fits(page, width, scheme, browser, pages):
    """On any screen there is no error, no request to another machine, and only tables scroll sideways."""
    open_page(browser, pages[page], width=width, scheme=scheme)
    for section in find(browser, "details.run:not([open]) > summary"):
        section.click()
    find(browser, "details.run[open] canvas", least=1 if page == "one" else 3)
    root = "document.documentElement"
    wide, inside = browser.execute_script(f"return [{root}.scrollWidth, {root}.clientWidth]")
    light = browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"

    assert wide == inside
    assert light == (scheme == "light")
    assert_quiet(browser)


def test_names_that_are_attacks_are_text(browser, pages, settings):
    """Names of classes, files and runs are shown as they are, and none of them becomes an element or runs."""
    open_page(browser, pages["one"])
    heads = [cell.text for cell in find(browser, ".matrix tbody th")]
    sources = {image.get_attribute("src")[:22] for image in find(browser, "img")}

    assert sorted(heads) == sorted(CLASSES)
    assert browser.title == RUN
    assert find(browser, "details.run > summary h2")[0].text == RUN
    assert sources == {"data:image/jpeg;base64"}
    assert len(find(browser, "script")) == 2
    assert any(name.startswith(IMAGE[:25]) for name in names_shown(browser))
    assert_quiet(browser)


@pytest.mark.parametrize("way", ["click", "enter"])
@pytest.mark.parametrize("split", ["test", "train"])
def test_cell_of_the_matrix_shows_its_images(way, split, browser, pages, settings):
    """A click, or Enter, on a cell shows exactly the images that it counts."""
    open_page(browser, pages["one"])
    next(button for button in find(browser, ".choice button") if button.text == split).click()
    rows = [row for row in open_run(RUN, settings.paths.runs).predictions() if row["split"] == split]
    classes = sorted(CLASSES)
    cells = find(browser, ".matrix .cell")
    seen = 0
    for cell, (label, predicted) in zip(cells, [(a, b) for a in classes for b in classes], strict=True):
        expected = {row["path"] for row in rows if (row["label"], row["predicted"]) == (label, predicted)}
        assert cell.text == str(len(expected))
        assert cell.is_enabled() == bool(expected)
        if expected:
            cell.click() if way == "click" else cell.send_keys(Keys.ENTER)
            seen += len(expected)
            assert set(names_shown(browser)) == expected
            assert cell.get_attribute("aria-pressed") == "true"

    assert seen == len(rows)
    assert_quiet(browser)


def test_image_under_two_labels_is_shown_under_each(browser, pages):
    """In a section of its own, with the names of the labels as text."""
    open_page(browser, pages["one"])
    [section] = [entry for entry in find(browser, "section") if entry.text.startswith("Images under two labels")]
    shown = section.find_elements(By.CSS_SELECTOR, ".twins .photo")

    assert "1 image with the same bytes under more than one label" in section.text
    assert section.find_element(By.CSS_SELECTOR, ".twins p").text == f"{SCRIPT}, plain"
    assert len(shown) == 2
    assert_quiet(browser)


def test_leaderboard_is_sorted_by_the_keyboard(browser, pages, settings):
    """Enter on a column's head sorts by it, once more the other way round, and the head says so."""
    open_page(browser, pages["every"])
    seconds = {name: open_run(name, settings.paths.runs).info.seconds for name in (RUN, "layers", "swept")}
    table = find(browser, "[aria-label=Leaderboard]")[0]
    [head] = [entry for entry in table.find_elements(By.CSS_SELECTOR, "th") if entry.text.startswith("seconds")]

    def names():
        return [cell.text for cell in table.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(2)")]

    for direction in ("ascending", "descending"):
        head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        assert head.get_attribute("aria-sort") == direction
        assert names() == sorted(seconds, key=seconds.get, reverse=direction == "descending")
    assert_quiet(browser)


def test_leaderboard_leads_to_the_section_of_a_run(browser, pages):
    """A link of the leaderboard opens the section of the run, and so does its address."""
    open_page(browser, pages["every"])
    for name in ("layers", "swept"):
        next(link for link in find(browser, "[aria-label=Leaderboard] a") if link.text == name).click()
        wait_until(browser, "return document.getElementById(arguments[0]).querySelector('canvas') !== null", name)
    assert "The sweep" in [head.text for head in find(browser, "#swept[open] h3", least=8)]

    open_page(browser, f"{pages['every']}#{quote(RUN, safe='')}")
    wait_until(browser, "return document.getElementById(arguments[0]).querySelector('canvas') !== null", RUN)
    assert_quiet(browser)


def test_map_is_used_by_the_keyboard(browser, pages, settings):
    """Arrow keys go from image to image of the map and show each; the legend shows only one kind."""
    open_page(browser, pages["one"])
    [canvas] = find(browser, "canvas")
    names = {row["path"] for row in open_run(RUN, settings.paths.runs).predictions()}
    seen = set()
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT):
        canvas.send_keys(key)
        seen.add(find(browser, ".tip img")[0].get_attribute("alt"))
    next(button for button in find(browser, ".choice button") if button.text == "error").click()
    next(button for button in find(browser, ".legend button") if button.text == "wrong").click()
    canvas.send_keys(Keys.ARROW_RIGHT)

    assert len(seen) > 1
    assert seen <= names
    assert find(browser, ".tip .wrong") != []
    assert_quiet(browser)


def test_map_shows_what_the_pointer_is_on(browser, pages):
    """The rightmost image is shown while the pointer is on it, and hidden when it leaves."""
    open_page(browser, pages["one"])
    [canvas] = find(browser, "canvas")
    content = json.loads(find(browser, "#data")[0].get_attribute("textContent"))
    drawn, names = content["maps"][0]["pca"], content["galleries"][0]["names"]
    row = drawn["x"].index(4095)
    x = 18 + canvas.size["width"] - 36
    y = 18 + (1 - drawn["y"][row] / 4095) * (canvas.size["height"] - 36)
    to = [int(x - canvas.size["width"] / 2), int(y - canvas.size["height"] / 2)]

    ActionChains(browser).move_to_element_with_offset(canvas, *to).perform()
    assert [image.get_attribute("alt") for image in find(browser, ".tip img", least=1)] == [names[row]]
    ActionChains(browser).move_to_element(find(browser, "footer")[0]).perform()
    wait_until(browser, "return document.querySelector('.tip').hidden")
    assert_quiet(browser)


def test_learning_curves_have_a_point_per_epoch(browser, pages):
    """The run of a dense head has two charts with a mark per epoch, for training and for validation."""
    open_page(browser, f"{pages['every']}#layers")
    charts = find(browser, "#layers .chart svg[aria-label$='by epoch']", least=2)

    assert [len(chart.find_elements(By.CSS_SELECTOR, ".mark")) for chart in charts] == [6, 6]
    assert_quiet(browser)


@pytest.mark.parametrize(("num_classes", "width"), [(10, 1100), (2, 390)])
def test_tables_of_usual_size_need_no_scrolling(num_classes, width, browser, tmp_path):
    """The confusion matrix of ten classes on a screen, that of two on a phone, and recall and precision on both."""
    classes, y = tuple(map(str, range(num_classes))), np.arange(num_classes).repeat(2)
    P = np.eye(num_classes, dtype=np.float32)[y]
    splits = ("validation", "test")
    rows = [(f"{s}{n}.png", s, classes[k], bytes([n] * 32), P[n]) for s in splits for n, k in enumerate(y)]
    make_run(tmp_path / "runs", "plain", classes=classes, rows=rows, scores={s: score(P, y, classes) for s in splits})
    page, _ = report(["plain"], settings=Settings.of(runs=tmp_path / "runs", cache=tmp_path / "cache"))
    open_page(browser, page.as_uri(), width=width)
    boxes = find(browser, ".scroll", least=2)

    assert len(boxes) == 2
    for box in boxes:
        shown, whole = browser.execute_script("return [arguments[0].clientWidth, arguments[0].scrollWidth]", box)
        assert whole <= shown


@pytest.mark.parametrize("width", [390, 1280])
def test_headings_and_long_names_are_legible(width, browser, tmp_path):
    """No heading is broken inside a word; a long name takes some lines, not a column of single letters."""
    runs, name = tmp_path / "runs", "compare-flowers-of-the-garden-cached-finetune"
    for head in ("dense:64,relu,dropout:0.5", "logreg"):
        make_run(
            runs, f"{name}-{head[:3]}", head=head, rows=[("0.png", "validation", "a", bytes(32), np.array([0.9, 0.1]))]
        )
    page, _ = report([f"{name}-den", f"{name}-log"], settings=Settings.of(runs=runs, cache=tmp_path / "cache"))
    open_page(browser, page.as_uri(), width=width)
    [board, *_] = find(browser, ".scroll table", least=1)
    heights = browser.execute_script(
        "return [...arguments[0].querySelectorAll('th button, td .long')].map(e => [e.textContent, e.clientHeight])",
        board,
    )

    assert {text for text, height in heights if height > 130} == set()
    assert {text for text, height in heights if height > 30 and " " not in text} <= {
        f"{name}-den",
        f"{name}-log",
        "dense:64,relu,dropout:0.5",
    }
    assert len(heights) > 10


def _is_drawn(browser, selector):
    """Whether a canvas has colours."""
    script = """const canvas = document.querySelector(arguments[0]);
        if (!canvas?.width) return false;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, k) => k % 4 === 3 && value > 0);"""
    wait_until(browser, script, selector)


def test_image_shows_where_the_head_looked(browser, pages):
    """A click shows the map of one image with its scale, `e` or the button those of all; they are off at first."""
    open_page(browser, pages["one"])
    buttons = find(browser, ".images .look", least=2)
    assert {button.get_attribute("aria-pressed") for button in buttons} == {"false"}
    buttons[1].click()
    _is_drawn(browser, '.look[aria-pressed="true"] canvas')

    assert buttons[0].get_attribute("aria-pressed") == "false"
    scale = browser.find_element(By.CSS_SELECTOR, '.look[aria-pressed="true"] + .looked')
    assert " against " in scale.text
    assert scale.text.endswith(" logits")
    ActionChains(browser).send_keys("e").perform()
    wait_until(browser, "return !document.querySelector('.look[aria-pressed=false]')")
    ActionChains(browser).send_keys("e").perform()
    wait_until(browser, "return !document.querySelector('.look[aria-pressed=true]')")
    find(browser, ".note .all")[0].click()
    wait_until(browser, "return !document.querySelector('.look[aria-pressed=false]')")


def test_strangest_images_are_shown(browser, pages, settings):
    """The histogram has a line for each split, and the images farthest from the training images are listed with their p-values."""
    open_page(browser, pages["one"])
    (section,) = find(browser, "section.novelty")
    lines = section.find_elements(By.CSS_SELECTOR, ".chart path.line")
    rows = [row for row in open_run(RUN, settings.paths.runs).predictions() if row["split"] == "test"]
    farthest = sorted(rows, key=lambda row: -float(row["distance"]))
    shown = section.find_elements(By.CSS_SELECTOR, ".images li")

    assert len(lines) == 2
    assert "validation images to tell" in section.text
    assert [item.find_element(By.CSS_SELECTOR, "img").get_attribute("alt") for item in shown] == [
        row["path"] for row in farthest
    ]
    assert f"p-value {float(farthest[0]['p_value']):.2g}" in shown[0].text
    next(button for button in section.find_elements(By.CSS_SELECTOR, "button") if button.text == "validation").click()
    assert len(section.find_elements(By.CSS_SELECTOR, ".images li")) == 12


def test_suspect_labels_are_listed_with_their_neighbours(browser, pages):
    """Each with both classes as text and images of the likely class; the image under two labels is in its own section alone."""
    open_page(browser, pages["one"])
    content = json.loads(find(browser, "#data")[0].get_attribute("textContent"))
    gallery, found = content["galleries"][0], content["maps"][0]["suspects"]
    cards = find(browser, ".suspects .twins > li", least=1)
    conflicting = {row for rows in content["maps"][0]["conflicts"] for row in rows}

    assert len(cards) == len(found["listed"]) >= 1
    for card, (row, likely, _, _, _, near) in zip(cards, found["listed"], strict=True):
        names = [image.get_attribute("alt") for image in card.find_elements(By.TAG_NAME, "img")]
        assert names == [gallery["names"][each] for each in (row, *(each for each, _ in near))]
        assert card.text.startswith(f"Likely {gallery['classes'][likely]} (")
        assert row not in conflicting
    assert_quiet(browser)


def test_more_like_this_leads_from_image_to_image(browser, pages):
    """A press or Enter shows the nearest images; Escape closes the window."""
    open_page(browser, pages["one"])
    content = json.loads(find(browser, "#data")[0].get_attribute("textContent"))
    names, alike = content["galleries"][0]["names"], content["maps"][0]["alike"]
    button = find(browser, ".suspects .like", least=1)[0]
    row = content["maps"][0]["suspects"]["listed"][0][0]
    assert button.get_attribute("aria-label") == f"More like {names[row]}"

    button.send_keys(Keys.ENTER)
    for _ in range(2):
        near = [alike["rows"][place] for place in alike["near"][alike["rows"].index(row)]]
        shown = [image.get_attribute("alt") for image in find(browser, "dialog[open] img", least=13)]
        assert shown == [names[each] for each in (row, *near)]
        row = near[0]
        find(browser, "dialog[open] .like")[1].click()
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    wait_until(browser, "return !document.querySelector('dialog[open]')")
    assert_quiet(browser)
