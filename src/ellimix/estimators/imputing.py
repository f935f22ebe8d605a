"""Values that are missing, or known with errors: what the mixture expects, and draws."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Unpack, cast

import numpy as np

from ellimix.density.filling import Denoised, denoised, drawn, filled
from ellimix.density.mixture import Mixture
from ellimix.em import Task, run
from ellimix.engines import choose
from ellimix.errors import DataError
from ellimix.inference.base import Inference
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Array, Detail, Factor, Rows
from ellimix.sources.knowledge import Known, counted
from ellimix.sources.memory import MemorySource

TOL, MOST = 1e-4, 100  # of the fits to reweighted rows, which begin at the fitted parameters


def like(values: Array, rows: Rows) -> Rows:
    """`values` in the rows' floating type."""
    return values.astype(np.float32) if rows.dtype == np.float32 else values


class Imputing:
    """Mixin: `impute` and `denoise`."""

    mixture_: Mixture
    reg_covar: float

    @abstractmethod
    def _observed(self, X: Any, known: Known) -> tuple[Rows, Detail | None]:
        """Rows of the fitted columns, and what else is known of them."""

    def impute(
        self,
        X: Any,
        *,
        n_draws: int | None = None,
        rng: np.random.Generator | int | None = None,
        proper: bool = True,
        **known: Unpack[Known],
    ) -> Rows:
        """Fill in the missing values.

        Parameters
        ----------
        X : array-like of shape (n, d)
            NaN (or pandas' NA) where a value is missing. All others stay as they are.
        n_draws : int, optional
            How many filled copies to draw, for multiple imputation (Rubin 1987): analyse each and
            combine. Without it every value is what the mixture expects, given the rest of its row
            (Ghahramani & Jordan 1994): the best single guess, but such rows vary too little.
        rng : numpy.random.Generator or int, optional
            Generator of the draws, or its seed.
        proper : bool, default=True
            Whether each draw comes from parameters of its own: a fit to the rows of `X` with
            random weights (the Bayesian bootstrap, Rubin 1981), so that the draws also vary as
            much as the parameters are uncertain. `X` must be the data set then. With False all come
            from the fitted parameters: for new rows.
        **known
            What else is known of the rows, as for `fit`. A value with `lower` or `upper` is drawn
            between them: exactly where it is the row's only one, else by 50 sweeps of Gibbs
            sampling.

        Returns
        -------
        filled : ndarray of shape (n, d), or (n_draws, n, d)

        Raises
        ------
        ValueError
            Bad input; draws of rows with errors; or proper draws from fewer rows than the mixture
            has parameters.

        Examples
        --------
        >>> import numpy as np
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> X[::10, 1] = np.nan
        >>> model = GaussianMixture(2, random_state=0).fit(X)
        >>> model.impute(X)[:2].round(1)
        array([[ 3.6, 7...],
               [ 1.8, 54. ]])
        >>> model.impute(X, n_draws=20, rng=0).shape
        (20, 272, 2)
        """
        if known.get("projections") is not None:
            raise DataError(
                "Rows that are projections cannot be filled in: denoise gives the points behind."
            )
        rows, detail = self._observed(X, known)
        if n_draws is None:
            return like(filled(self.mixture_, rows, detail), rows)
        if n_draws < 1:
            raise ValueError(f"n_draws must be at least 1, but is {n_draws}.")
        generator = np.random.default_rng(rng)
        source = MemorySource(rows, detail=detail)
        if proper:
            self._check_many(source)
        draws: list[Array] = []
        for _ in range(n_draws):
            mixture = self._reweighted(source, generator) if proper else self.mixture_
            draws.append(drawn(mixture, rows, detail, generator))
        return like(np.stack(draws), rows)

    def denoise(self, X: Any, errors: Any = None, **known: Any) -> Denoised:
        """The points behind measurements: posterior means and covariances.

        Parameters
        ----------
        X : array-like of shape (n, d), or (n, p) with projections
        errors : array-like of shape (d,), (n, d) or (n, d, d), optional
            Variances or covariances of the measurement errors.
        **known
            What else is known of the rows, as for `fit`.

        Returns
        -------
        Denoised
            ``means`` (n, d) and ``covariances`` (n, d, d), over all components (Bovy, Hogg &
            Roweis 2011).

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], covariance_type="V")
        >>> found = model.denoise([[3.0], [3.0]], errors=[[0.0], [1.0]])
        >>> found.means.ravel(), found.covariances.ravel()
        (array([3. , 1.5]), array([0. , 0.5]))
        """
        all_known = cast(Known, {**known, "errors": errors})  # names are checked below
        rows, detail = self._observed(X, all_known)
        return denoised(self.mixture_, rows, detail)

    def _inference(self) -> Inference:
        """The inference by which the mixture was fitted."""
        mixture = self.mixture_
        return MaximumLikelihood(mixture.family, float(self.reg_covar), mixture.box)

    def _check_many(self, source: MemorySource) -> None:
        needed, there = self.mixture_.n_parameters, int(np.isfinite(source.rows).any(axis=1).sum())
        if there < needed:
            raise DataError(
                f"Proper draws fit the mixture's {needed} parameters to the rows anew, but only "
                f"{there} have something observed: pass the whole data set, or proper=False for "
                "draws from the fitted parameters."
            )

    def _reweighted(self, source: MemorySource, rng: np.random.Generator) -> Mixture:
        """The mixture fitted to randomly weighted rows; as it is where that fit fails."""
        weight: Array = rng.standard_exponential(source.n_rows)
        known = counted(MemorySource(source.rows, weight, detail=source.detail))[0]
        mixture = self.mixture_
        full = mixture.covariance.structure.factor is not Factor.DIAGONAL
        shape = known.n_rows, known.n_features, mixture.n_components, full
        engine = choose("auto", *shape, patterns=source.n_patterns)
        task = Task(self._inference(), mixture.parameters, TOL, MOST)
        (report,) = run(known, engine, [task], feature_names=mixture.feature_names)
        return report.mixture if report.mixture is not None and report.sound else mixture
