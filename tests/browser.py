"""Pages in headless Chromium: how it is started, and whether a page has reported errors or sent requests.

Errors are read from the page's console, which also shows blocked requests; requests are read from the network log.
"""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_PATIENCE_SECONDS = 10
_HERE = {"localhost", "127.0.0.1", "[::1]", "::1"}
_FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync"""


def require_browser() -> None:
    """Skip the test without Chromium; in CI, fail."""
    if CHROMIUM.exists() and DRIVER.exists():
        return
    message = f"{CHROMIUM} and {DRIVER} are not both there: apt-get install -y chromium chromium-driver"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def start_browser(profile: Path) -> Chrome:
    """A browser with an empty profile that logs its console and its network."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options, Service(str(DRIVER)))


def open_page(browser: Chrome, address: str, *, width: int = 1280, scheme: str = "light") -> None:
    """Open a page in a window of this width, with a preference for light or dark, and clear the logs."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(address)


def find(browser: Chrome, selector: str, *, least: int = 0) -> list[WebElement]:
    """All elements of a CSS selector, as soon as there are at least `least` of them."""
    wait_until(browser, "return document.querySelectorAll(arguments[0]).length >= arguments[1]", selector, least)
    return browser.find_elements(By.CSS_SELECTOR, selector)


def wait_until(browser: Chrome, script: str, *arguments: Any) -> None:
    """Wait until a script returns true: browsers deliver clicks and size changes with a delay."""
    wait = WebDriverWait(browser, _PATIENCE_SECONDS, poll_frequency=0.05)
    wait.until(lambda _: browser.execute_script(script, *arguments), f"{script} {arguments}")


def assert_quiet(browser: Chrome) -> None:
    """Check that the page has reported no error since it was opened, and sent no request to another machine."""
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    asked = [_request(json.loads(entry["message"])["message"]) for entry in browser.get_log("performance")]
    hosts = {urlsplit(address).hostname for address in asked if address} - {None}

    assert errors == []
    assert hosts <= _HERE, f"The page sent requests to {hosts - _HERE}."


def _request(event: dict[str, Any]) -> str | None:
    if event["method"] == "Network.webSocketCreated":
        return str(event["params"]["url"])
    return event["params"]["request"]["url"] if event["method"] == "Network.requestWillBeSent" else None
