"""The tuner as a process that serves its page, and what a user does on that page."""

import contextlib
import json
import os
import socket
import subprocess
import sys

WAIT_SECONDS = 20


@contextlib.contextmanager
def serving(photos, settings, environment):
    """The address of the page of `bottleneck tune photos`; the command ends without an error when it is terminated."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folders = ("--cache", settings.paths.cache, "--runs", settings.paths.runs)
    base = ("--base", settings.features.base, "--size", settings.features.size, "--weights", settings.features.weights)
    command = [sys.executable, "-m", "pipeline", "tune", photos, *base, *folders, "--port", port, "--json", "--quiet"]
    env = {
        name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"
    }  # NiceGUI would take it for a test of its own
    server = subprocess.Popen([str(word) for word in command], env=env | environment, stdout=subprocess.PIPE, text=True)
    started = json.loads(server.stdout.readline())
    assert started["labels"] == f"{photos}.labels.csv"
    assert all(counts["train"] > 0 for counts in started["classes"].values())
    assert (started["skipped"], started["ignored"]) == ([], [])
    yield started["address"]
    server.terminate()
    assert server.communicate(timeout=30)[0] == ""
    assert server.returncode == 0


class Page:
    """What a user does on the page."""

    def __init__(self, driver):
        self.driver = driver

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def wait(self, condition):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.wait import WebDriverWait

        # Elements may be redrawn while they are read.
        wait = WebDriverWait(
            self.driver, WAIT_SECONDS, 0.05, (StaleElementReferenceException, LookupError, StopIteration)
        )
        return wait.until(lambda _: condition())

    @property
    def summary(self):
        return self.all(".summary")[0].text

    def press(self, text):
        """The button of this text."""
        self.driver.find_element("xpath", f"//button[normalize-space()='{text}']").click()

    def cell(self, name):
        return self.all(f".confusion button[aria-label^='{name}:']")[0]

    def images(self):
        return [image.get_attribute("alt") for image in self.all(".image img")]
