"""ellimix: Gaussian mixture models, done properly.

>>> import ellimix as em
>>> X, names = em.datasets.faithful()
>>> model = em.GaussianMixture(2, covariance_type="EEE", order="weight", random_state=0).fit(X)
>>> model.means_.round(1)
array([[ 4.3, 80. ],
       [ 2. , 54.6]])
>>> em.select(X).best_params_
{'n_components': 3, 'covariance_type': 'EEE'}

Names are imported when they are first used: ``import ellimix`` alone imports nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ellimix import bayes, covariance, datasets, errors, federated, plots
    from ellimix.checkpoint import Checkpoint
    from ellimix.covariance import FAMILIES
    from ellimix.density.mixture import Mixture
    from ellimix.density.posterior import MixturePosterior
    from ellimix.errors import (
        BudgetSpent,
        CheckpointError,
        DataError,
        EllimixError,
        FitFailed,
        FitWarning,
        ImproperPosterior,
        MissingExtra,
        ModelFileError,
        Status,
    )
    from ellimix.estimators.bayesian_mixture import BayesianGaussianMixture
    from ellimix.estimators.federating import federate
    from ellimix.estimators.gaussian_mixture import GaussianMixture
    from ellimix.estimators.imputer import GaussianMixtureImputer
    from ellimix.estimators.merging import merge
    from ellimix.estimators.recorder import Recorder
    from ellimix.estimators.search import GaussianMixtureSearch
    from ellimix.estimators.select import select
    from ellimix.estimators.spark import spark_udf
    from ellimix.inference.priors import Prior
    from ellimix.labelling import write_labels
    from ellimix.online.report import StreamReport
    from ellimix.online.steps import Online
    from ellimix.persist import load, save
    from ellimix.plots.kinds import plot
    from ellimix.plots.motion import animate
    from ellimix.report import FitReport
    from ellimix.selection.combining import ClusterTree, combine
    from ellimix.sources.opening import rows
    from ellimix.summary.summary import Summary
    from ellimix.trajectories import Record, Trajectory

_HOMES = {
    "Checkpoint": "ellimix.checkpoint",
    "BayesianGaussianMixture": "ellimix.estimators.bayesian_mixture",
    "GaussianMixture": "ellimix.estimators.gaussian_mixture",
    "GaussianMixtureImputer": "ellimix.estimators.imputer",
    "GaussianMixtureSearch": "ellimix.estimators.search",
    "Recorder": "ellimix.estimators.recorder",
    "federate": "ellimix.estimators.federating",
    "merge": "ellimix.estimators.merging",
    "select": "ellimix.estimators.select",
    "spark_udf": "ellimix.estimators.spark",
    "Mixture": "ellimix.density.mixture",
    "MixturePosterior": "ellimix.density.posterior",
    "FitReport": "ellimix.report",
    "Record": "ellimix.trajectories",
    "Trajectory": "ellimix.trajectories",
    "FAMILIES": "ellimix.covariance",
    "ClusterTree": "ellimix.selection.combining",
    "combine": "ellimix.selection.combining",
    "Summary": "ellimix.summary.summary",
    "rows": "ellimix.sources.opening",
    "write_labels": "ellimix.labelling",
    "Prior": "ellimix.inference.priors",
    "animate": "ellimix.plots.motion",
    "Online": "ellimix.online.steps",
    "StreamReport": "ellimix.online.report",
    "load": "ellimix.persist",
    "plot": "ellimix.plots.kinds",
    "save": "ellimix.persist",
    "Status": "ellimix.errors",
    "EllimixError": "ellimix.errors",
    "FitFailed": "ellimix.errors",
    "ModelFileError": "ellimix.errors",
    "BudgetSpent": "ellimix.errors",
    "CheckpointError": "ellimix.errors",
    "DataError": "ellimix.errors",
    "MissingExtra": "ellimix.errors",
    "FitWarning": "ellimix.errors",
    "ImproperPosterior": "ellimix.errors",
}
_MODULES = {"bayes", "covariance", "datasets", "errors", "federated", "plots"}

__all__ = [
    "FAMILIES",
    "BayesianGaussianMixture",
    "BudgetSpent",
    "Checkpoint",
    "CheckpointError",
    "ClusterTree",
    "DataError",
    "EllimixError",
    "FitFailed",
    "FitReport",
    "FitWarning",
    "GaussianMixture",
    "GaussianMixtureImputer",
    "GaussianMixtureSearch",
    "ImproperPosterior",
    "MissingExtra",
    "Mixture",
    "MixturePosterior",
    "ModelFileError",
    "Online",
    "Prior",
    "Record",
    "Recorder",
    "Status",
    "StreamReport",
    "Summary",
    "Trajectory",
    "__version__",
    "animate",
    "bayes",
    "combine",
    "covariance",
    "datasets",
    "errors",
    "federate",
    "federated",
    "load",
    "merge",
    "plot",
    "plots",
    "rows",
    "save",
    "select",
    "spark_udf",
    "write_labels",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"ellimix.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'ellimix' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
