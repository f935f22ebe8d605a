"""Records as JSON, and back with the same bits.

The world is closed: what may be written are numbers, texts, tuples, arrays, members of the enums
and registries below, and the dataclasses in `RECORDS`, of which a file can make nothing else. So
no code runs on load. Arrays keep their type and the order of their axes in memory, which the last
bits of a product may depend on. What several records share is written once, and is shared again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration import ACCELERATORS
from ellimix.acceleration.base import Memory
from ellimix.acceleration.points import Points
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance, Structure
from ellimix.density.mixture import Mixture
from ellimix.errors import Status
from ellimix.flights import FitsState, Flight, Progress, Task
from ellimix.inference.base import Hyperparameters, Parameters
from ellimix.inference.box import Box
from ellimix.inference.held import Held
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.mixing import Dirichlet, StickBreaking
from ellimix.inference.normal_wishart import NormalWishart
from ellimix.inference.pointed import RULES
from ellimix.inference.posterior import MaximumAPosteriori
from ellimix.inference.process import UncertainProcess
from ellimix.inference.pseudo_data import PseudoData
from ellimix.inference.variational import VariationalBayes
from ellimix.records import Factor, Moment, SufficientStatistics
from ellimix.report import FitReport

# a new kind of inference or prior is one more name here
RECORDS: Final = {
    kind.__name__: kind
    for kind in (
        Box, Covariance, Dirichlet, FitReport, FitsState, Flight, Held, Hyperparameters,
        MaximumAPosteriori, MaximumLikelihood, Memory, Mixture, NormalWishart, Parameters, Points,
        Progress, PseudoData, StickBreaking, SufficientStatistics, Task, UncertainProcess,
        VariationalBayes,
    )
}  # fmt: skip
ENUMS: Final[dict[str, type[Enum]]] = {
    kind.__name__: kind for kind in (Factor, Moment, Status, Structure)
}
NAMED: Final[dict[str, Mapping[str, Any]]] = {
    "family": FAMILIES,
    "rule": RULES,
    "accelerator": ACCELERATORS,
}
KINDS: Final = "fiub"  # of arrays: numbers and truth values


def frozen(value: Any) -> dict[str, Any]:
    """A value as what JSON can say.

    Raises
    ------
    TypeError
        Part of it is none of what may be written.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.freezing import frozen, thawed
    >>> document = frozen((np.array([0.1, np.inf]), "a", None))
    >>> document["root"]
    {'tuple': [{'at': 0}, 'a', None]}
    >>> thawed(document)
    (array([0.1, inf]), 'a', None)
    """
    freezer = _Freezer()
    root = freezer.plain(value)
    return {"nodes": freezer.nodes, "root": root}


def thawed(document: Any) -> Any:
    """The value that `frozen` was given.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        The document is not one that `frozen` made.
    """
    made: list[Any] = []
    for node in document["nodes"]:
        made.append(_record(node, made) if "record" in node else _array(node))
    return _value(document["root"], made)


@final
class _Freezer:
    """Writes a value's records and arrays to `nodes`, each after what it is made of."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # an id is one object's as long as that lives

    def plain(self, value: Any) -> Any:
        """What stands for a value: itself, or where it is found."""
        if isinstance(value, np.generic):
            return {"scalar": self._at(value)}
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if np.isfinite(value) else {"float": str(value)}
        if isinstance(value, tuple):
            return {"tuple": [self.plain(part) for part in value]}
        return _name_of(value) or {"at": self._at(value)}

    def _at(self, value: Any) -> int:
        if id(value) not in self._places:
            node = self._node(value)  # first what it is made of
            self._places[id(value)] = len(self.nodes)
            self._kept.append(value)
            self.nodes.append(node)
        return self._places[id(value)]

    def _node(self, value: Any) -> dict[str, Any]:
        if isinstance(value, np.ndarray | np.generic):
            return _array_node(np.asarray(value))
        kind = type(value)
        if RECORDS.get(kind.__name__) is not kind:
            raise TypeError(f"A {kind.__name__} cannot be written to a checkpoint.")
        parts = {part.name: self.plain(getattr(value, part.name)) for part in fields(value)}
        return {"record": kind.__name__, "parts": parts}


def _name_of(value: Any) -> dict[str, str] | None:
    """A member of an enum or a registry by its name."""
    if isinstance(value, Enum):
        return {"enum": type(value).__name__, "name": value.name}
    for kind, table in NAMED.items():
        for name, known in table.items():
            if known is value:
                return {"named": kind, "name": name}
    return None


def _array_node(array: NDArray[Any]) -> dict[str, Any]:
    if array.dtype.kind not in KINDS:
        raise TypeError(f"An array of type {array.dtype} cannot be written to a checkpoint.")
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    kind = array.dtype.newbyteorder("<")
    dense = np.array(array.transpose(axes), dtype=kind, order="C")
    return {
        "array": kind.str,
        "shape": list(dense.shape),
        "axes": axes,
        "bytes": base64.b64encode(dense.tobytes()).decode("ascii"),
    }


def _array(node: dict[str, Any]) -> NDArray[Any]:
    kind = np.dtype(node["array"])
    if kind.kind not in KINDS:
        raise ValueError(f"it holds an array of type {kind}.")
    raw = base64.b64decode(node["bytes"], validate=True)
    dense = np.frombuffer(raw, dtype=kind).reshape(node["shape"]).astype(kind.newbyteorder("="))
    return dense.transpose(np.argsort(np.asarray(node["axes"], dtype=np.intp)))


def _record(node: dict[str, Any], made: list[Any]) -> Any:
    kind: Any = RECORDS[node["record"]]
    return kind(**{name: _value(part, made) for name, part in node["parts"].items()})


def _value(plain: Any, made: list[Any]) -> Any:
    if not isinstance(plain, dict):
        return plain
    (reader,) = (READERS[key] for key in plain if key in READERS)
    return reader(plain, made)


READERS: Final[dict[str, Callable[[dict[str, Any], list[Any]], Any]]] = {
    "at": lambda plain, made: made[plain["at"]],
    "tuple": lambda plain, made: tuple(_value(part, made) for part in plain["tuple"]),
    "float": lambda plain, _: float(plain["float"]),
    "scalar": lambda plain, made: made[plain["scalar"]][()],
    "enum": lambda plain, _: ENUMS[plain["enum"]][plain["name"]],
    "named": lambda plain, _: NAMED[plain["named"]][plain["name"]],
}
