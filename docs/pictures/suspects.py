"""Photograph the page of an audit and the tuner's list of suspect labels, of scanned digits of which some labels are wrong.

Run it from the project's folder; stage one runs first. Needs chromium, chromium-driver, the extras `dev` and `tune`, and SqueezeNet's weights.

    PYTHONPATH=. python docs/pictures/suspects.py
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image
from screenshots import shoot, tuner
from selenium.webdriver import Chrome
from sklearn.datasets import load_digits

import pipeline
from tests.browser import find, open_page, start_browser, wait_until

COUNT = 600
WRONG = {11: 7, 48: 2, 95: 3, 203: 8, 377: 1, 512: 4}
"""Images whose label is changed, and to which."""


def draw(folder: Path) -> None:
    """The digits in folders of their labels, some in a wrong one."""
    digits = load_digits()
    for number in range(COUNT):
        label = WRONG.get(number, int(digits.target[number]))
        path = folder / str(label) / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 15.9375).astype("uint8")).resize(
            (64, 64), Image.Resampling.NEAREST
        ).save(path)


def shoot_audit(browser: Chrome, page: Path) -> None:
    """The answer, and the first suspects; one shows images like it."""
    open_page(browser, page.as_uri(), width=1100)
    find(browser, "summary", least=1)[0].click()
    shoot(browser, "audit", 900)


def shoot_list(browser: Chrome, address: str) -> None:
    """The list of suspect labels, with the second image chosen."""
    open_page(browser, address, width=1200)
    find(browser, ".curve svg path", least=5)
    browser.find_element("xpath", "//button[normalize-space()='Suspect labels']").click()
    find(browser, ".suspects .image", least=4)
    browser.execute_script(
        "document.querySelectorAll('.results > section:not(:last-child)').forEach(section => { section.style.display = 'none'; })"
    )
    wait_until(browser, "return [...document.querySelectorAll('.suspects img')].slice(0, 20).every(i => i.complete)")
    shoot(browser, "suspects", 940)


def main() -> None:
    """Write audit.png and suspects.png beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "digits")
        given = argparse.Namespace(
            data=str(folder / "digits"), base="squeezenet", size=64, cache=folder / "cache", runs=folder / "runs"
        )
        usual = {each: getattr(given, each) for each in ("base", "size", "cache", "runs")}
        page = pipeline.audit(given.data, out=folder / "audit.html", **usual).page
        browser = start_browser(folder / "profile")
        try:
            shoot_audit(browser, page)
            with tuner(given, folder / "labels.csv") as address:
                shoot_list(browser, address)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
