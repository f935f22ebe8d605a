"""A summary as a fragment of HTML: for a notebook, or for a page that has room for it.

It refers to nothing outside of itself. Its rules of style name classes that begin with
``ellimix-`` alone, take the colours of the page, light or dark, and may be left out where the page
has its own.
"""

from __future__ import annotations

from html import escape
from typing import Final

from ellimix.summary.parts import Document, Facts, Grid, Notes, Part

# of no colour of its own but a grey that shows on white and on black
STYLE: Final = """<style>
.ellimix-summary { color: inherit; font-size: 0.95em; line-height: 1.4; max-width: 100%; }
.ellimix-summary table { border-collapse: collapse; margin: 0.4em 0 0.8em; color: inherit; }
.ellimix-summary th, .ellimix-summary td { padding: 0.15em 0.8em 0.15em 0; border: 0;
  background: transparent; color: inherit; vertical-align: top; text-align: left; }
.ellimix-summary .ellimix-grid td, .ellimix-summary .ellimix-grid thead th { text-align: right;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.ellimix-summary .ellimix-grid th:first-child { text-align: left; }
.ellimix-summary .ellimix-grid thead th { border-bottom: 1px solid rgba(128, 128, 128, 0.6); }
.ellimix-summary .ellimix-grid tbody tr + tr > * { border-top: 1px solid rgba(128, 128, 128, 0.2); }
.ellimix-summary th { font-weight: 600; white-space: nowrap; }
.ellimix-summary caption { caption-side: top; text-align: left; font-style: italic;
  color: inherit; white-space: nowrap; }
.ellimix-summary .ellimix-title { font-weight: 700; margin: 0 0 0.3em; }
.ellimix-summary .ellimix-about { font-weight: 600; margin: 0.4em 0 0; }
.ellimix-summary ul { margin: 0.2em 0 0.6em; padding-left: 1.4em; overflow-wrap: anywhere; }
.ellimix-summary .ellimix-scroll { overflow-x: auto; }
</style>"""


def render(document: Document, style: bool = True) -> str:
    """One ``section``, before it the rules of style if they are wanted."""
    parts = "\n".join(map(_part, document.parts))
    title = f'<p class="ellimix-title">{escape(document.title)}</p>'
    body = f'<section class="ellimix-summary">\n{title}\n{parts}\n</section>'
    return f"{STYLE}\n{body}" if style else body


def _part(part: Part) -> str:
    match part:
        case Facts():
            return _facts(part)
        case Grid():
            return _grid(part)
        case Notes():
            items = "".join(f"<li>{escape(text)}</li>" for text in part.sentences)
            return f'<p class="ellimix-about">{escape(part.title)}</p>\n<ul>{items}</ul>'


def _facts(facts: Facts) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in facts.pairs
    )
    return f'<table class="ellimix-facts"><tbody>\n{rows}\n</tbody></table>'


def _grid(grid: Grid) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in grid.head)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in grid.rows
    )
    return (
        f'<div class="ellimix-scroll"><table class="ellimix-grid">'
        f"<caption>{escape(grid.caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )
