"""The accelerator: a method and a rule, with the safeguard that keeps EM monotone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration.base import Advice, Memory, Method, Rule
from ellimix.acceleration.points import Points, coordinates, decode, encode, point_at
from ellimix.covariance.triangular import NDArrayBool
from ellimix.records import Array, Factor, SufficientStatistics

FARTHEST = 50.0  # coordinates beyond this would overflow as exponents
STRICTER = 0.3  # of tol, for fits that had help: see `advance`
GROWTH = 4.0  # of the cap after a success at the cap, and its inverse after a failure


@final
@dataclass(frozen=True)
class Accelerator:
    """Makes trials, keeps those that raise the objective, goes back from those that do not.

    ::

        memory = accelerator.begin(m, k, d, shape)
        until each fit has ended:
        1  statistics, objective = a pass over the models
        2  advice = accelerator.advance(memory, statistics, objective, tol)
           fits with advice.converged end here
        3  model = M-step of advice.statistics;
           where that of a trial is degenerate,
           advice = accelerator.refuse(advice, statistics, which), and the M-step of these again
        4  memory = advice.memory, or .memory.take(those that go on)

    The stopping rule sees gains of EM steps alone, so that a fit does not stop because a trial
    brought little. A trial moves the fit along the slow directions more than along others, and
    EM's next gain may then be small further away from the maximum than on EM's own path (up to 12
    tol were lost in 600 problems): fits that had help stop at 0.3 tol. That costs up to a fifth
    more passes, and none of these problems ended more than 0.6 tol below EM's own end.

    Parameters
    ----------
    method : Method
    rule : Rule
    """

    method: Method
    rule: Rule

    def begin(self, m: int, k: int, d: int, shape: Factor) -> Memory:
        """The memory of m fits before their first pass.

        Parameters
        ----------
        m, k, d : int
            Numbers of fits, components and features.
        shape : Factor
            The shape of the second moments, as `points.SHAPES` has it for each moment.
        """
        roots = {
            Factor.DIAGONAL: np.ones((m, k, d)),
            Factor.SHARED: np.tile(np.eye(d), (m, 1, 1)),
            Factor.FULL: np.tile(np.eye(d), (m, k, 1, 1)),
        }
        none = Points(np.ones((m, k)), np.zeros((m, k, d)), roots[shape], shape)
        window = none[np.repeat(np.arange(m)[:, None], self.method.window, axis=1)]
        no, unknown = np.zeros(m, dtype=bool), np.full(m, np.nan)
        depth, cap = np.zeros(m, dtype=np.int64), np.full(m, self.method.first_cap)
        before = np.full(m, -np.inf)
        return Memory(window, window, depth, none, no, no, before, before, unknown, no, no, cap)

    def advance(
        self, memory: Memory, statistics: SufficientStatistics, objective: Array, tol: float | Array
    ) -> Advice:
        """Judge the pass just made, and say what the next M-step gets.

        Parameters
        ----------
        memory : Memory
            Of m fits.
        statistics : SufficientStatistics
            Of the pass over the models, with leading axis m.
        objective : ndarray of shape (m,)
            Objective per unit weight of these models.
        tol : float or ndarray of shape (m,)
            A fit has converged when an EM step changes its objective per unit weight by less.
        """
        accepted = memory.trial & (objective >= memory.objective)
        rejected = memory.trial & ~accepted
        points, sound = encode(statistics, memory.source.shape)
        gain = np.where(memory.trial, np.nan, objective - memory.objective)
        after = self._remembered(memory, points, sound, accepted, rejected, objective)
        ready, settled = self.rule.ready(after, gain)
        may = ready & sound & ~rejected & (after.depth >= self.method.needed)
        if self.method.chains:
            may &= ~(accepted & _nearly_there(after, tol))
        new_gain = np.where(rejected, memory.gain, np.where(accepted, np.nan, gain))
        after = replace(after, gain=new_gain, settled=settled & ~rejected)
        after = self._tried(after, np.flatnonzero(may))
        out = _mixed(after, statistics, after.trial | rejected)
        stopping = np.where(np.isnan(gain), np.inf, gain)
        converged = np.abs(stopping) < np.where(after.helped, STRICTER * tol, tol)
        return Advice(after, out, after.trial, rejected, stopping, converged)

    def refuse(
        self, advice: Advice, statistics: SufficientStatistics, which: NDArrayBool
    ) -> Advice:
        """The advice again, for fits (m,) of which the M-step found a trial degenerate.

        They take the EM step from the statistics of the pass.
        """
        memory = advice.memory
        newest = memory.made[:, -1]
        i = np.flatnonzero(which)
        after = replace(
            memory,
            source=memory.source.put(i, newest[i]),
            trial=memory.trial & ~which,
            depth=np.where(which, 0, memory.depth),
            settled=memory.settled & ~which,
            cap=np.where(which, np.maximum(memory.cap / GROWTH, 1.0), memory.cap),
        )
        # a fit whose trial has just been rejected makes no other: these have sums of their own
        out = _chosen(~which, advice.statistics, statistics)
        return replace(advice, memory=after, statistics=out, trial=after.trial)

    def _remembered(
        self,
        memory: Memory,
        points: Points,
        sound: NDArrayBool,
        accepted: NDArrayBool,
        rejected: NDArrayBool,
        objective: Array,
    ) -> Memory:
        """The memory with the pass just made; what was rejected leaves only a shorter cap."""
        kept = ~rejected
        useful = kept & sound & memory.known
        if not self.method.chains:
            useful &= ~accepted
        after = memory.pushed(points, useful)
        depth = np.where(useful, after.depth, np.where(rejected, np.minimum(after.depth, 1), 0))
        source = after.made[:, -1].put(np.flatnonzero(kept), points[kept])
        first = np.where(np.isfinite(memory.first), memory.first, objective)
        shorter = np.maximum(memory.cap / GROWTH, 1.0)
        return replace(
            after,
            depth=depth,
            source=source,
            known=rejected | sound,
            trial=np.zeros_like(memory.trial),
            objective=np.where(kept, objective, memory.objective),
            first=first,
            helped=memory.helped | accepted,
            cap=np.where(rejected, shorter, memory.cap),
        )

    def _tried(self, memory: Memory, i: NDArray[np.intp]) -> Memory:
        """The memory with trials as sources of the fits i, where the method has one."""
        if i.size == 0:
            return memory
        newest = memory.made[i, -1]
        given, made = (coordinates(old[i], newest[:, None]) for old in (memory.given, memory.made))
        proposal = self.method.propose(given, made, memory.depth[i], memory.cap[i])
        usable = proposal.worthwhile & (np.abs(proposal.vector) < FARTHEST).all(axis=1)
        which, source = i[usable], memory.source
        if which.size:
            source = source.put(which, point_at(proposal.vector[usable], newest[usable]))
        trial, depth, cap = memory.trial.copy(), memory.depth.copy(), memory.cap.copy()
        trial[which] = True
        depth[i[~usable]] = 0
        cap[i] = np.where(
            proposal.capped, np.minimum(cap[i] * GROWTH, self.method.last_cap), cap[i]
        )
        return replace(memory, source=source, trial=trial, depth=depth, cap=cap)


def _nearly_there(memory: Memory, tol: float | Array) -> NDArrayBool:
    """Whether an EM step may gain less than tol: it gains more than half its squared length."""
    step = coordinates(memory.given[:, -1], memory.made[:, -1])
    return np.asarray(0.5 * (step**2).sum(axis=1) < tol)


def _mixed(
    memory: Memory, statistics: SufficientStatistics, which: NDArrayBool
) -> SufficientStatistics:
    """The pass's statistics, with those of the sources for some fits."""
    if not which.any():
        return statistics
    return _chosen(which, decode(memory.source, statistics), statistics)


def _chosen(
    which: NDArrayBool, these: SufficientStatistics, those: SufficientStatistics
) -> SufficientStatistics:
    """`these` where `which` (m,) says so, else `those`."""

    def pick(a: Array, b: Array) -> Array:
        return np.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    return replace(
        those,
        n=pick(these.n, those.n),
        s1=pick(these.s1, those.s1),
        s2=pick(these.s2, those.s2),
        center=pick(these.center, those.center),
    )
