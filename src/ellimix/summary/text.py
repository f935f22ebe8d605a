"""A summary as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from ellimix.summary.names import columns
from ellimix.summary.parts import Document, Facts, Grid, Notes, Part

GAP: Final = 2
HEAVY, LIGHT = "=", "-"


def render(document: Document, width: int) -> str:
    """Lines of at most `width` columns, as far as single words and cells allow."""
    lines = [document.title, HEAVY * width]
    for part, following in pairwise((*document.parts, None)):
        lines += _lines(part, width)
        if following is not None:
            lines.append(LIGHT * width)
    return "\n".join([*lines, HEAVY * width])


def _lines(part: Part | None, width: int) -> list[str]:
    match part:
        case Facts():
            return [*(_brief(part, width) if part.brief else _facts(part, width))]
        case Grid():
            return [*textwrap.wrap(part.caption, width), *_grid(part, width)]
        case Notes():
            return [part.title, *(line for text in part.sentences for line in _note(text, width))]
        case None:
            return []


def _facts(facts: Facts, width: int) -> Iterator[str]:
    """A name, and its value behind it, on as many lines as it needs."""
    left = max(len(name) for name, _ in facts.pairs) + GAP
    for name, value in facts.pairs:
        first, *others = textwrap.wrap(value, width - left) or [""]
        yield f"{name:<{left}}{first}"
        yield from (" " * left + line for line in others)


def _brief(facts: Facts, width: int) -> Iterator[str]:
    """Two pairs a line, the first column down and then the second, where that fits."""
    left = max(len(name) for name, _ in facts.pairs) + GAP
    right = max(len(value) for _, value in facts.pairs)
    if left + right > width:
        yield from _facts(facts, width)
        return
    cells = [f"{name:<{left}}{value:<{right}}" for name, value in facts.pairs]
    both = 2 * (left + right) + GAP <= width
    half = -(-len(cells) // 2) if both else len(cells)
    for i in range(half):
        yield (" " * GAP).join(cells[i::half]).rstrip()


def _note(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="* ", subsequent_indent="  ")


def _grid(grid: Grid, width: int) -> Iterator[str]:
    """Columns side by side; where they do not fit, as many as do, and the others below."""
    every = [*zip(grid.head, *grid.rows, strict=True)]
    widths = [max(map(columns, column)) for column in every]
    for number, group in enumerate(_groups(widths, width)):
        if number:
            yield ""
        chosen = [0, *group]
        for line in zip(*(every[c] for c in chosen), strict=True):
            yield _line(line, [widths[c] for c in chosen])


def _groups(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Columns that fit beside the first one."""
    group: list[int] = []
    used = widths[0]
    for c in range(1, len(widths)):
        if group and used + GAP + widths[c] > width:
            yield group
            group, used = [], widths[0]
        group.append(c)
        used += GAP + widths[c]
    yield group


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell to the left, the others to the right."""
    padded = [" " * (w - columns(cell)) for cell, w in zip(cells, widths, strict=True)]
    first, *rest = zip(cells, padded, strict=True)
    return (" " * GAP).join([first[0] + first[1], *(p + cell for cell, p in rest)]).rstrip()
