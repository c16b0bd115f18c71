"""Pages in headless Chromium: the fixture `browser`, and what no page may do."""

import json
import os
import shutil
from urllib.parse import urlsplit

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,1000"),
)
_LOCAL = ("127.0.0.1", "localhost", "::1")
_REMOTE_SCHEMES = ("http", "https", "ws", "wss", "ftp")  # others, such as file:, data: and chrome:, stay in the browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A selenium driver that logs the console and every request; skipped where there is no Chromium, but not in CI."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver_path = shutil.which("chromedriver")
    if not chromium or not driver_path:
        why = "Chromium and chromedriver are not installed: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    yield driver
    driver.quit()


def assert_quiet(driver):
    """Since it was last asked the page wrote no error to the console, and asked nothing of another machine."""
    errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    opened = [message["params"]["url"] for message in messages if message["method"] == "Network.webSocketCreated"]

    addresses = [urlsplit(url) for url in asked + opened]

    assert errors == []
    assert [url for url in addresses if url.scheme in _REMOTE_SCHEMES and url.hostname not in _LOCAL] == []
