"""What a kind of inference is: statistics -> model -> potentials, and the objective's penalty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Family, Structure, stack_covariances
from ellimix.inference.box import Box
from ellimix.records import Array, Factor, Index, Moment, Potentials, SufficientStatistics

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a variational posterior q(pi) prod_k q(mu_k, Lambda_k) holds besides `Parameters`.

    There, the weights are E[pi], the means those of q(mu_k), and the covariances E[Lambda_k]^-1:
    the Wishart's inverse scale matrix over its degrees of freedom.

    Parameters
    ----------
    concentration : ndarray of shape (..., k, 1) or (..., k, 2)
        Of a Dirichlet distribution; or the two parameters of each stick's beta distribution.
    mean_precision : ndarray of shape (..., k)
        beta_k: mu_k given Lambda_k has precision beta_k Lambda_k.
    degrees : ndarray of shape (..., k)
        Degrees of freedom of the Wishart distributions.
    process : ndarray of shape (..., 2) or None
        Shape and rate of the gamma distribution of a Dirichlet process's concentration; None where
        that is a number.
    """

    concentration: Array
    mean_precision: Array
    degrees: Array
    process: Array | None = None

    def at(self, index: Index) -> Hyperparameters:
        """Those of some fits."""
        process = None if self.process is None else self.process[index]
        return Hyperparameters(
            self.concentration[index], self.mean_precision[index], self.degrees[index], process
        )

    def ordered(self, order: NDArray[np.intp]) -> Hyperparameters:
        """Those of one fit with its components in another order."""
        k, sticks = self.degrees.size, self.concentration.shape[-1] == 2
        if sticks and not np.array_equal(order, np.arange(k)):
            raise ValueError(
                "The weights of a Dirichlet process come from sticks that are broken in turn: "
                "their posterior has no other order. Use a Dirichlet distribution."
            )
        return replace(
            self,
            concentration=self.concentration[order],
            mean_precision=self.mean_precision[order],
            degrees=self.degrees[order],
        )


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of a mixture of Gaussians, or of a stack of them with axes in front.

    Parameters
    ----------
    weights : ndarray of shape (..., k)
        Non-negative; their sum is 1, less the noise component's weight.
    means : ndarray of shape (..., k, d)
    covariance : Covariance
    noise : ndarray of shape (...,) or None
        The weight of the noise component, where there is one.
    hyper : Hyperparameters or None
        The rest of a variational posterior, where the parameters are what it expects.
    """

    weights: Array
    means: Array
    covariance: Covariance
    noise: Array | None = None
    hyper: Hyperparameters | None = None

    def at(self, index: Index) -> Parameters:
        """The parameters of some fits: an int gives one fit's own, anything else a stack."""
        noise = None if self.noise is None else np.asarray(self.noise[index])
        hyper = None if self.hyper is None else self.hyper.at(index)
        covariance = self.covariance.at(index)
        return Parameters(self.weights[index], self.means[index], covariance, noise, hyper)


def stack(parameters: Sequence[Parameters]) -> Parameters:
    """One record with a fit axis from the parameters of single fits of one family and k."""
    noise = [None if p.noise is None else float(p.noise) for p in parameters]
    return Parameters(
        np.stack([p.weights for p in parameters]),
        np.stack([p.means for p in parameters]),
        stack_covariances([p.covariance for p in parameters]),
        None if None in noise else np.array(noise),
        _stacked([p.hyper for p in parameters if p.hyper is not None]),
    )


def _stacked(hyper: Sequence[Hyperparameters]) -> Hyperparameters | None:
    if not hyper:
        return None
    process = [h.process for h in hyper if h.process is not None]
    return Hyperparameters(
        np.stack([h.concentration for h in hyper]),
        np.stack([h.mean_precision for h in hyper]),
        np.stack([h.degrees for h in hyper]),
        np.stack(process) if process else None,
    )


def chosen(which: NDArray[np.bool_], these: Parameters, those: Parameters) -> Parameters:
    """`these` parameters of stacked fits where `which` (m,) says so, else `those`."""
    if not which.any():
        return those
    if which.all():
        return these

    def pick(a: Array, b: Array) -> Array:
        return np.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    one, other = these.covariance, those.covariance
    orientation = None
    if one.orientation is not None and other.orientation is not None:
        orientation = pick(one.orientation, other.orientation)
    return Parameters(
        pick(these.weights, those.weights),
        pick(these.means, those.means),
        Covariance(
            one.structure,
            pick(one.values, other.values),
            pick(one.factor, other.factor),
            pick(one.log_det, other.log_det),
            orientation,
        ),
        None if these.noise is None or those.noise is None else pick(these.noise, those.noise),
        _chosen(these.hyper, those.hyper, pick),
    )


def _chosen(
    these: Hyperparameters | None,
    those: Hyperparameters | None,
    pick: Callable[[Array, Array], Array],
) -> Hyperparameters | None:
    if these is None or those is None:
        return None
    return Hyperparameters(
        pick(these.concentration, those.concentration),
        pick(these.mean_precision, those.mean_precision),
        pick(these.degrees, those.degrees),
        None
        if these.process is None or those.process is None
        else pick(these.process, those.process),
    )


class Inference(Protocol):
    """How statistics become a model. Host-side, float64, never sees a row."""

    @property
    def family(self) -> Family:
        """The covariance family."""
        ...

    @property
    def moment(self) -> Moment:
        """The second moment that the M-step needs."""
        ...

    @property
    def box(self) -> Box | None:
        """Where the noise component is uniform; None without one."""
        ...

    @property
    def minds_empty(self) -> bool:
        """Whether a component without rows ends the fit: a start then has none."""
        ...

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step. Raises `DegenerateFit`; of stacked fits, where one of them is degenerate."""
        ...

    def potentials(self, model: Parameters) -> Potentials:
        """What an engine needs for the E-step."""
        ...

    def penalty(self, model: Parameters) -> float | Array:
        """What the objective adds to the log-likelihood, in nats; (...,) where fits differ."""
        ...

    def n_held(self) -> int:
        """How many of the mixture's parameters are not estimated."""
        ...


def plug_in(model: Parameters, moment: Moment, box: Box | None = None) -> Potentials:
    """Potentials of the mixture with exactly these parameters.

    offset_k = log pi_k - 1/2 (d log 2 pi + log |Sigma_k|); a component of weight 0 has -inf. A
    noise component is one more potential with factor 0, at the end: for an engine it is nothing
    special.
    """
    covariance = model.covariance
    d = model.means.shape[-1]
    with np.errstate(divide="ignore"):
        log_weights = np.log(model.weights)
    offset = log_weights - 0.5 * (covariance.log_det + d * LOG_2PI)
    factor = covariance.factor
    if covariance.structure is Structure.SPHERICAL:
        factor = factor[..., None].repeat(d, axis=-1)
    shape = covariance.structure.factor
    if box is None or model.noise is None:
        return Potentials(offset, model.means, factor, shape, moment)
    with np.errstate(divide="ignore"):
        constant = np.log(model.noise)[..., None] - box.log_volume
    if shape is Factor.SHARED:
        shape, k = Factor.FULL, model.means.shape[-2]
        factor = np.repeat(factor[..., None, :, :], k, axis=-3)
    one = factor[..., :1, :] if shape is Factor.DIAGONAL else factor[..., :1, :, :]
    axis = -2 if shape is Factor.DIAGONAL else -3
    middle = np.broadcast_to(box.middle, (*model.means.shape[:-2], 1, d))
    return Potentials(
        np.concatenate([offset, constant], axis=-1),
        np.concatenate([model.means, middle], axis=-2),
        np.concatenate([factor, np.zeros_like(one)], axis=axis),
        shape,
        moment,
        box.log_sides,
    )


def noise_moment(moment: Moment) -> Moment:
    """The second moment to ask for where the last potential is flat.

    Its rows count for no covariance: from a sum over all potentials they could not be taken out.
    """
    return Moment.FULL if moment is Moment.POOLED else moment


def without_noise(
    statistics: SufficientStatistics, moment: Moment
) -> tuple[SufficientStatistics, Array]:
    """Statistics of the Gaussian components, with the second moment wanted, and the last count."""
    square = statistics.moment is not Moment.DIAGONAL
    s2 = statistics.s2[..., :-1, :, :] if square else statistics.s2[..., :-1, :]
    if moment is Moment.POOLED:
        s2 = s2.sum(axis=-3)
    gaussian = replace(
        statistics,
        n=np.ascontiguousarray(statistics.n[..., :-1]),
        s1=np.ascontiguousarray(statistics.s1[..., :-1, :]),
        s2=np.ascontiguousarray(s2),
        center=np.ascontiguousarray(statistics.center[..., :-1, :]),
        moment=moment,
    )
    return gaussian, statistics.n[..., -1]


def with_noise(
    statistics: SufficientStatistics, count: float, middle: Array
) -> SufficientStatistics:
    """One fit's statistics with a last component of a given count, without moments of its own."""
    rest = statistics.s2.shape[1:]
    return replace(
        statistics,
        n=np.append(statistics.n, count),
        s1=np.concatenate([statistics.s1, np.zeros((1, middle.size))]),
        s2=np.concatenate([statistics.s2, np.zeros((1, *rest))]),
        center=np.concatenate([statistics.center, middle[None]]),
    )


def outer_sums(amount: Array, shift: Array, moment: Moment) -> Array:
    """amount_k shift_k shift_k^T for (..., k) and (..., k, d), of the shape of a second moment."""
    match moment:
        case Moment.DIAGONAL:
            return np.asarray(amount[..., None] * shift**2)
        case Moment.POOLED:
            return np.asarray(np.einsum("...k,...ki,...kj->...ij", amount, shift, shift))
        case Moment.FULL:
            return np.asarray(amount[..., None, None] * shift[..., :, None] * shift[..., None, :])
