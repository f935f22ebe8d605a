"""Parameter attributes of estimators, read from the frozen mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.density.checks import (
    checked_weights,
    covariance_of,
    covariance_of_factor,
    covariance_of_precisions,
)
from ellimix.density.mixture import Mixture
from ellimix.inference.base import Parameters

# which of them gives the covariances, the most exact first
_COVARIANCES = {
    "precisions_cholesky_": covariance_of_factor,
    "precisions_": covariance_of_precisions,
    "covariances_": covariance_of,
}


class ParameterAttribute:
    """An attribute such as ``means_``: a read-only array of the estimator's mixture.

    Assignment is scikit-learn's way to make an estimator from known parameters, so it works here
    too: what is assigned waits until weights, means and covariances (or precisions, or their
    factors) are there, and becomes a new mixture. On a fitted estimator the rest stays.
    """

    def __init__(self, read: Callable[[Mixture], NDArray[np.float64]]) -> None:
        self._read = read
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        if estimator is None:
            return self
        state = vars(estimator)
        if self._name in state.get("_assigned", {}):
            return state["_assigned"][self._name]
        if "mixture_" not in state:
            raise AttributeError(
                f"This {type(estimator).__name__} has no {self._name}: it is not fitted yet."
            )
        array = np.array(self._read(state["mixture_"]), dtype=state.get("_dtype", np.float64))
        array.setflags(write=False)
        return array

    def __set__(self, estimator: Any, value: object) -> None:
        state = vars(estimator)
        assigned = {**state.get("_assigned", {}), self._name: np.asarray(value)}
        mixture = _rebuilt(assigned, state.get("mixture_"), estimator)
        if mixture is None:
            state["_assigned"] = assigned
            return
        for stale in ("_assigned", "clusters_", "scores_"):
            state.pop(stale, None)
        estimator.mixture_ = mixture


def _rebuilt(assigned: dict[str, Any], old: Mixture | None, estimator: Any) -> Mixture | None:
    """The mixture that follows from what was assigned; None while something is missing."""
    weights = assigned.get("weights_", None if old is None else old.weights)
    means = assigned.get("means_", None if old is None else old.means)
    given = [name for name in _COVARIANCES if name in assigned]
    if weights is None or means is None or not (given or old is not None):
        return None
    family = estimator._family(np.shape(means)[1])
    k, d = np.shape(means)
    if given:
        covariance = _COVARIANCES[given[0]](assigned[given[0]], family.structure, k, d)
    elif old is not None and old.means.shape == (k, d):
        covariance = old.covariance
    else:
        return None
    means = np.array(means, dtype=np.float64)
    if old is not None and old.box is not None and "weights_" not in assigned:
        parameters = Parameters(old.weights, means, covariance, old.parameters.noise)
        return Mixture(parameters, family, box=old.box)  # the noise stays
    return Mixture(Parameters(checked_weights(weights, k), means, covariance), family)
