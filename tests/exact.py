"""EM for two features and two or more components in 50-digit arithmetic.

Written from the textbook, without a line of the library: densities, responsibilities and M-steps
of the 14 covariance families in mpmath. Closed forms where they exist; VEI, VEE and VEV by plain
alternation between volumes and shape; EVE and VVE by the angle of the common axes, the lowest
minimum of a fine grid refined as a root of the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from mpmath import MPContext

DIGITS = 50
mp = MPContext()  # its own context: the precision of the rest of the process stays as it is
mp.dps = DIGITS

mpf = mp.mpf
Real = object  # an mpf of this context
SETTLED = mpf(10) ** -46  # relative change at which an alternation has ended
GRID = 1440  # angles from 0 to pi / 2


class Sym(NamedTuple):
    """A symmetric 2 x 2 matrix."""

    xx: Real
    xy: Real
    yy: Real

    def det(self) -> Real:
        return self.xx * self.yy - self.xy**2

    def trace(self) -> Real:
        return self.xx + self.yy

    def times(self, number: Real) -> Sym:
        return Sym(self.xx * number, self.xy * number, self.yy * number)

    def plus(self, other: Sym) -> Sym:
        return Sym(self.xx + other.xx, self.xy + other.xy, self.yy + other.yy)

    def inverse(self) -> Sym:
        det = self.det()
        return Sym(self.yy / det, -self.xy / det, self.xx / det)

    def between(self, u: tuple[Real, Real], v: tuple[Real, Real]) -> Real:
        """u^T M v."""
        return u[0] * (self.xx * v[0] + self.xy * v[1]) + u[1] * (self.xy * v[0] + self.yy * v[1])

    def trace_with(self, other: Sym) -> Real:
        """Trace of the product."""
        return self.xx * other.xx + 2 * self.xy * other.xy + self.yy * other.yy

    def diagonal(self) -> Sym:
        return Sym(self.xx, mpf(0), self.yy)


class State(NamedTuple):
    """Parameters of a mixture, and the log-likelihood per unit of row weight before them."""

    weights: list[Real]
    means: list[tuple[Real, Real]]
    covariances: list[Sym]
    log_likelihood: Real | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters as object arrays (k,), (k, 2) and (k, 2, 2)."""
        full = [[[c.xx, c.xy], [c.xy, c.yy]] for c in self.covariances]
        return {
            "weights": np.array(self.weights, dtype=object),
            "means": np.array([list(mean) for mean in self.means], dtype=object),
            "covariances": np.array(full, dtype=object),
        }


def total(numbers: Sequence[Real]) -> Real:
    return sum(numbers, mpf(0))


def pooled(matrices: Sequence[Sym]) -> Sym:
    out = Sym(mpf(0), mpf(0), mpf(0))
    for matrix in matrices:
        out = out.plus(matrix)
    return out


# -- covariance families: counts and scatter matrices to covariances -------------------------------

Step = Callable[[list[Real], list[Sym]], list[Sym]]


def eii(n: list[Real], w: list[Sym]) -> list[Sym]:
    variance = pooled(w).trace() / (2 * total(n))
    return [Sym(variance, mpf(0), variance)] * len(n)


def vii(n: list[Real], w: list[Sym]) -> list[Sym]:
    return [eii([count], [scatter])[0] for count, scatter in zip(n, w, strict=True)]


def eee(n: list[Real], w: list[Sym]) -> list[Sym]:
    return [pooled(w).times(1 / total(n))] * len(n)


def vvv(n: list[Real], w: list[Sym]) -> list[Sym]:
    return [scatter.times(1 / count) for count, scatter in zip(n, w, strict=True)]


def evv(n: list[Real], w: list[Sym]) -> list[Sym]:
    volumes = [mp.sqrt(scatter.det()) for scatter in w]
    volume = total(volumes) / total(n)
    return [scatter.times(volume / own) for scatter, own in zip(w, volumes, strict=True)]


def vee(n: list[Real], w: list[Sym]) -> list[Sym]:
    """Volumes given the shape, shape given the volumes, until neither moves."""
    shape = pooled(w)
    shape = shape.times(1 / mp.sqrt(shape.det()))
    volumes = [mpf(0)] * len(n)
    for _ in range(20000):
        inverse = shape.inverse()
        new = [s.trace_with(inverse) / (2 * count) for count, s in zip(n, w, strict=True)]
        shape = pooled([s.times(1 / volume) for s, volume in zip(w, new, strict=True)])
        shape = shape.times(1 / mp.sqrt(shape.det()))
        change = max(abs(a - b) / a for a, b in zip(new, volumes, strict=True))
        volumes = new
        if change < SETTLED:
            return [shape.times(volume) for volume in volumes]
    raise ArithmeticError("The alternation has not settled.")


def on_diagonal(step: Step) -> Step:
    """The same family with axes along the coordinates."""
    return lambda n, w: step(n, [scatter.diagonal() for scatter in w])


def on_eigenvalues(step: Step) -> Step:
    """A diagonal family along each component's own eigenvectors, largest eigenvalue first."""

    def turned(n: list[Real], w: list[Sym]) -> list[Sym]:
        pairs = [eigen(scatter) for scatter in w]
        inner = step(n, [Sym(low, mpf(0), high) for low, high, _ in pairs])
        return [rotated(c, angle) for c, (_, _, angle) in zip(inner, pairs, strict=True)]

    return turned


def eigen(matrix: Sym) -> tuple[Real, Real, Real]:
    """Both eigenvalues, the larger first, and the angle of its eigenvector."""
    middle, half = matrix.trace() / 2, (matrix.xx - matrix.yy) / 2
    radius = mp.hypot(half, matrix.xy)
    return middle + radius, middle - radius, mp.atan2(matrix.xy, half) / 2


def rotated(inner: Sym, angle: Real) -> Sym:
    """D M D^T with D the rotation by that angle, for a diagonal M."""
    c, s = mp.cos(angle), mp.sin(angle)
    return Sym(
        c * c * inner.xx + s * s * inner.yy,
        c * s * (inner.xx - inner.yy),
        s * s * inner.xx + c * c * inner.yy,
    )


def on_common_axes(step: Step, slope_of: Callable[[Real, Real, Real, Real], Real]) -> Step:
    """A diagonal family along common axes; `slope_of` (n, v1, v2, b) is a component's slope."""

    def turned(n: list[Real], w: list[Sym]) -> list[Sym]:
        angle = best_angle(n, w, slope_of)
        return [rotated(c, angle) for c in step(n, [rotated_back(s, angle) for s in w])]

    return turned


def rotated_back(matrix: Sym, angle: Real) -> Sym:
    """The diagonal of D^T M D."""
    first, second = axes(angle)
    return Sym(matrix.between(first, first), mpf(0), matrix.between(second, second))


def axes(angle: Real) -> tuple[tuple[Real, Real], tuple[Real, Real]]:
    c, s = mp.cos(angle), mp.sin(angle)
    return (c, s), (-s, c)


def best_angle(
    n: list[Real], w: list[Sym], slope_of: Callable[[Real, Real, Real, Real], Real]
) -> Real:
    """The angle of the lowest minimum, which must be clearly the lowest."""
    slope = angle_slope(n, w, slope_of)
    left, right = bracket(n, w, slope_of)
    if not slope(left) < 0 < slope(right):
        raise ArithmeticError("The bracket does not hold a minimum.")
    return mp.findroot(slope, (left, right), solver="anderson", tol=mpf(10) ** -86, maxsteps=200)


def angle_slope(
    n: list[Real], w: list[Sym], slope_of: Callable[[Real, Real, Real, Real], Real]
) -> Callable[[Real], Real]:
    """What is minimised over the angle, differentiated."""

    def slope(angle: Real) -> Real:
        first, second = axes(angle)
        return total(
            [
                slope_of(
                    count,
                    scatter.between(first, first),
                    scatter.between(second, second),
                    scatter.between(first, second),
                )
                for count, scatter in zip(n, w, strict=True)
            ]
        )

    return slope


def bracket(
    n: list[Real], w: list[Sym], slope_of: Callable[[Real, Real, Real, Real], Real]
) -> tuple[Real, Real]:
    """Two neighbours of the lowest point of a grid, in double precision."""
    angle = np.arange(GRID) * (np.pi / 2 / GRID)
    value = np.zeros(GRID)
    for count, scatter in zip(n, w, strict=True):
        xx, xy, yy = (float(entry) for entry in scatter)
        v1 = np.cos(angle) ** 2 * xx + np.sin(angle) ** 2 * yy + np.sin(2 * angle) * xy
        v2 = xx + yy - v1
        value += np.sqrt(v1 * v2) if slope_of is slope_eve else float(count) * np.log(v1 * v2)
    minimum = (value < np.roll(value, 1)) & (value <= np.roll(value, -1))
    lowest = np.sort(value[minimum])
    if lowest.size > 1 and lowest[1] - lowest[0] < 1e-3 * np.ptp(value):
        raise ArithmeticError("Two angles are nearly as good: the problem is ill-conditioned.")
    best = int(np.argmin(value))
    return (best - 1) * mp.pi / 2 / GRID, (best + 1) * mp.pi / 2 / GRID


def slope_vve(n: Real, v1: Real, v2: Real, b: Real) -> Real:
    """Derivative of n log(v1 v2): v1 grows by 2 b and v2 shrinks by 2 b an angle."""
    return 2 * n * b * (1 / v1 - 1 / v2)


def slope_eve(n: Real, v1: Real, v2: Real, b: Real) -> Real:
    """Derivative of sqrt(v1 v2)."""
    return b * (v2 - v1) / mp.sqrt(v1 * v2)


STEPS: dict[str, Step] = {
    "EII": eii,
    "VII": vii,
    "EEI": on_diagonal(eee),
    "VEI": on_diagonal(vee),
    "EVI": on_diagonal(evv),
    "VVI": on_diagonal(vvv),
    "EEE": eee,
    "VEE": vee,
    "EVE": on_common_axes(evv, slope_eve),
    "VVE": on_common_axes(vvv, slope_vve),
    "EEV": on_eigenvalues(eee),
    "VEV": on_eigenvalues(vee),
    "EVV": evv,
    "VVV": vvv,
}


# -- EM --------------------------------------------------------------------------------------------


def exact_rows(rows: np.ndarray) -> list[tuple[Real, Real]]:
    return [(mpf(float(x)), mpf(float(y))) for x, y in rows]


def m_step(
    family: str,
    rows: list[tuple[Real, Real]],
    row_weight: list[Real],
    responsibilities: list[list[Real]],
) -> State:
    counts, means, scatters = [], [], []
    for share in zip(*responsibilities, strict=True):
        mass = [a * b for a, b in zip(share, row_weight, strict=True)]
        count = total(mass)
        mean = tuple(
            total([m * row[j] for m, row in zip(mass, rows, strict=True)]) / count for j in (0, 1)
        )
        counts.append(count)
        means.append(mean)
        scatters.append(scatter_about(mean, mass, rows))
    weights = [count / total(counts) for count in counts]
    return State(weights, means, STEPS[family](counts, scatters))


def scatter_about(mean: tuple[Real, Real], mass: list[Real], rows: list[tuple[Real, Real]]) -> Sym:
    out = Sym(mpf(0), mpf(0), mpf(0))
    for m, (x, y) in zip(mass, rows, strict=True):
        dx, dy = x - mean[0], y - mean[1]
        out = out.plus(Sym(m * dx * dx, m * dx * dy, m * dy * dy))
    return out


def e_step(
    state: State, rows: list[tuple[Real, Real]], row_weight: list[Real]
) -> tuple[list[list[Real]], Real]:
    """Responsibilities (n, k), and the log-likelihood per unit of row weight."""
    inverse = [covariance.inverse() for covariance in state.covariances]
    scale = [
        weight / (2 * mp.pi * mp.sqrt(covariance.det()))
        for weight, covariance in zip(state.weights, state.covariances, strict=True)
    ]
    responsibilities, log_likelihood = [], mpf(0)
    for w, (x, y) in zip(row_weight, rows, strict=True):
        shifts = [(x - mean[0], y - mean[1]) for mean in state.means]
        joint = [
            s * mp.exp(-p.between(z, z) / 2) for s, p, z in zip(scale, inverse, shifts, strict=True)
        ]
        density = total(joint)
        responsibilities.append([value / density for value in joint])
        log_likelihood += w * mp.log(density)
    return responsibilities, log_likelihood / total(row_weight)


def iterate(family: str, rows: np.ndarray, row_weight: np.ndarray, state: State) -> Iterator[State]:
    """The parameters after one iteration, after two, and so on, from the given ones."""
    points, mass = exact_rows(rows), [mpf(float(w)) for w in row_weight]
    while True:
        responsibilities, log_likelihood = e_step(state, points, mass)
        state = m_step(family, points, mass, responsibilities)
        state = state._replace(log_likelihood=log_likelihood)
        yield state


def first_state(
    family: str, rows: np.ndarray, row_weight: np.ndarray, responsibilities: np.ndarray
) -> State:
    """The M-step of given responsibilities."""
    share = [[mpf(float(value)) for value in row] for row in responsibilities]
    return m_step(family, exact_rows(rows), [mpf(float(w)) for w in row_weight], share)


def given_state(weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> State:
    """Parameters (k,), (k, 2) and (k, 2, 2) in double precision, taken as they are."""
    matrices = [
        Sym(mpf(float(c[0, 0])), mpf(float(c[0, 1])), mpf(float(c[1, 1]))) for c in covariances
    ]
    return State([mpf(float(w)) for w in weights], exact_rows(means), matrices)


def relative_error(ours: np.ndarray, exact: np.ndarray) -> float:
    """Euclidean norm of the difference relative to that of the exact array."""
    ours, exact = np.ravel(ours), np.ravel(exact)
    if ours.shape != exact.shape:
        raise ValueError(f"{ours.size} numbers are compared with {exact.size}.")
    square = total([(mpf(float(a)) - b) ** 2 for a, b in zip(ours, exact, strict=True)])
    return float(mp.sqrt(square / total([b**2 for b in exact])))
