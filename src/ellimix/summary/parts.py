"""What a summary is made of before it has a format: facts, grids and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Facts:
    """Names with values.

    Parameters
    ----------
    pairs : tuple of (str, str)
    brief : bool
        Whether the values are numbers, of which several fit on a line.
    """

    pairs: tuple[tuple[str, str], ...]
    brief: bool = False


@final
@dataclass(frozen=True)
class Grid:
    """A table; the first column says what its rows are.

    Parameters
    ----------
    caption : str
    head : tuple of str
    rows : tuple of tuple of str
        As long as `head`.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@final
@dataclass(frozen=True)
class Notes:
    """Sentences."""

    title: str
    sentences: tuple[str, ...]


Part = Facts | Grid | Notes


@final
@dataclass(frozen=True)
class Document:
    """A title and parts, in order."""

    title: str
    parts: tuple[Part, ...]


@final
@dataclass(frozen=True)
class Layout:
    """How much room there is.

    Parameters
    ----------
    width : int or None
        Letters in a line; None where a table may be as wide as it likes.
    name_width : int
        Columns that the name of a feature takes at most.
    max_features, max_components : int or None
        Shown at most; None for all.
    """

    width: int | None
    name_width: int
    max_features: int | None
    max_components: int | None
