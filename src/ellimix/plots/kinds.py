"""The kinds of picture by name, the backends by name, and `ellimix.plot`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ellimix.errors import DataError
from ellimix.plots import interactive
from ellimix.plots.clusters import ClustersDisplay
from ellimix.plots.convergence import ConvergenceDisplay
from ellimix.plots.covariance import CovarianceDisplay
from ellimix.plots.density import DensityDisplay
from ellimix.plots.display import Display
from ellimix.plots.kmeans_comparison import KMeansDisplay
from ellimix.plots.pairs import PairsDisplay
from ellimix.plots.profile import ProfileDisplay
from ellimix.plots.responsibilities import ResponsibilitiesDisplay
from ellimix.plots.samples import SamplesDisplay
from ellimix.plots.selection import SelectionDisplay
from ellimix.plots.uncertainty import UncertaintyDisplay

Value = TypeVar("Value")

_ALL: Final[tuple[type[Display], ...]] = (
    ClustersDisplay,
    DensityDisplay,
    PairsDisplay,
    UncertaintyDisplay,
    SelectionDisplay,
    ConvergenceDisplay,
    ResponsibilitiesDisplay,
    ProfileDisplay,
    CovarianceDisplay,
    KMeansDisplay,
    SamplesDisplay,
)

KINDS: Final[Mapping[str, type[Display]]] = MappingProxyType({kind.name: kind for kind in _ALL})


def _matplotlib(kind: type[Display], model: Any, X: Any, ax: Any, options: Any) -> Display:
    return kind.from_estimator(model, X, ax=ax, **options)


def _plotly(kind: type[Display], model: Any, X: Any, ax: Any, options: Any) -> Any:
    if ax is not None:
        raise DataError('ax is for backend="matplotlib": plotly always makes a figure of its own.')
    return interactive.figure(kind.of(model, X, **options))


BACKENDS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {"matplotlib": _matplotlib, "plotly": _plotly}
)


def plot(
    model: Any,
    X: Any = None,
    kind: str = "clusters",
    *,
    ax: Any = None,
    backend: str = "matplotlib",
    **options: Any,
) -> Any:
    """Draw a fitted model.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d), optional
        The rows to draw, with NaN for missing values.
    kind : str, default "clusters"
        A name in `ellimix.plots.KINDS`.
    ax : matplotlib Axes, or a sequence of them, optional
        One for each panel; by default those of a new figure.
    backend : {"matplotlib", "plotly"}
    **options
        Those of the kind: see its display in `ellimix.plots`.

    Returns
    -------
    Display or plotly Figure
        By matplotlib the kind's display, with `figure_`, `ax_`, `axes_` and `scene_`.

    Raises
    ------
    MissingExtra
        The backend's package is not installed.
    DataError
        There is no such kind, backend or option; the model is not fitted; or `X` does not fit it.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> display = em.plot(em.GaussianMixture(2, random_state=0).fit(X), X)
    >>> display.ax_.get_title()
    '2 components, VVV; 272 rows'
    """
    drawn = _named(KINDS, kind, "kind of picture")
    return _named(BACKENDS, backend, "backend")(drawn, model, X, ax, options)


def _named(registry: Mapping[str, Value], name: str, what: str) -> Value:
    if not isinstance(name, str) or name not in registry:
        known = ", ".join(registry)
        raise DataError(f"There is no {what} {name!r}; there are: {known}.")
    return registry[name]
