"""The site has a place for every public name and every page; the gallery asserts its numbers.

`make docs` builds the site and runs the gallery; these tests need none of its packages.
"""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import ellimix

DOCS = Path(__file__).parents[1] / "docs"
GALLERY = sorted((DOCS / "gallery").glob("plot_*.py"))
MODULES = ("bayes", "federated", "plots", "datasets")  # documented name by name
REGISTRIES = {"covariance", "errors", "FAMILIES", "__version__"}  # spoken of in the page's text


def entries(page):
    """Names in the autosummary tables of the reference."""
    return set(re.findall(r"^   ([A-Za-z_.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE))


def wanted():
    """Public names, dotted: those of some modules one by one."""
    names = set(ellimix.__all__) - set(MODULES) - REGISTRIES
    for module in (getattr(ellimix, name) for name in MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            if not isinstance(value, Mapping) and value is not getattr(ellimix, name, None):
                names.add(f"{module.__name__.removeprefix('ellimix.')}.{name}")
    return names


def test_the_reference_has_every_public_name():
    assert wanted() <= entries(DOCS / "api" / "index.rst")


def test_the_reference_has_no_name_that_is_not_there():
    for name in entries(DOCS / "api" / "index.rst"):
        found = ellimix
        for part in name.split("."):
            found = getattr(found, part)


def test_every_page_is_in_a_table_of_contents():
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    listed = set()
    for page in DOCS.glob("*.md"):
        for block in re.findall(
            r"```{toctree}(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
        ):
            listed |= {re.sub(r".*<(\w+)>", r"\1", line.strip()) for line in block.splitlines()}
    assert pages <= listed


def test_there_are_ten_gallery_pages():
    assert [int(page.name[5:7]) for page in GALLERY] == list(range(1, 11))


@pytest.mark.parametrize("page", GALLERY, ids=lambda page: page.stem)
def test_a_gallery_page_asserts_its_numbers(page):
    tree = ast.parse(page.read_text(encoding="utf-8"))
    checks = sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
    assert checks >= 3
    assert "sphinx_gallery_thumbnail_number" in page.read_text(encoding="utf-8")
