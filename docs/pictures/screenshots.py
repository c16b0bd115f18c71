"""Photograph the report and the tuner's page, of a head on real images, in headless Chromium: light and dark.

Run it from the project's folder; stage one runs first where rows are missing. Needs chromium, chromium-driver and the extras
`dev` and `tune`.

    PYTHONPATH=. python docs/pictures/screenshots.py sklearn:digits --base squeezenet --size 64 --cache features_cache --runs runs
"""

import argparse
import base64
import contextlib
import io
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from panel import save
from PIL import Image
from selenium.webdriver import Chrome

import pipeline
from tests.browser import find, open_page, start_browser, wait_until

FOLDER, RUN = Path(__file__).parent, "digits"


@contextlib.contextmanager
def tuner(given: argparse.Namespace, labels: Path) -> Iterator[str]:
    """The address of the tuner's page, served by a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = {"base": given.base, "size": given.size, "cache": given.cache, "runs": given.runs, "labels": labels}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "pipeline", "tune", given.data, *words, "--port", str(port), "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield json.loads((server.stdout or io.StringIO()).readline())["address"]
        finally:
            server.terminate()


def shoot(browser: Chrome, name: str, height: int) -> None:
    """Write the upper part of the page as a PNG of the window's width."""
    width = browser.execute_script("return window.innerWidth")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    browser.execute_script("window.scrollTo(0, 0)")
    made = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    save(Image.open(io.BytesIO(base64.b64decode(made["data"]))), FOLDER / f"{name}.png")


def shoot_report(browser: Chrome, page: Path) -> None:
    """Scores, matrix, and the images behind one of its cells."""
    for name, scheme in (("report", "light"), ("report-dark", "dark")):
        open_page(browser, page.as_uri(), width=1100, scheme=scheme)
        find(browser, "canvas", least=1)
        shoot(browser, name, 958)


def shoot_tuner(browser: Chrome, address: str) -> None:
    """Controls, scores, learning curve, matrix and mistakes."""
    open_page(browser, address, width=1200)
    find(browser, ".curve svg path", least=5)
    find(browser, ".image img", least=4)
    height = 1560
    shown = f"i => i.getBoundingClientRect().top > {height} || (i.complete && i.naturalWidth > 0)"
    wait_until(browser, f"return [...document.querySelectorAll('.image img')].every({shown})")
    shoot(browser, "tune", height)


def main() -> None:
    """Train a head, then write report*.png and tune.png beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="what the commands take as DATA")
    parser.add_argument("--base", default="squeezenet")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    usual = {name: getattr(given, name) for name in ("base", "size", "cache", "runs")}
    pipeline.fit(given.data, "logreg", name=RUN, **usual)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        pipeline.report(RUN, out=page, cache=given.cache, runs=given.runs)
        browser = start_browser(Path(folder, "profile"))
        try:
            shoot_report(browser, page)
            with tuner(given, Path(folder, "labels.csv")) as address:
                shoot_tuner(browser, address)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
