"""What a report is made of before it is a page: sections of sentences, tables, pictures and code.

Every text is plain: the page escapes it. Only `Figure.svg` and `Fragment.html` are markup, which
this package made itself, with all texts in it escaped.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Final, final

from ellimix.summary.names import visible

MARKUP: Final = ("svg", "html")  # fields that are no text


@final
@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@final
@dataclass(frozen=True)
class Bullets:
    """Sentences, one below the other; those that call for caution stand out."""

    kind: ClassVar[str] = "bullets"
    sentences: tuple[str, ...]
    caution: bool = False


@final
@dataclass(frozen=True)
class Table:
    """A table; the first column says what its rows are.

    Parameters
    ----------
    caption : str
    head : tuple of str
    rows : tuple of tuple of str
        As long as `head`.
    words : tuple of str
        Heads of the columns of words, which begin at the left.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Figure:
    """A picture.

    Parameters
    ----------
    svg : str
        Markup, as `ellimix.reporting.svg.inline` makes it.
    caption : str
        What is seen, in a sentence.
    """

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str


@final
@dataclass(frozen=True)
class Code:
    """Lines to run, with a word on them before."""

    kind: ClassVar[str] = "code"
    caption: str
    lines: tuple[str, ...]


@final
@dataclass(frozen=True)
class Fragment:
    """Markup of a summary."""

    kind: ClassVar[str] = "fragment"
    html: str


Part = Prose | Bullets | Table | Figure | Code | Fragment


@final
@dataclass(frozen=True)
class Section:
    """A section with its title; `key` is its anchor."""

    key: str
    title: str
    parts: tuple[Part, ...]


@final
@dataclass(frozen=True)
class Report:
    """A whole report.

    Parameters
    ----------
    title : str
    lead : str
        What it is about, in a sentence.
    warnings : tuple of str
        What a careful reader should know first.
    sections : tuple of Section
    """

    title: str
    lead: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]


def shown(value: Any) -> Any:
    r"""The same with escapes for what has no picture, in every text.

    Examples
    --------
    >>> from ellimix.reporting.parts import Prose, shown
    >>> print(shown(Prose("a\x07b")).text)
    a\x07b
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(map(shown, value))
    if not is_dataclass(value):
        return value
    changed: dict[str, Any] = {
        field.name: shown(getattr(value, field.name))
        for field in fields(value)
        if field.name not in MARKUP
    }
    return replace(value, **changed)  # type: ignore[type-var]
