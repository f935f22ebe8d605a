"""A summary as Markdown with tables, as GitHub and most notebooks read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ellimix.summary.parts import Document, Facts, Grid, Notes, Part

SPECIAL: Final = frozenset("\\`*_[]#|$~^")
ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render(document: Document) -> str:
    """Paragraphs and tables, without a heading: its level is the document's that takes it in."""
    return "\n\n".join([f"**{escaped(document.title)}**", *map(_part, document.parts)])


def escaped(text: str) -> str:
    r"""The text with what Markdown or HTML would take for its own.

    Examples
    --------
    >>> from ellimix.summary.markdown import escaped
    >>> print(escaped("a|b <i> 3.5 ± 1"))
    a\|b &lt;i&gt; 3.5 ± 1
    """
    return "".join(ENTITIES.get(c) or (f"\\{c}" if c in SPECIAL else c) for c in text)


def _part(part: Part) -> str:
    match part:
        case Facts():
            return _table(("", ""), part.pairs, ":--")
        case Grid():
            return f"*{escaped(part.caption)}*\n\n{_table(part.head, part.rows, '--:')}"
        case Notes():
            lines = (f"- {escaped(text)}" for text in part.sentences)
            return "\n".join([f"**{escaped(part.title)}**", "", *lines])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    marks = [":--", *[align] * (len(head) - 1)]
    lines = [map(escaped, head), marks, *(map(escaped, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
