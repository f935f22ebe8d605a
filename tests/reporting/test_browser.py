"""The report in a browser: light and dark, wide and narrow, hostile names and all."""

from __future__ import annotations

import pytest

import browser
from report_problems import HOSTILE, blobs, mixture_of, named, quietly

By = pytest.importorskip("selenium.webdriver.common.by").By

pytestmark = browser.needed
DARK = "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    d = len(HOSTILE)
    model = quietly(lambda: mixture_of(3, n_init=2, covariance_type="diag").fit(blobs(3, d)))
    model.mixture_ = named(model.mixture_, HOSTILE)
    path = tmp_path_factory.mktemp("page") / "report.html"
    model.to_report(blobs(3, d), path)
    return path


def brightness(color):
    numbers = color[color.index("(") + 1 : -1].split(",")[:3]
    return sum(map(float, numbers)) / 3.0


@pytest.mark.parametrize("flag", [None, DARK])
def test_it_can_be_read_and_asks_for_nothing(page, tmp_path, flag):
    with browser.opened(page, tmp_path, *([flag] if flag else [])) as driver:
        assert driver.title.startswith("Gaussian mixture: Mixture of 3 Gaussian components")
        body = driver.find_element(By.TAG_NAME, "body")
        ink, paper = (body.value_of_css_property(p) for p in ("color", "background-color"))
        contrast = brightness(paper) - brightness(ink)
        assert contrast < -150 if flag else contrast > 150
        for width, height in ((1100, 800), (420, 700)):
            driver.set_window_size(width, height)
            for figure in driver.find_elements(By.CSS_SELECTOR, "figure svg"):
                size = figure.size
                assert 0 < size["width"] <= width
                assert size["height"] > 100
            browser.assert_sideways(driver)
        assert not driver.find_elements(By.TAG_NAME, "script")
        assert not driver.find_elements(By.TAG_NAME, "img")
        browser.assert_quiet(driver, page)


def test_pictures_do_not_meet(page, tmp_path):
    """Each reference leads to an element of its own picture."""
    with browser.opened(page, tmp_path) as driver:
        strays = driver.execute_script(
            "return [...document.querySelectorAll('svg')].flatMap(svg =>"
            " [...svg.querySelectorAll('[clip-path], use')].filter(one => {"
            "  const to = one.getAttribute('href') || one.getAttribute('clip-path').slice(4, -1);"
            "  return !svg.querySelector(to);"
            " })).length"
        )
        assert strays == 0
        uses = driver.execute_script("return document.querySelectorAll('svg use').length")
        assert uses > 20


def test_sections_are_reached_by_their_names(page, tmp_path):
    with browser.opened(page, tmp_path) as driver:
        for link in driver.find_elements(By.CSS_SELECTOR, "nav a"):
            key = link.get_attribute("href").split("#")[1]
            section = driver.find_element(By.ID, key)
            title = driver.find_element(By.ID, section.get_attribute("aria-labelledby"))
            assert title.text == link.text
            assert section.accessible_name == link.text
        names = [one.accessible_name for one in driver.find_elements(By.TAG_NAME, "svg")]
        captions = [one.text for one in driver.find_elements(By.TAG_NAME, "figcaption")]
        assert len(names) >= 4
        assert names == captions
        for table in driver.find_elements(By.CSS_SELECTOR, "main table:not(.ellimix-facts)"):
            assert table.accessible_name
