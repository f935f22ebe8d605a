"""How much a batch counts: the step sizes of stepwise EM.

With s_t the sums of batch t per unit of row weight, under the parameters before it, stepwise EM
(Cappe & Moulines 2009, the online EM recursion on sufficient statistics) keeps

    S_t = (1 - gamma_t) S_(t-1) + gamma_t s_t,    theta_t = M-step of S_t,

with steps gamma_t whose sum is infinite and the sum of whose squares is not: t^-decay with decay in
(1/2, 1]. Batches may differ in weight, so t is counted in batches of this one's weight n, t = N / n
with N the weight of all rows so far. For equal batches that is their number; and with decay 1 and
t0 = 0 the step is n / N, by which S_t is the plain mean over all rows, whatever the batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import final

from ellimix.errors import DataError

DECAY = 0.8


@final
@dataclass(frozen=True)
class Online:
    """How a stream is followed.

    Parameters
    ----------
    decay : float, default=0.8
        In (0.5, 1]. The step is (t + t0)^-decay, with t the weight of all rows so far in batches of
        this one's weight. 1 gives all rows the same say, also those that were assigned when little
        was known; smaller ones let the later rows say more.
    window : float, default=None
        For streams that drift: rows fade as exp(-age / window), with age the weight of the rows
        that came later. Steps are never smaller than 1 - exp(-n / window) for n rows. None lets
        steps fall for ever.
    t0 : float, default=0.0
        Not negative; more of it makes the first steps smaller.
    birth : bool, default=False
        Whether a batch that does not fit may bring new components (`ellimix.online.birth`).
    death : bool, default=False
        Whether a component is let go once it rests on fewer rows than it has parameters.
    misfit : float, default=0.01
        In (0, 0.5). A row fits badly where its density is below this quantile of the densities of
        rows drawn from the model itself (`ellimix.online.misfit`).

    Raises
    ------
    DataError
        A value is out of its range.

    Examples
    --------
    >>> import ellimix as em
    >>> [round(em.Online(decay=1.0).step(100.0, 100.0 * t), 3) for t in (1, 2, 3)]
    [1.0, 0.5, 0.333]
    >>> round(em.Online(window=1000.0).step(100.0, 1e9), 3)
    0.095
    """

    decay: float = DECAY
    window: float | None = None
    t0: float = 0.0
    birth: bool = False
    death: bool = False
    misfit: float = 0.01

    def __post_init__(self) -> None:
        _check("decay", self.decay, _number(self.decay) and 0.5 < self.decay <= 1.0,
               "above 0.5 and at most 1")  # fmt: skip
        given = self.window is None or (_number(self.window) and self.window > 0.0)
        _check("window", self.window, given, "a positive number of rows, or None")
        _check("t0", self.t0, _number(self.t0) and self.t0 >= 0.0, "not negative")
        fits = _number(self.misfit) and 0.0 < self.misfit < 0.5
        _check("misfit", self.misfit, fits, "above 0 and below 0.5")
        for name in ("birth", "death"):
            value = getattr(self, name)
            _check(name, value, isinstance(value, bool), "True or False")

    def step(self, weight: float, seen: float) -> float:
        """The step of a batch.

        Parameters
        ----------
        weight : float
            The batch's row weight, n > 0.
        seen : float
            That of all rows so far, with this batch.

        Returns
        -------
        float
            In (0, 1].
        """
        step = math.pow(seen / weight + self.t0, -self.decay)
        if self.window is not None:
            step = max(step, -math.expm1(-weight / self.window))
        return min(step, 1.0)


def rests_on(before: float, step: float, weight: float) -> float:
    """On how many rows a mean rests after a step, as Kish (1965) counts rows of unlike weight.

    With shares a_t of batches of weight n_t, it is 1 / sum_t a_t^2 / n_t: all rows seen where all
    count alike, and about 2 window where they fade.

    Parameters
    ----------
    before : float
        The same before the step; 0 where there was nothing.
    step, weight : float
        Of the batch.
    """
    squares = step**2 / weight
    if before > 0.0:
        squares += (1.0 - step) ** 2 / before
    return 1.0 / squares


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))


def _check(name: str, value: object, sound: bool, expected: str) -> None:
    if not sound:
        raise DataError(f"{name} is {value!r}: it must be {expected}.")
