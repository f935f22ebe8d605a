r"""A summary as LaTeX: tables with the rules of the package booktabs, and nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from ellimix.summary.parts import Document, Facts, Grid, Notes, Part

ESCAPES: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{'}{'}",
    "`": r"{`}",
    "'": r"{'}",  # two of them are a closing quotation mark
    "-": r"{-}",  # two of them are a dash
    "[": r"{[}",  # behind the end of a table's row it would begin an argument
    "]": r"{]}",
    "*": r"{*}",
    "±": r"$\pm$",
    "…": r"\ldots{}",
}
# Letters that every LaTeX can set, in any encoding of fonts: those with one of these accents
# (grave, acute, circumflex, tilde, macron, breve, dot, diaeresis, ring, double acute, caron,
# cedilla), and a few.
LATIN: Final = range(0xC0, 0x180)
ACCENTS: Final = frozenset(
    map(chr, (*range(0x300, 0x305), *range(0x306, 0x309), 0x30A, 0x30B, 0x30C, 0x327))
)
OWN: Final = frozenset("æÆøØœŒßłŁ")
LETTERS: Final = 100  # of a table's row, about


def render(document: Document) -> str:
    """Tables and lists one after another, for a document that uses booktabs."""
    title = rf"\noindent\textbf{{{escaped(document.title)}}}\par\medskip"
    parts = [r"% \usepackage{booktabs}", title, *map(_part, document.parts)]
    return "\n".join(parts)


def escaped(text: str) -> str:
    r"""The text with every character that LaTeX would take for its own, or not know.

    Examples
    --------
    >>> from ellimix.summary.latex import escaped
    >>> print(escaped("50% of x_1 & -3.5 ± 1"))
    50\% of x\_1 \& $-$3.5 $\pm$ 1
    """
    marked = re.split(r"(?<![\w.-])-(?=\.?\d)", text)  # minus signs, not hyphens
    return "$-$".join("".join(map(_letter, part)) for part in marked)


def _letter(letter: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter.isascii() or letter in OWN or (ord(letter) in LATIN and _accented(letter)):
        return letter
    return f"U+{ord(letter):04X}"


def _accented(letter: str) -> bool:
    parts = unicodedata.normalize("NFD", letter)
    return len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS


def _part(part: Part) -> str:
    match part:
        case Facts():
            columns, rows = r"lp{0.7\linewidth}", part.pairs
            return _tabular(columns, [_row(pair) for pair in rows])
        case Grid():
            title = rf"\noindent\textit{{{escaped(part.caption)}}}\par\smallskip"
            return "\n".join([title, *(_grid(part, group) for group in _groups(part))])
        case Notes():
            items = "\n".join(rf"\item {escaped(text)}" for text in part.sentences)
            title = rf"\noindent\textit{{{escaped(part.title)}}}"
            return f"{title}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}"


def _groups(grid: Grid) -> list[list[int]]:
    """Columns that fit beside the first one."""
    widths = [max(map(len, column)) + 2 for column in zip(grid.head, *grid.rows, strict=True)]
    groups: list[list[int]] = [[]]
    used = widths[0]
    for c, width in enumerate(widths[1:], 1):
        if groups[-1] and used + width > LETTERS:
            groups.append([])
            used = widths[0]
        groups[-1].append(c)
        used += width
    return groups


def _grid(grid: Grid, group: Sequence[int]) -> str:
    chosen = [0, *group]
    head = _row([grid.head[c] for c in chosen])
    rows = [_row([row[c] for c in chosen]) for row in grid.rows]
    return _tabular("l" + "r" * len(group), [head, r"\midrule", *rows])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escaped, cells)) + r" \\"


def _tabular(columns: str, lines: Sequence[str]) -> str:
    begin = rf"\noindent\begin{{tabular}}{{@{{}}{columns}@{{}}}}"
    end = r"\end{tabular}\par\medskip"
    return "\n".join([begin, r"\toprule", *lines, r"\bottomrule", end])
