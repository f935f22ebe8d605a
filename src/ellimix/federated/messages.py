"""What travels: requests to the sites, replies from them. JSON, which runs no code when read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from ellimix.errors import DataError
from ellimix.records import Array, Factor, Moment, Potentials, SufficientStatistics

SCHEMA = "ellimix.federated"
VERSION = 1
BIGGEST = 1e300  # no sound sum or parameter is above


@final
@dataclass(frozen=True, eq=False)
class Request:
    """What a site is asked: sums of its rows under these log-potentials.

    Parameters
    ----------
    round : int
        From 1 on.
    potentials : Potentials
        All that an E-step needs of a model.
    """

    round: int
    potentials: Potentials

    def to_bytes(self) -> bytes:
        """The request as a JSON document; numbers keep all their digits."""
        own = self.potentials
        offset = [None if value == -np.inf else value for value in own.offset.tolist()]
        return _bytes(
            "request",
            round=self.round,
            offset=offset,
            center=own.center.tolist(),
            factor=own.factor.tolist(),
            shape=own.shape.value,
            moment=own.moment.value,
        )

    @classmethod
    def from_bytes(cls, message: bytes) -> Self:
        """The request that `to_bytes` wrote.

        Raises
        ------
        DataError
            The message is no sound request; the sentence says why.
        """
        document = _document(message, "request")
        shape = _choice(Factor, document, "shape")
        raw = document.get("offset")
        if not isinstance(raw, list):
            raise DataError("The request's offset is no list of numbers.")
        absent = np.array([value is None for value in raw], dtype=bool)
        offset = _array([0.0 if value is None else value for value in raw], "offset", 1)
        center = _array(document.get("center"), "center", 2)
        k, d = center.shape
        wanted = {Factor.DIAGONAL: (k, d), Factor.SHARED: (d, d), Factor.FULL: (k, d, d)}[shape]
        factor = _array(document.get("factor"), "factor", len(wanted))
        if offset.shape != (k,) or factor.shape != wanted:
            raise DataError("The request's arrays do not have the shapes of one mixture.")
        offset[absent] = -np.inf
        moment = _choice(Moment, document, "moment")
        return cls(_round(document), Potentials(offset, center, factor, shape, moment))


@final
@dataclass(frozen=True, eq=False)
class Reply:
    """What a site answers: sums, and no row.

    Parameters
    ----------
    round : int
        That of the request; 0 for sums to start from.
    statistics : SufficientStatistics
    """

    round: int
    statistics: SufficientStatistics

    def to_bytes(self) -> bytes:
        """The reply as a JSON document; numbers keep all their digits."""
        own = self.statistics
        return _bytes(
            "reply",
            round=self.round,
            n=own.n.tolist(),
            s1=own.s1.tolist(),
            s2=own.s2.tolist(),
            center=own.center.tolist(),
            loglik=float(own.loglik),
            entropy=float(own.entropy),
            weight=float(own.weight),
            rows=int(own.rows),
            moment=own.moment.value,
        )

    @classmethod
    def from_bytes(cls, message: bytes) -> Self:
        """The reply that `to_bytes` wrote.

        Raises
        ------
        DataError
            The message is no sound reply; the sentence says why.
        """
        document = _document(message, "reply")
        moment = _choice(Moment, document, "moment")
        n, s1, center = (
            _array(document.get(key), key, axes)
            for key, axes in (("n", 1), ("s1", 2), ("center", 2))
        )
        k, d = center.shape
        wanted = {Moment.DIAGONAL: (k, d), Moment.POOLED: (d, d), Moment.FULL: (k, d, d)}[moment]
        s2 = _array(document.get("s2"), "s2", len(wanted))
        if n.shape != (k,) or s1.shape != (k, d) or s2.shape != wanted:
            raise DataError("The reply's arrays do not have the shapes of one mixture's sums.")
        loglik, entropy, weight = (
            float(_array(document.get(key), key, 0)) for key in ("loglik", "entropy", "weight")
        )
        rows = _whole(document, "rows")
        sums = SufficientStatistics(n, s1, s2, center, loglik, entropy, weight, rows, moment)
        return cls(_round(document), sums)


def _bytes(kind: str, **content: Any) -> bytes:
    document = {"schema": SCHEMA, "version": VERSION, "kind": kind, **content}
    return json.dumps(document, allow_nan=False).encode()


def _document(message: bytes, kind: str) -> dict[str, Any]:
    try:
        document = json.loads(message)
    except (ValueError, RecursionError, TypeError):
        raise DataError("The message is not a complete JSON document.") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"The message is none of a federated fit: its schema is not {SCHEMA!r}.")
    if document.get("version") != VERSION or document.get("kind") != kind:
        raise DataError(
            f"The message is a {document.get('kind')!r} of version {document.get('version')!r}, "
            f"expected a {kind!r} of version {VERSION}."
        )
    return document


def _array(value: Any, key: str, axes: int) -> Array:
    """Finite numbers with so many axes, and nothing else: NumPy would take text and booleans."""
    if not _numeric(value):
        raise DataError(f"The message's {key} holds something that is not a number.")
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"The message's {key} is no array of numbers.") from None
    if array.ndim != axes or not (np.abs(array) < BIGGEST).all():
        raise DataError(f"The message's {key} is no array of finite numbers with {axes} axes.")
    return array


def _numeric(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_numeric, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _choice(kinds: Any, document: dict[str, Any], key: str) -> Any:
    try:
        return kinds(document.get(key))
    except ValueError:
        raise DataError(f"The message's {key} is {document.get(key)!r}, which is none.") from None


def _round(document: dict[str, Any]) -> int:
    return _whole(document, "round")


def _whole(document: dict[str, Any], key: str) -> int:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"The message's {key} is {value!r}, expected a whole number from 0 on.")
    return value
