"""From a GaussianMixture's constructor arguments to the fits that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from ellimix.covariance import Family
from ellimix.density.mixture import Mixture
from ellimix.em import Task
from ellimix.engines import Engine, choose
from ellimix.errors import DataError
from ellimix.estimators.assuming import assumed_of
from ellimix.estimators.automatic import AUTO
from ellimix.estimators.fixing import as_wished
from ellimix.estimators.matching import resumed
from ellimix.estimators.preparing import prepared
from ellimix.estimators.starting import first_steps
from ellimix.inference.posterior import Estimation, assuming, estimation
from ellimix.records import Factor
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.starts import STARTS, Beginning, Given, Start

if TYPE_CHECKING:
    from ellimix.estimators.gaussian_mixture import GaussianMixture
    from ellimix.estimators.running import RunningMixture


def engine_of(estimator: RunningMixture, source: MemorySource | OutsideSource) -> Engine:
    """The engine that was asked for, or that suits the work."""
    d = source.n_features
    full = estimator._family(d).structure.factor is not Factor.DIAGONAL
    shape = source.n_rows, d, int(estimator.n_components) * int(estimator.n_init), full
    return choose(estimator.engine, *shape, patterns=source.n_patterns)


def tasks_of(estimator: GaussianMixture, source: MemorySource, engine: Engine) -> list[Task]:
    """The fits to run: one a start, or one that goes on from the last fit."""
    k, d = int(estimator.n_components), source.n_features
    family, floor = estimator._family(d), float(estimator.reg_covar)
    fast, assumed = acceleration_of(estimator), assumed_of(estimator.prior, source, engine)
    if estimator.warm_start and hasattr(estimator, "converged_"):
        check_warm_start(estimator, family, k, d)
        old_box = estimator.mixture_.box
        plain = assuming(family, k, floor, old_box, assumed)
        inference, _ = as_wished(estimator, plain, d)
        old = estimator.mixture_.parameters
        parameters, before = resumed(old, estimator.lower_bound_, inference.held)
        tol, most = estimator.tol, estimator.max_iter
        return [Task(inference, parameters, tol, most, before, "warm", fast)]
    random = check_random_state(estimator.random_state)
    start = start_of(estimator)
    ready = prepared(source, engine, start, k, estimator.noise, random)
    plain = assuming(family, k, floor, ready.box, assumed)
    inference, given = as_wished(estimator, plain, d)
    beginnings = first_steps(
        Beginning(ready.source, engine, k, inference.moment, floor, random),
        inference,
        ready,
        given,
        estimator.n_init,
    )
    name = "parameters" if given.complete else start.name
    return [
        Task(inference, b, estimator.tol, estimator.max_iter, name=name, acceleration=fast)
        for b in beginnings
    ]


def inference_of(estimator: GaussianMixture, mixture: Mixture) -> Estimation:
    """The inference whose fit gave this mixture."""
    floor = float(estimator.reg_covar)
    plain = estimation(mixture.family, floor, mixture.box, estimator._pseudo)
    if AUTO in (estimator.n_components, estimator.covariance_type):
        return plain  # a choice holds nothing
    inference = as_wished(estimator, plain, mixture.n_features)[0]
    if inference.held is not None and estimator.order == "weight":
        raise DataError(
            'order="weight" has renumbered the components since the fit: with fixed parts use '
            'order="fitted".'
        )
    return inference


def acceleration_of(estimator: RunningMixture) -> str | None:
    """The accelerator; a fixed number of iterations is that many EM steps."""
    name = "auto" if estimator.acceleration == "sample" else estimator.acceleration
    return None if name == "auto" and estimator.tol == 0.0 else name


def start_of(estimator: RunningMixture) -> Start:
    """The start that was asked for."""
    if isinstance(estimator.init_params, str):
        return STARTS[estimator.init_params]
    return Given(np.asarray(estimator.init_params))


def check_warm_start(estimator: RunningMixture, family: Family, k: int, d: int) -> None:
    """Raise ValueError where the last fit was of another model."""
    old = estimator.mixture_
    if (old.family.name, old.n_components, old.n_features) != (family.name, k, d):
        raise ValueError(
            f"warm_start=True goes on from the last fit, which has {old.n_components} "
            f"components of family {old.family.name} on {old.n_features} features; now {k} of "
            f"{family.name} on {d} are asked for. Set warm_start=False to begin anew."
        )
    if (old.box is not None) != (estimator.noise is not False):
        raise ValueError(
            "warm_start=True goes on from the last fit: it cannot gain or lose a noise component. "
            "Set warm_start=False to begin anew."
        )
