"""A headless browser for tests of pages, with what went wrong and what it asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

needed = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="there is no chromium with its chromedriver"
)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1100,800",
)  # fmt: skip


@contextmanager
def opened(page, profile, *flags) -> Iterator:
    """A driver with a page open."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*QUIET, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.get(page.as_uri())
        yield driver
    finally:
        driver.quit()


def assert_sideways(driver):
    """Nothing scrolls sideways."""
    wide = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]


def assert_quiet(driver, page):
    """Nothing went wrong, nothing was asked of the network, and nothing scrolls sideways."""
    assert_sideways(driver)
    assert driver.get_log("browser") == []
    entries = driver.get_log("performance")
    events = [json.loads(entry["message"])["message"] for entry in entries]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    asked = [params["request"]["url"] for params in sent]
    assert not [url for url in asked if url.startswith(("http", "ws"))]
    own = [url for params, url in zip(sent, asked, strict=True) if "file" in params["documentURL"]]
    assert own[0] == page.as_uri()
    assert all(url.startswith("data:") for url in own[1:])
    resources = driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert all(name.startswith("data:") for name in resources)
