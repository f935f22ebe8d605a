"""Mixture: the frozen fitted distribution."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ellimix.covariance import name_for
from ellimix.covariance.base import Covariance, Family, Structure, free_parameters
from ellimix.engines import Engine, Posterior, choose
from ellimix.engines.incomplete import suited
from ellimix.inference.base import Parameters, noise_moment, plug_in
from ellimix.inference.box import Box
from ellimix.inference.normal_wishart import Rule
from ellimix.inference.variational import expected_potentials
from ellimix.records import Array, Block, Detail, Factor, Potentials, Rows
from ellimix.sources.base import Source
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import one_blas_thread

FEW_VALUES = 4096  # in rows so few that setting up threads would cost more than scoring them
MOST_WEIGHTS = 10  # shown where a mixture is printed
UNCERTAIN = 0.9  # a row is uncertain where its largest responsibility is below this


class Scores(NamedTuple):
    """What one pass over rows says of a mixture; sums are weighted by the rows' weights."""

    labels: NDArray[np.int64]  # (n,)
    log_likelihood: float  # sum of log p(x), nats
    classification: float  # sum of log max_k r_k <= 0, nats: BIC to ICL
    uncertain: float  # weight of the rows whose largest responsibility is below 0.9
    weight: float  # sum of the rows' weights
    entropy: float  # sum of -r log r >= 0, nats
    assigned: Array  # (k,), noise is one more: weight of the rows with each label
    counts: Array | None = None  # of the same shape: sums of r, where asked for
    rows: int = 0  # their number


@final
@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of Gaussians, with nothing of how it was fitted.

    Parameters
    ----------
    parameters : Parameters
        Weights (k,), means (k, d) and covariances.
    family : Family
        The covariance family.
    feature_names : tuple of str, optional
        Names of the d columns.
    box : Box, optional
        Where the noise component is uniform, if there is one. It stands after the k Gaussian
        components in what has a column for each, and its rows have the label -1.
    n_held : int, default 0
        Parameters that were held in the fit, not estimated: `n_parameters` leaves them out.
    rule : Rule, optional
        How means and precisions are distributed, where `parameters.hyper` says that they are (one
        of `ellimix.inference.pointed.RULES`). Densities, responsibilities and labels are then what
        that posterior expects in the E-step; `sample` draws with the expected parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix import Mixture
    >>> mixture = Mixture.from_parameters([0.5, 0.5], [[0.0], [4.0]], [[[1.0]], [[1.0]]])
    >>> mixture.responsibilities(np.array([[2.0]])).round(3)
    array([[0.5, 0.5]])
    """

    parameters: Parameters
    family: Family
    feature_names: tuple[str, ...] | None = None
    box: Box | None = None
    n_held: int = 0
    rule: Rule | None = None

    @classmethod
    def from_parameters(
        cls,
        weights: object,
        means: object,
        covariances: object,
        family: str = "VVV",
        feature_names: tuple[str, ...] | None = None,
    ) -> Mixture:
        """A mixture with the given parameters.

        Parameters
        ----------
        weights : array-like of shape (k,)
            Not negative, with sum 1 (to 1e-6; they are divided by their sum).
        means : array-like of shape (k, d)
        covariances : array-like
            Of the shape of the family: (k,), (k, d), (d, d) or (k, d, d); positive definite.
        family : str, default "VVV"
        feature_names : tuple of str, optional

        Raises
        ------
        ValueError
            A shape is wrong, a number is not finite, weights are negative or do not sum to 1, or
            a covariance is not symmetric and positive definite.
        """
        from ellimix.density.checks import checked_parameters

        parameters, parsed = checked_parameters(weights, means, covariances, family)
        return cls(parameters, parsed, feature_names)

    @property
    def weights(self) -> Array:
        """Mixing proportions, (k,)."""
        return self.parameters.weights

    @property
    def noise_weight(self) -> float:
        """Mixing proportion of the noise component; 0 without one."""
        return 0.0 if self.parameters.noise is None else float(self.parameters.noise)

    @property
    def means(self) -> Array:
        """Means, (k, d)."""
        return self.parameters.means

    @property
    def covariance(self) -> Covariance:
        """Covariances and precision factors, in the family's shape."""
        return self.parameters.covariance

    @property
    def n_components(self) -> int:
        """Number of components, k."""
        return int(self.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self.means.shape[1])

    @property
    def words(self) -> str:
        """The model in words: how many components, and how their covariances are alike."""
        plural = "" if self.n_components == 1 else "s"
        noise = "" if self.box is None else " and noise"
        name = name_for(self.family, self.n_features)
        return (
            f"Mixture of {self.n_components} Gaussian component{plural}{noise}, "
            f"{self.family.words} ({name})"
        )

    def __repr__(self) -> str:
        features = "1 feature" if self.n_features == 1 else f"{self.n_features} features"
        shown = " ".join(f"{weight:.3g}" for weight in self.weights[:MOST_WEIGHTS])
        more = " ..." if self.n_components > MOST_WEIGHTS else ""
        clutter = "" if self.box is None else f", of the noise {self.noise_weight:.3g}"
        return f"<{self.words}; {features}; weights {shown}{more}{clutter}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns; x0, x1, ... where they have none."""
        return self.feature_names or tuple(f"x{j}" for j in range(self.n_features))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters: weights, means and covariances that were estimated."""
        k, d = self.means.shape
        return free_parameters(self.family, k, d) + (self.box is not None) - self.n_held

    @cached_property
    def potentials(self) -> Potentials:
        """The log-densities of the weighted components, as engines take them."""
        if self.rule is not None and self.parameters.hyper is not None:
            return expected_potentials(self.parameters, self.rule)
        moment = self.family.moment
        moment = moment if self.box is None else noise_moment(moment)
        return plug_in(self.parameters, moment, self.box)

    def covariances(self) -> Array:
        """Covariance matrices of all components, (k, d, d), whatever the family."""
        values, (k, d) = self.covariance.values, self.means.shape
        match self.covariance.structure:
            case Structure.SPHERICAL:
                return values[:, None, None] * np.eye(d)
            case Structure.DIAGONAL:
                return values[:, :, None] * np.eye(d)
            case Structure.SHARED:
                return np.broadcast_to(values, (k, d, d)).copy()
            case Structure.FULL:
                return values.copy()

    def variances(self) -> Array:
        """Variances of the features in each component, (k, d)."""
        values, (k, d) = self.covariance.values, self.means.shape
        match self.covariance.structure:
            case Structure.SPHERICAL:
                return np.repeat(values[:, None], d, axis=1)
            case Structure.DIAGONAL:
                return values.copy()
            case Structure.SHARED:
                return np.repeat(np.diagonal(values)[None], k, axis=0)
            case Structure.FULL:
                return np.diagonal(values, axis1=1, axis2=2).copy()

    def total_covariance(self) -> Array:
        """Covariance of the whole mixture, (d, d): within plus between components."""
        weights, means, within = self.weights, self.means, self.covariances()
        if self.box is not None:
            weights = np.append(weights, self.noise_weight)
            means = np.concatenate([means, self.box.middle[None]])
            within = np.concatenate([within, self.box.covariance()[None]])
        shift = means - weights @ means
        return np.asarray(np.tensordot(weights, within, 1) + (shift * weights[:, None]).T @ shift)

    def ordered(self, order: NDArray[np.intp]) -> Mixture:
        """The same mixture with its components in another order.

        Raises
        ------
        ValueError
            The weights are those of a Dirichlet process: the order of its sticks says what they
            are.
        """
        old = self.covariance
        shared = old.structure is Structure.SHARED
        covariance = Covariance(
            old.structure,
            old.values if shared else old.values[order],
            old.factor if shared else old.factor[order],
            old.log_det[order],
            old.orientation,
        )
        noise, hyper = self.parameters.noise, self.parameters.hyper
        own = None if hyper is None else hyper.ordered(order)
        parameters = Parameters(self.weights[order], self.means[order], covariance, noise, own)
        return replace(self, parameters=parameters)

    def by_weight(self) -> Mixture:
        """Components by descending weight; equal weights by ascending means, feature by feature.

        This canonical order does not depend on how the components came out of the fit.
        """
        return self.ordered(self.weight_order())

    def weight_order(self) -> NDArray[np.intp]:
        """The components' numbers in the order of `by_weight`, (k,)."""
        return np.lexsort((*self.means.T[::-1], -self.weights))

    def log_joint(self, rows: Rows, detail: Detail | None = None) -> Array:
        """log pi_k + log N(x; mu_k, Sigma_k), natural logarithms, (n, k); noise is one more."""
        out = np.empty((rows.shape[0], self.potentials.offset.size))

        def step(engine: Engine, block: Block) -> None:
            out[block.start : block.stop] = engine.log_joint(self.potentials, block)

        self._each(rows, detail, step)
        return out

    def log_density(self, rows: Rows, detail: Detail | None = None) -> Array:
        """log p(x), natural logarithm, (n,)."""
        out = np.empty(rows.shape[0])
        self._posterior(rows, detail, lambda part, found: np.copyto(out[part], found.density))
        return out

    def responsibilities(self, rows: Rows, detail: Detail | None = None) -> Array:
        """Posterior probabilities of the components, (n, k); rows sum to 1. Noise is one more."""
        out = np.empty((rows.shape[0], self.potentials.offset.size))

        def keep(part: slice, found: Posterior) -> None:
            if found.responsibilities is not None:
                out[part] = found.responsibilities

        self._posterior(rows, detail, keep, full=True)
        return out

    def predict(self, rows: Rows, detail: Detail | None = None) -> NDArray[np.int64]:
        """The most probable component of each row, (n,); the first of equals; -1 for noise."""
        out = np.empty(rows.shape[0], dtype=np.int64)
        self._posterior(rows, detail, lambda part, found: np.copyto(out[part], found.labels))
        return self._labels(out)

    def score_rows(
        self,
        source: Source,
        engine: Engine | None = None,
        counts: bool = False,
        labelled: bool = True,
    ) -> Scores:
        """Labels, log-likelihood and certainty of all rows, in one pass.

        Parameters
        ----------
        source : Source
        engine : Engine, optional
            By default what suits a single pass.
        counts : bool, default False
            Whether to sum the responsibilities, too, which makes the pass somewhat longer.
        labelled : bool, default True
            Whether to keep the labels, which take 8 bytes a row.
        """
        potentials = self.potentials
        used = suited(engine or self._engine(source.n_rows, source.n_patterns), source)
        labels = np.empty(source.n_rows if labelled else 0, dtype=np.int64)
        width = potentials.offset.size

        def step(block: Block) -> Array:
            found = used.posterior(potentials, block, counts)
            if labelled:
                labels[block.start : block.stop] = found.labels
            unsure = (found.certainty < UNCERTAIN).astype(np.float64)
            w = np.ones(unsure.size) if block.weight is None else block.weight
            counted = np.where(w > 0.0, found.density, 0.0)
            numbers = w @ counted, w @ np.log(found.certainty), w @ unsure, w.sum()
            assigned = np.bincount(found.labels, w, width)
            share = found.responsibilities
            expected = np.zeros(width) if share is None else w @ share
            return np.concatenate([(*numbers, w @ found.entropy, w.size), assigned, expected])

        with one_blas_thread():
            sums = np.array(list(source.each(step))).sum(axis=0)
        log_likelihood, classification, uncertain, weight, entropy, rows = map(float, sums[:6])
        return Scores(
            self._labels(labels),
            log_likelihood,
            classification,
            uncertain,
            weight,
            entropy,
            sums[6 : 6 + width],
            sums[6 + width :] if counts else None,
            int(rows),
        )

    def _labels(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        return labels if self.box is None else np.where(labels == self.n_components, -1, labels)

    def _posterior(
        self,
        rows: Rows,
        detail: Detail | None,
        keep: Callable[[slice, Posterior], None],
        full: bool = False,
    ) -> None:
        """Hand what the mixture says of each block of rows to `keep`."""
        potentials = self.potentials

        def step(engine: Engine, block: Block) -> None:
            keep(slice(block.start, block.stop), engine.posterior(potentials, block, full))

        self._each(rows, detail, step)

    def _each(
        self, rows: Rows, detail: Detail | None, step: Callable[[Engine, Block], None]
    ) -> None:
        """Call ``step`` for every block; without threads where there is one small one."""
        source = MemorySource(rows, detail=detail)
        engine = suited(self._engine(rows.shape[0], source.n_patterns), source)
        if rows.size <= FEW_VALUES:
            step(engine, Block(rows, None, detail=detail))
            return
        with one_blas_thread():
            cut = replace(source, tile=engine.block_rows(source.n_features))
            deque(cut.each(lambda block: step(engine, block)), maxlen=0)

    def _engine(self, n_rows: int, patterns: int) -> Engine:
        """The engine for one pass over so many rows, with so many patterns of missing values."""
        full = self.covariance.structure.factor is not Factor.DIAGONAL
        shape = n_rows, self.n_features, self.n_components, full
        return choose("auto", *shape, passes=1, patterns=patterns)

    def sample(
        self, n: int, rng: np.random.Generator | int | None = None
    ) -> tuple[Array, NDArray[np.int64]]:
        """Draw rows.

        Parameters
        ----------
        n : int
            Number of rows.
        rng : numpy.random.Generator or int, optional
            A generator to draw from, or a seed; by default the draws are new at each call.

        Returns
        -------
        rows : ndarray of shape (n, d)
            Grouped by component.
        labels : ndarray of shape (n,)
            -1 for noise, which comes last.
        """
        generator = np.random.default_rng(rng)
        if self.box is not None:
            clutter = int(generator.binomial(n, self.noise_weight))
            rows, labels = replace(self, box=None).sample(n - clutter, generator)
            points = self.box.sample(clutter, generator)
            return np.concatenate([rows, points]), np.append(labels, np.full(clutter, -1))
        counts = generator.multinomial(n, self.weights / self.weights.sum())
        rows = np.repeat(self.means, counts, axis=0)
        labels = np.repeat(np.arange(self.n_components), counts)
        noise = generator.standard_normal(rows.shape)
        potentials = self.potentials
        if potentials.shape is Factor.DIAGONAL:
            return rows + noise / potentials.factor[labels], labels
        ends = np.cumsum(counts)
        for k, (stop, count) in enumerate(zip(ends, counts, strict=True)):
            factor = potentials.factor[k] if potentials.factor.ndim == 3 else potentials.factor
            part = slice(stop - count, stop)
            # precision = F F^T, so F^-T z has covariance Sigma
            rows[part] += solve_triangular(factor, noise[part].T, trans="T").T
        return rows, labels
