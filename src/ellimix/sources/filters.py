"""Which rows of a table count: comparisons as text or triples, or pyarrow's expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ellimix.errors import DataError
from ellimix.sources.files import pyarrow

COMPARE: Final = ("==", "!=", "<=", ">=", "<", ">")
ONE: Final = re.compile(r"\s*(?P<column>.+?)\s*(?P<how>==|!=|<=|>=|<|>)\s*(?P<value>.+?)\s*")
HOW = (
    "as 'year >= 2020 and kind == \"a\"', as triples [('year', '>=', 2020)], or as an expression "
    "of pyarrow.compute"
)


def filter_of(where: Any, schema: Any, of: str) -> Any:
    """pyarrow's expression for a filter; None for None.

    Parameters
    ----------
    where : str, sequence of (column, comparison, value), pyarrow expression, or None
    schema : pyarrow.Schema
    of : str
        What the rows are from, for messages.

    Raises
    ------
    DataError
        The filter cannot be read, or names a column that is not there.
    """
    if where is None:
        return None
    compute = pyarrow("compute")
    if isinstance(where, compute.Expression):
        return where
    expression = None
    for column, how, value in triples(where):
        if column not in schema.names:
            raise DataError(
                f"where= names the column {column!r}, which {of} has not; it has "
                f"{', '.join(schema.names)}."
            )
        field = compute.field(column)
        one = {
            "==": field == value, "!=": field != value, "<": field < value,
            "<=": field <= value, ">": field > value, ">=": field >= value,
        }[how]  # fmt: skip
        expression = one if expression is None else expression & one
    return expression


def triples(where: Any) -> list[tuple[str, str, Any]]:
    """A filter as triples, all of which must hold.

    Examples
    --------
    >>> from ellimix.sources.filters import triples
    >>> triples("year >= 2020 and kind == 'a'")
    [('year', '>=', 2020), ('kind', '==', 'a')]
    """
    if isinstance(where, str):
        return [_parsed(part) for part in re.split(r"\s+and\s+", where)]
    good = isinstance(where, Sequence) and all(
        isinstance(part, Sequence) and len(part) == 3 and part[1] in COMPARE for part in where
    )
    if not good or not where:
        raise DataError(f"where is {where!r}: give it {HOW}.")
    return [(str(column), how, value) for column, how, value in where]


def _parsed(text: str) -> tuple[str, str, Any]:
    found = ONE.fullmatch(text)
    if found is None:
        raise DataError(f"where has {text!r}, which is no comparison: give it {HOW}.")
    column, value = found["column"].strip("`\"'"), found["value"]
    if value[0] == value[-1] and value[0] in "\"'" and len(value) > 1:
        return column, found["how"], value[1:-1]
    for number in (int, float):
        try:
            return column, found["how"], number(value)
        except ValueError:
            continue
    raise DataError(f"where compares {column!r} with {value}: put text in quotes.")
