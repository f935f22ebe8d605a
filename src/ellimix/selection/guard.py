"""The guard against spurious components: fits whose likelihood is high for no good reason.

The likelihood of a mixture whose components have covariances of their own is unbounded: it grows
without end as a component shrinks onto a few rows that lie in a flat, or onto rows with equal
values. Before that it has many local maxima at chance groups of a few rows (Day 1969; McLachlan &
Peel 2000, section 3.10). A search that runs many fits finds them, and a criterion prefers them.

All limits are in the data's own units: rows, standard deviations relative to the whole mixture's,
and the grid on which a column's values lie. ``benchmarks/guard.py`` shows where the defaults come
from: on 60 clouds without clusters a search over seven families is led astray 31 times without
the guard and twice with it; genuine clusters of at least 8 rows more than features are not marked,
and of those with 2 to 4 more, two in five are: chance finds as good ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.density.mixture import Mixture
from ellimix.inference.base import Parameters
from ellimix.inference.box import Box
from ellimix.records import Array
from ellimix.selection.widths import eigenvalue_ratios, relative_widths, widths_in_steps

Mask = NDArray[np.bool_]

DOMINANT = 0.9  # of a direction's squared length in one column: the direction is called by its name
OWN_AXES: Final = "V"  # last letter of a family whose components have axes of their own


class Kind(Enum):
    """What is wrong with a component; the value is the word that tables show."""

    FEW = "few"  # fewer rows than what it has of its own needs
    CHANCE = "chance"  # as few rows in a flat as chance finds among so many
    SPIKE = "spike"  # narrower than the grid on which the rows lie
    THIN = "thin"  # a thousand times narrower than the data
    RATIO = "ratio"  # eigenvalues further apart than `max_ratio`


@final
@dataclass(frozen=True, slots=True)
class Reason:
    """Why a component is not to be trusted.

    Parameters
    ----------
    component : int
    kind : Kind
    count : float
        Rows of the component: its sum of responsibilities.
    value : float
        What was found: rows, a relative width, a width in steps of the grid, or a ratio.
    limit : float
        What it is compared with.
    sentence : str
    """

    component: int
    kind: Kind
    count: float
    value: float
    limit: float
    sentence: str


@final
@dataclass(frozen=True, eq=False, slots=True)
class Verdicts:
    """What the guard says of m fits of one family and number of components.

    Parameters
    ----------
    marks : dict of Kind to ndarray of shape (m, k), bool
        The components that each rule marks.
    values : dict of Kind to ndarray of shape (m, k)
        What each rule found.
    limits : dict of Kind to float
        What it is compared with.
    """

    marks: dict[Kind, Mask]
    values: dict[Kind, Array]
    limits: dict[Kind, float]

    @property
    def spurious(self) -> Mask:
        """Which fits have a marked component, (m,)."""
        marked: Mask = np.logical_or.reduce([mark.any(axis=-1) for mark in self.marks.values()])
        return marked


@final
@dataclass(frozen=True)
class Guard:
    """Rules that tell spurious components from genuine ones, with their limits.

    Parameters
    ----------
    own : int
        Rows above d that a component with axes of its own needs: d + 1 rows span d dimensions.
    spread : float
        Rows that a component needs that has a volume or shape of its own, but no axes: two rows
        have a spread, but the closest of all pairs have next to none.
    shared : float
        Rows that a component needs that has nothing of its own but its mean: one row alone is an
        outlier and no cluster.
    chance : int
        Below so many rows above d, a component with axes of its own may be a chance group. Where n
        is large BIC prefers a group in a flat of chance's making up to d P / (P - d) rows, with
        P = (d + 1)(d + 2) / 4 half the parameters of a component: 6 for d = 2, 8.6 for d = 4,
        14.3 for d = 10.
    group : int
        The same for other families: below so many rows.
    narrow : float
        Standard deviation in the narrowest direction, relative to the whole mixture's in the same
        direction, under which such a component is suspected.
    odds : float
        It is marked unless the logarithm of the odds against its widths exceeds so many times that
        of the number of groups of as many rows.
    thin : float
        The same, under which any component is marked where the grid of the data is not known.
    spike : float
        Standard deviation in units of the rounding error's, under which a component is marked.
    values : float
        Values of the data for each free parameter of a model, under which it is marked whatever
        its fit: criteria compare models that have few parameters for the rows.
    max_ratio : float or None
        Bound on the largest over the smallest eigenvalue of all covariances of a fit, as in TCLUST
        (Garcia-Escudero, Gordaliza, Matran & Mayo-Iscar 2008). It depends on the columns' units.

    Examples
    --------
    >>> import ellimix as em
    >>> from ellimix.selection.guard import Guard
    >>> mixture = em.Mixture.from_parameters(
    ...     [0.98, 0.02], [[0.0, 0.0], [3.0, 3.0]], [[[1, 0], [0, 1]], [[1e-8, 0], [0, 1]]]
    ... )
    >>> for reason in Guard().judge(mixture, [98.0, 2.0]):
    ...     print(reason.sentence)
    component 1 (2 rows) has fewer rows than the 3 that its own covariance of 2 features needs
    component 1 (2 rows) is 11,000 times thinner than the data along x0
    """

    own: int = 1
    spread: float = 2.5
    shared: float = 1.5
    chance: int = 5
    group: int = 4
    narrow: float = 0.1
    odds: float = 2.0
    thin: float = 1e-3
    spike: float = 0.5
    values: float = 4.0
    max_ratio: float | None = None

    def overfull(self, rows: float, d: int, n_parameters: int) -> bool:
        """Whether a model has too many parameters for so many rows of d features.

        Examples
        --------
        >>> from ellimix.selection.guard import Guard
        >>> Guard().overfull(30, 7, 151), Guard().overfull(150, 4, 134)
        (True, False)
        """
        return rows * d < self.values * n_parameters

    def verdicts(
        self,
        family: Family,
        counts: Array,
        parameters: Parameters,
        resolution: Array | None = None,
        box: Box | None = None,
    ) -> Verdicts:
        """Judge m fits of one family and number of components at once.

        Parameters
        ----------
        family : Family
        counts : ndarray of shape (m, k)
            Sums of responsibilities, in rows (see `grain.observation`).
        parameters : Parameters
            With a fit axis: weights (m, k), means (m, k, d) and covariances.
        resolution : ndarray of shape (d,), optional
            The step of the grid on which each column's values lie, 0 where there is none (see
            `grain.resolutions`). Without it a component on tied values is told by `thin` alone.
        box : Box, optional
            Where a noise component is uniform. It is a part of the whole mixture and its rows are
            among those in which chance finds groups, but it is not judged.

        Returns
        -------
        Verdicts
        """
        d = parameters.means.shape[-1]
        need = self.needed(family, d)
        few = counts < need
        marks: dict[Kind, Mask] = {Kind.FEW: few}
        values: dict[Kind, Array] = {Kind.FEW: counts}
        limits = {Kind.FEW: need}
        suspect = ~few & (counts < self._suspect(family, d))
        if suspect.any():
            widths = relative_widths(parameters, self.narrow, suspect, box)
            total = counts.sum(axis=-1, keepdims=True)
            if parameters.noise is not None:
                total = total / (1.0 - parameters.noise[:, None])
            chance = self._by_chance(family, counts, total, widths)
            marks[Kind.CHANCE] = suspect & chance
            values[Kind.CHANCE], limits[Kind.CHANCE] = widths[..., 0], self.narrow
        if resolution is None:
            width = relative_widths(parameters, self.thin, box=box)[..., 0]
            marks[Kind.THIN] = width < self.thin
            values[Kind.THIN], limits[Kind.THIN] = width, self.thin
        else:
            steps = widths_in_steps(parameters.covariance, resolution, self.spike)
            marks[Kind.SPIKE] = steps < self.spike
            values[Kind.SPIKE], limits[Kind.SPIKE] = steps, self.spike
        if self.max_ratio is not None:
            low, ratio = eigenvalue_ratios(parameters.covariance, counts.shape[-1])
            marks[Kind.RATIO] = low & (ratio > self.max_ratio)[..., None]
            values[Kind.RATIO] = np.broadcast_to(ratio[..., None], counts.shape)
            limits[Kind.RATIO] = self.max_ratio
        return Verdicts(marks, values, limits)

    def clearly_sound(
        self, family: Family, counts: Array, factor: Array, resolution: Array | None
    ) -> NDArray[np.bool_]:
        """Which of m fits no rule marks, at a glance: what is left needs `verdicts`.

        Parameters
        ----------
        family : Family
        counts : ndarray of shape (m, k)
        factor : ndarray of shape (m, k, d, d)
            Precision factors as square matrices, whatever the family.
        resolution : ndarray of shape (d,) or None
        """
        d = factor.shape[-1]
        if resolution is None or self.max_ratio is not None:
            return np.zeros(counts.shape[0], dtype=np.bool_)
        most = max(self.needed(family, d), self._suspect(family, d))
        # the trace of F^T R F is at least its largest eigenvalue
        steps = (factor**2).sum(axis=-1) @ (resolution**2 / 12.0)
        clear = (counts >= most) & (steps * self.spike**2 < 1.0)
        return np.asarray(clear.all(axis=-1))

    def judge(
        self, mixture: Mixture, counts: object, resolution: Array | None = None
    ) -> tuple[Reason, ...]:
        """Why a mixture's components are not to be trusted; empty where nothing speaks against it.

        Parameters
        ----------
        mixture : Mixture
        counts : array-like of shape (k,)
            Sums of responsibilities, in rows.
        resolution : ndarray of shape (d,), optional
            As in `verdicts`.
        """
        count = np.asarray(counts, dtype=np.float64)
        if count.shape != (mixture.n_components,):
            raise ValueError(
                f"The counts have shape {count.shape}: pass one number for each of the "
                f"{mixture.n_components} components."
            )
        found = self.verdicts(
            mixture.family, count[None], _one(mixture.parameters), resolution, mixture.box
        )
        return tuple(
            _reason(kind, int(k), float(count[k]), found, mixture, resolution)
            for k in range(count.size)
            for kind, mark in found.marks.items()
            if mark[0, k]
        )

    def needed(self, family: Family, d: int) -> float:
        """Rows that a component of this family needs."""
        if _own_axes(family, d):
            return d + self.own
        return self.spread if _owns_something(family) else self.shared

    def kind(self, family: Family, d: int) -> tuple[float, float, bool]:
        """What the rules ask of a family: those that agree in it may be judged together."""
        return self.needed(family, d), self._suspect(family, d), _own_axes(family, d)

    def _suspect(self, family: Family, d: int) -> float:
        """Below so many rows a component may be a chance group."""
        if not _owns_something(family):
            return 0.0
        return d + self.chance if d == 1 or _own_axes(family, d) else self.group

    def _by_chance(self, family: Family, counts: Array, n: Array, widths: Array) -> Mask:
        """Whether chance finds as many rows in as narrow a place.

        Of c rows in d dimensions the chance that their relative standard deviations along their
        own axes, in ascending order, are below s_1 .. s_d goes as the product of s_j^(c - d + 2j -
        2) (the singular values of a Gaussian matrix repel each other), and along given axes as that
        of s_j^(c - 1). There are C(n, c) groups of c rows: chance finds one where the logarithm of
        the product is about -log C(n, c). Groups that were sought on purpose in Gaussian rows, and
        for which BIC preferred two components to one, lay between 0.6 and 1.9 times that.
        """
        d = widths.shape[-1]
        ways = gammaln(n + 1.0) - gammaln(counts + 1.0) - gammaln(n - counts + 1.0)
        free = np.arange(d) * 2.0 + 1.0 - d if _own_axes(family, d) else np.zeros(d)
        powers = np.maximum(counts[..., None] - 1.0 + free, 0.0)
        evidence = (powers * np.maximum(-np.log(widths), 0.0)).sum(axis=-1)
        return np.asarray((widths[..., 0] < self.narrow) & (evidence < self.odds * ways))


def _owns_something(family: Family) -> bool:
    """Whether components have a volume, shape or axes of their own."""
    return "V" in family.name


def _own_axes(family: Family, d: int) -> bool:
    """Whether components have axes of their own, of which one feature has none."""
    return d > 1 and family.name[2] == OWN_AXES


def _one(parameters: Parameters) -> Parameters:
    """The same with a fit axis."""
    c, noise = parameters.covariance, parameters.noise
    one = Covariance(c.structure, c.values[None], c.factor[None], c.log_det[None])
    return Parameters(
        parameters.weights[None],
        parameters.means[None],
        one,
        None if noise is None else np.asarray(noise)[None],
    )


def _reason(
    kind: Kind, k: int, count: float, found: Verdicts, mixture: Mixture, resolution: Array | None
) -> Reason:
    value, limit = float(found.values[kind][0, k]), found.limits[kind]
    d = mixture.n_features
    match kind:
        case Kind.FEW:
            what = _too_few(mixture.family, d, limit)
        case Kind.CHANCE:
            where = _where(mixture, k, mixture.total_covariance())
            what = (
                f"is {_times(value)} times thinner than the data {where}, "
                "as so few rows are by chance"
            )
        case Kind.THIN:
            where = _where(mixture, k, mixture.total_covariance())
            what = f"is {_times(value)} times thinner than the data {where}"
        case Kind.SPIKE:
            rounding = np.zeros(d) if resolution is None else resolution**2 / 12.0
            where = _where(mixture, k, np.diag(rounding))
            what = f"is a spike on tied values: it is narrower than the data's grid {where}"
        case Kind.RATIO:
            what = (
                f"has an eigenvalue {_number(value)} times smaller than the largest, "
                f"above the bound of {_number(limit)}"
            )
    rows = f"{count:.2g}" if count < 9.95 else f"{count:,.0f}"
    plural = "row" if rows == "1" else "rows"
    sentence = f"component {k} ({rows} {plural}) {what}"
    return Reason(k, kind, count, value, limit, sentence)


def _too_few(family: Family, d: int, limit: float) -> str:
    """What a component has too few rows for."""
    features = f"{d} feature{'s' if d > 1 else ''}"
    if _own_axes(family, d):
        whole = family.name[1] == "V"
        own = f"covariance of {features} needs" if whole else f"axes in {features} need"
        return f"has fewer rows than the {limit:.0f} that its own {own}"
    if _owns_something(family):
        return "has too few rows for a spread of its own"
    return "is an outlier and no cluster"


def _where(mixture: Mixture, k: int, scale: Array) -> str:
    """Where a component is narrowest relative to a scale: a column's name, or the columns'."""
    factor, d = mixture.potentials.factor, mixture.n_features
    if mixture.covariance.structure in (Structure.SPHERICAL, Structure.DIAGONAL):
        return f"along {mixture.names[int(np.argmax(factor[k] ** 2 * np.diagonal(scale)))]}"
    own = factor if factor.ndim == 2 else factor[k]
    unit = np.sqrt(np.maximum(np.diagonal(scale), 0.0))
    root = own @ np.linalg.eigh(own.T @ scale @ own)[1][:, -1]  # scale root = l Sigma_k root
    share = (root * unit) ** 2
    order = np.argsort(-share)
    most = int(np.searchsorted(np.cumsum(share[order]) / share.sum(), DOMINANT)) + 1
    if most == 1 or d == 1:
        return f"along {mixture.names[order[0]]}"
    named = ", ".join(mixture.names[j] for j in np.sort(order[: min(most, 3)]))
    return f"in a direction of {named}{' and others' if most > 3 else ''}"


def _times(width: float) -> str:
    return _number(1.0 / max(width, np.finfo(float).tiny))


def _number(value: float) -> str:
    """Two digits, with thousands apart."""
    return f"{value:.2g}" if value < 100.0 or value >= 1e7 else f"{float(f'{value:.2g}'):,.0f}"
