"""Whatever names and values say, no element and no attribute of the page comes from them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ellimix as em
from ellimix.cli.app import run
from ellimix.reporting.parts import Bullets, Code, Figure, Prose, Report, Section, Table, shown
from ellimix.reporting.svg import inline
from ellimix.summary.names import visible
from report_problems import ELEMENTS, HOSTILE, Page, mixture_of, named, quietly

ATTRIBUTES = {
    "aria-label", "aria-labelledby", "charset", "class", "clip-path", "content", "d", "href",
    "height", "http-equiv", "id", "lang", "name", "rel", "role", "scope", "style", "tabindex",
    "transform", "viewbox", "width", "x", "xmlns", "y", "preserveaspectratio",
}  # fmt: skip
PLAIN = {"plain": tuple(f"feature {j}" for j in range(len(HOSTILE))), "hostile": HOSTILE}


def rows(d, k=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, d)) + 4.0 * rng.integers(0, k, (200, 1))


def report_of(names, **options):
    X = rows(len(names))
    model = mixture_of(2, covariance_type="diag", **options).fit(X)
    model.mixture_ = named(model.mixture_, names)
    return Page(model.to_report(X))


@pytest.fixture(scope="module")
def pages():
    return {kind: report_of(names) for kind, names in PLAIN.items()}


def assert_safe(page):
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    for _, found in page.elements:
        assert set(found) <= ATTRIBUTES
        for name in ("href", "style", "id", "class"):
            assert "script" not in (found.get(name) or "")
        assert (found.get("href") or "#").startswith(("#", "data:"))
    assert page.comments == []
    assert page.declarations == ["doctype html"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", page.source)
    page.source.encode("utf-8")  # no lone surrogate


def test_names_bring_no_element_and_no_attribute(pages):
    plain, hostile = pages["plain"], pages["hostile"]
    assert_safe(hostile)

    def outline(page):
        """Elements with the names of their attributes."""
        own = ("use", "text", "tspan", "path", "g", "image", "defs", "clippath", "rect")
        return [(tag, sorted(found)) for tag, found in page.elements if tag not in own]

    assert outline(plain) == outline(hostile)
    in_pictures = [
        {tag for tag, _ in page.elements if tag in ELEMENTS} for page in (plain, hostile)
    ]
    assert in_pictures[0] == in_pictures[1]


def test_names_are_there_as_text(pages):
    words = pages["hostile"].words
    for part in (
        "<script>alert(1)</script>",
        "</style><b onclick=alert(1)>",
        "</svg><img src=x onerror=alert(1)>",
        "{{ 7*7 }} {% for x in y %}",
        "]]> <![CDATA[ <!-- -->",
        "two\\nlines\\ttab",
        "\\x1b[31mred",
        "🦊 fox",
        "&lt; &amp; &#60;",
    ):
        assert part in words
    assert "x" * 100 not in words  # 10,000 letters are cut, and the two names told apart
    assert "#6" in words
    assert "#7" in words
    assert "49" not in pages["hostile"].texts["clusters"].split("{{ 7")[0]


def test_columns_of_a_table_are_as_safe():
    names = [name for name in HOSTILE if "\ud800" not in name]
    X = pd.DataFrame(rows(len(names)), columns=names)
    model = mixture_of(2, covariance_type="diag").fit(X)
    assert_safe(Page(model.to_report(X)))


def test_sentences_of_a_search_are_as_safe():
    X = pd.DataFrame(rows(3), columns=["</li><script>a()</script>", "b" * 10_000, "{{ c }}"])
    X["<id onload=x>"] = np.arange(len(X), dtype=float)
    found = quietly(
        lambda: em.GaussianMixtureSearch("EEI", [1, 2], random_state=0, engine="numpy").fit(X)
    )
    page = Page(found.to_report(X))
    assert_safe(page)
    assert "The column(s) <id onload=x> number the rows" in page.texts["first"]


def test_file_names_and_cells_are_as_safe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "a<script>b<&>'{{ 1 }}.csv"
    values = rows(2)
    lines = ['"</title><script>1</script>","{{ b }}",text,"<w>"']
    lines += [
        f"{x},{y},<img src=x onerror=alert(1)>,{1 + j % 2}" for j, (x, y) in enumerate(values)
    ]
    data.write_text("\n".join(lines), encoding="utf-8")
    arguments = ["--components", "2", "--covariance", "EEI", "--weights", "<w>"]
    assert run(["report", str(data), *arguments]) == 0
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert_safe(page)
    assert "a<script>b<&>" in page.texts["again"]
    assert "Left out the column(s) text" in page.texts["first"]
    assert "Wrote the report to report.html" in capsys.readouterr().out


def test_every_text_of_a_report_is_escaped_by_the_page():
    from ellimix.plots.pages import page

    evil = "<i>\x1b&\"'{{ 1 }}</i>"
    parts = (
        Prose(evil),
        Bullets((evil,), caution=True),
        Bullets((evil,)),
        Table(evil, (evil, "b"), ((evil, evil),), (evil,)),
        Code(evil, (evil, evil)),
        Figure('<svg role="img" aria-label="x"></svg>', evil),
    )
    report = Report(evil, evil, (evil,), (Section("key", evil, parts),))
    found = Page(page("ellimix.reporting", "page.html", report=shown(report), style=""))
    assert_safe(found)
    assert not found.named("i")
    assert found.words.count(visible(evil)) == 6 + 1 + 3 + 4 + 3 + 1  # head, title, parts


def test_a_picture_keeps_nothing_but_its_own():
    svg = (
        '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" height="36pt" version="1.1">'
        "<metadata>m</metadata><defs><style>*{}</style><path id='p' d='M 0.123456 1.0 z'/></defs>"
        '<!-- c --><g id="figure_1" clip-path="url(#c)"><use xlink:href="#p" x="1"/>'
        "<clipPath id='c'/><text style=\"font: 10px 'A B', 'C', sans-serif\">id=\"p\" \x07"
        "url(#c)</text></g></svg>"
    )
    out = inline(svg, "one", 'a "label" <')
    page = Page(out)
    tags = [tag for tag, _ in page.elements]
    assert tags == ["svg", "defs", "path", "g", "use", "clippath", "text"]
    found = dict(page.elements)
    assert found["svg"]["aria-label"] == 'a "label" <'
    assert (found["svg"]["width"], found["svg"]["height"]) == ("96", "48")
    assert found["path"] == {"id": "one-p", "d": "M 0.1 1.0 z"}
    assert found["g"] == {"clip-path": "url(#one-c)"}
    assert found["use"]["href"] == "#one-p"
    assert found["clippath"] == {"id": "one-c"}
    assert found["text"] == {"style": "font: 10px sans-serif"}
    assert page.words == 'id="p" url(#c)'
    assert page.comments == []


def test_no_identifier_comes_twice(pages):
    for page in pages.values():
        own = [found["id"] for _, found in page.elements if "id" in found]
        assert len(own) == len(set(own))
        asked = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page.source))
        labels = {
            found["aria-labelledby"] for _, found in page.elements if "aria-labelledby" in found
        }
        assert (asked | labels) <= set(own)


def test_escapes_are_made_in_records_of_any_depth():
    record = Section("k", "a\x07", (Table("c", ("\n",), (("\x00",),)), Figure("<svg>\n", "\t")))
    found = shown(record)
    assert found.title == "a\\x07"
    assert found.parts[0] == Table("c", ("\\n",), (("\\x00",),))
    assert found.parts[1] == replace(record.parts[1], caption="\\t")
