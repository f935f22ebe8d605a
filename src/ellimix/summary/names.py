r"""Names of features as they can be shown: short, on one line, and told apart.

A name may be anything: 10,000 characters, a line break, a control character that moves a terminal's
cursor or turns the direction of the text. What a format treats as its own (``<``, ``|``, ``$``) is
escaped by that format.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Unicode's categories
JOINER: Final = "\u200d"  # within an emoji; without it the emoji falls apart
NO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})
MARKS: Final = 3  # accents and joiners on one letter: a name can pile up thousands
GAP: Final = "…"
SENTENCE: Final = 1000  # characters of a sentence at most


def visible(text: str) -> str:
    r"""The text with escapes for what has no picture: controls, line breaks, lone surrogates.

    Examples
    --------
    >>> from ellimix.summary.names import visible
    >>> print(visible("a\nb\x1b[31m"))
    a\nb\x1b[31m
    """
    out, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in NO_WIDTH else 0
        if marks <= MARKS:
            out.append(_seen(letter))
    return "".join(out)


def _seen(letter: str) -> str:
    if letter == JOINER or unicodedata.category(letter) not in UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def columns(text: str) -> int:
    """Columns that a text takes in a terminal: 2 for wide letters and emoji, 0 for accents.

    Examples
    --------
    >>> from ellimix.summary.names import columns
    >>> columns("abc"), columns("日本"), columns("e\u0301")
    (3, 4, 1)
    """
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shortened(text: str, most: int) -> str:
    """The text in so many columns: of a longer one the beginning and the end.

    Examples
    --------
    >>> from ellimix.summary.names import shortened
    >>> shortened("gene expression, sample 12", 16)
    'gene expre…le 12'
    """
    if columns(text) <= most:
        return text
    tail = _fitting(text[::-1], max(0, (most - 1) // 3))[::-1]
    return _fitting(text, most - 1 - columns(tail)) + GAP + tail


def _fitting(text: str, most: int) -> str:
    """What fits of the beginning."""
    used, end = 0, 0
    for letter in text:
        used += _columns(letter)
        if used > most:
            break
        end += 1
    return text[:end]


def distinct(names: Sequence[str], most: int) -> tuple[str, ...]:
    """All names as they are shown, each other than the others.

    Parameters
    ----------
    names : sequence of str
    most : int
        Columns.

    Examples
    --------
    >>> from ellimix.summary.names import distinct
    >>> distinct(["x" * 99, "x" * 98, "y"], 9)
    ('xxxx…xx#0', 'xxxx…xx#1', 'y')
    """
    clean = [visible(name) if name.strip() else repr(name) for name in names]
    short = [shortened(name, most) for name in clean]
    times = Counter(short)
    return tuple(
        shown if times[shown] == 1 else f"{shortened(name, most - len(str(j)) - 1)}#{j}"
        for j, (name, shown) in enumerate(zip(clean, short, strict=True))
    )


def sentence(text: str, names: Sequence[str], shown: Sequence[str]) -> str:
    """A sentence with the names in it as they are shown, on one line and not without end."""
    pairs = sorted(zip(names, shown, strict=True), key=lambda pair: -len(pair[0]))
    for name, short in pairs:
        if name != short and name.strip():
            text = text.replace(name, short)
    return shortened(visible(text), SENTENCE)
