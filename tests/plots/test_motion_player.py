"""The player in a browser: it plays, steps, slides, and asks the network for nothing."""

from __future__ import annotations

import pytest

import browser
import ellimix as em
from motion_problems import ROWS, STUCK, eight_starts

By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
Wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

pytestmark = browser.needed


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "em.html"
    em.animate(eight_starts(), ROWS, path, start=STUCK, fps=20.0)
    return path


@pytest.fixture
def still(page, tmp_path):
    """The page for who asks for less motion."""
    with browser.opened(page, tmp_path, "--force-prefers-reduced-motion") as driver:
        yield Player(driver)


@pytest.fixture
def moving(page, tmp_path):
    with browser.opened(page, tmp_path) as driver:
        yield Player(driver)


class Player:
    def __init__(self, driver):
        self.driver = driver

    def __call__(self, name):
        return self.driver.find_element(By.ID, name)

    @property
    def frame(self):
        return int(self("slider").get_attribute("value"))

    @property
    def last(self):
        return int(self("slider").get_attribute("max"))

    def press(self, key):
        self.driver.switch_to.active_element.send_keys(key)

    def pictures(self):
        canvases = self.driver.find_elements(By.TAG_NAME, "canvas")
        return [self.driver.execute_script("return arguments[0].toDataURL()", c) for c in canvases]

    def labels(self):
        canvases = self.driver.find_elements(By.TAG_NAME, "canvas")
        return [canvas.get_attribute("aria-label") for canvas in canvases]

    def until(self, happened):
        Wait(self.driver, 20, poll_frequency=0.02).until(lambda _: happened())


def test_it_steps_and_slides(still):
    assert (still.frame, still("play").text) == (0, "Play")  # less motion: it waits
    first = still.pictures()
    still("forward").click()
    still("forward").click()
    assert still.frame == 2
    assert still("where").text == f"iteration 2 of {still.last}"
    assert all(a != b for a, b in zip(first, still.pictures(), strict=True))
    still("back").click()
    still("back").click()
    still("back").click()
    assert still.frame == 0
    assert still.pictures() == first
    still.press(Keys.END)
    assert still.frame == still.last
    last = still.pictures()
    assert all(a != b for a, b in zip(first, last, strict=True))
    still.press(Keys.ARROW_LEFT)
    assert still.frame == still.last - 1
    still.press(Keys.HOME)
    still.press(Keys.ARROW_RIGHT)
    assert still.frame == 1
    still("slider").send_keys(Keys.ARROW_RIGHT)  # the slider has its own arrows: one step, not two
    assert still.frame == 2
    assert still("where").text == f"iteration 2 of {still.last}"
    still("slider").send_keys(Keys.END)
    assert still.pictures() == last
    labels = [
        c.get_attribute("aria-label") for c in still.driver.find_elements(By.TAG_NAME, "canvas")
    ]
    assert labels[0] == f"iteration {still.last} of {still.last}, converged"
    assert labels[1].startswith("mean log-likelihood: ")


def test_it_plays_to_the_end_and_from_the_beginning_again(moving):
    moving.until(lambda: moving.frame > 1)  # by itself
    moving.until(lambda: moving.frame == moving.last)
    moving.until(lambda: moving("play").text == "Play")
    moving("play").click()
    moving.until(lambda: 0 < moving.frame < moving.last)
    assert moving("play").text == "Pause"
    moving("play").click()
    assert moving("play").text == "Play"
    shown = moving.frame
    moving.driver.execute_async_script("setTimeout(arguments[0], 200)")
    assert moving.frame == shown
    moving("speed").send_keys("4")
    assert moving("speed").get_attribute("value") == "4"
    assert moving.driver.execute_script("return pause()") == pytest.approx(1000 / 80)


def test_nothing_is_asked_of_the_network_and_nothing_goes_wrong(moving, page):
    moving.until(lambda: moving.frame > 1)
    moving.driver.set_window_size(420, 700)
    moving("forward").click()
    browser.assert_quiet(moving.driver, page)
