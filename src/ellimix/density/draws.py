"""Parameter sets drawn from a posterior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import Family, Structure
from ellimix.density.mixture import Mixture
from ellimix.inference.base import Parameters
from ellimix.records import Array


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """Whole parameter sets, drawn from a posterior.

    ``draws[i]`` is the i-th as a `Mixture`, ``len(draws)`` their number.

    Parameters
    ----------
    parameters : Parameters
        A stack: the first axis of its arrays counts the draws.
    family : Family
    feature_names : tuple of str, optional

    Examples
    --------
    >>> from ellimix import BayesianGaussianMixture, datasets
    >>> X, _ = datasets.faithful()
    >>> model = BayesianGaussianMixture(2, random_state=0).fit(X)
    >>> draws = model.posterior_.sample(100, rng=0)
    >>> draws.means.shape, draws.covariances.shape, draws[0].n_components
    ((100, 2, 2), (100, 2, 2, 2), 2)
    """

    parameters: Parameters
    family: Family
    feature_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, index: int) -> Mixture:
        return Mixture(self.parameters.at(range(len(self))[index]), self.family, self.feature_names)

    @property
    def weights(self) -> Array:
        """Mixing proportions, (n, k)."""
        return self.parameters.weights

    @property
    def means(self) -> Array:
        """Means, (n, k, d)."""
        return self.parameters.means

    @property
    def covariances(self) -> Array:
        """Covariance matrices, (n, k, d, d), whatever the family."""
        own, eye = self.parameters.covariance, np.eye(self.means.shape[2])
        match own.structure:
            case Structure.SPHERICAL:
                return np.asarray(own.values[..., None, None] * eye)
            case Structure.DIAGONAL:
                return np.asarray(own.values[..., None] * eye)
            case Structure.SHARED:
                return np.repeat(own.values[:, None], self.means.shape[1], axis=1)
            case Structure.FULL:
                return own.values.copy()

    def mixtures(self) -> Iterator[Mixture]:
        """The draws as mixtures, one after the other."""
        return (self[i] for i in range(len(self)))
