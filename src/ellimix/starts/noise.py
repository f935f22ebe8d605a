"""Where noise is uniform, and which rows begin as noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ellimix.errors import DataError
from ellimix.inference.box import Box
from ellimix.records import Array, Rows
from ellimix.sources.threads import available_threads

CHUNK = 1 << 16  # rows that are in float64 at a time
TIE = (
    1e-9  # in log-volume: boxes that differ by less are equal, and the one that is not turned wins
)
FLAT = 1e-12  # a side below this share of the longest is one of rounding
NEIGHBOURS = 12  # K
ROWS_PER_NEIGHBOUR = 10  # of fewer rows than K times so many, K is smaller
# Of more rows, a sample of so many is a tree's: a query costs 1.6 us in 2 features, 110 us in 10.
TREE_ROWS, TREE_ROWS_HIGH, HIGH = 20_000, 5_000, 5
APPROXIMATE = 0.5  # queries of the other rows: half the time, and one in a thousand goes wrong
MANY = 5_000  # queries from which threads pay
FIRST_CUTS = (0.1, 0.25, 0.5, 0.75, 0.9)
MAX_ITER, TOL = 200, 1e-8
KEPT = 0.05  # of the weight, at least: the rows in the densest places are no noise


def box_of(rows: Rows, weight: Array | None, whole: bool) -> Box:
    """The region in which the data lie, for a noise component that is uniform in it.

    It is the box of the data along the features or the one along their principal axes, whichever
    has the smaller volume (Fraley & Raftery 1998, and mclust's ``hypvol``). The axes are those of
    the covariance in the data's own units. Where the volumes are equal to 9 digits, or the data
    lie in a flat, which would make the turned box's volume one of rounding, the box along the
    features is taken: it is known which of its sides a missing value takes away.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        NaN for a missing value.
    weight : ndarray of shape (n,) or None
        Rows of weight 0 do not count.
    whole : bool
        Whether no value is missing. Otherwise the box is along the features.

    Raises
    ------
    DataError
        A column has no two different values, or its range is beyond double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.starts.noise import box_of
    >>> box_of(np.array([[0.0, 0.0], [2.0, 1.0], [1.0, 3.0]]), None, False).sides.tolist()
    [2.0, 3.0]
    """
    index = np.arange(rows.shape[0]) if weight is None else np.flatnonzero(weight > 0.0)
    box = _along_features(rows, index)
    if not whole or box.sides.size == 1:
        return box
    turned = _along_axes(rows, weight, index, box)
    if turned.sides.min() <= FLAT * turned.sides.max():
        return box
    return turned if turned.log_volume < box.log_volume - TIE else box


def _along_features(rows: Rows, index: NDArray[np.intp]) -> Box:
    d = rows.shape[1]
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    for part in _chunks(index):
        own = np.asarray(rows[part], dtype=np.float64)
        low = np.fmin(low, np.fmin.reduce(own, axis=0))
        high = np.fmax(high, np.fmax.reduce(own, axis=0))
    with np.errstate(over="ignore", invalid="ignore"):
        sides = high - low
    flat = np.flatnonzero(~(sides > 0.0))
    if flat.size:
        named = ", ".join(str(j) for j in flat)
        raise DataError(
            f"Column(s) {named} have no two different values, so that noise cannot be uniform "
            "there: leave them out, or say where noise is uniform."
        )
    if not np.isfinite(sides).all():
        named = ", ".join(str(j) for j in np.flatnonzero(~np.isfinite(sides)))
        raise DataError(
            f"The range of column(s) {named} is beyond double precision: rescale the columns."
        )
    return Box(low + 0.5 * sides, np.eye(d), sides)


def _along_axes(rows: Rows, weight: Array | None, index: NDArray[np.intp], around: Box) -> Box:
    """The box along the principal axes of the weighted rows.

    Rows are centred and brought to a box of side 1 at most, so that no square leaves its range;
    only the triangle of their QR factorisation is kept, a chunk at a time.
    """
    d, longest = around.sides.size, float(around.sides.max())
    total, first = 0.0, np.zeros(d)
    for part in _chunks(index):
        w = np.ones(part.size) if weight is None else weight[part]
        first += w @ _scaled(rows[part], around.middle, longest)
        total += float(w.sum())
    shift, triangle = first / total, np.empty((0, d))
    for part in _chunks(index):
        own = _scaled(rows[part], around.middle, longest) - shift
        if weight is not None:
            own *= np.sqrt(weight[part])[:, None]
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, own]), mode="r"))
    axes = np.linalg.svd(triangle)[2].T
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(d)])  # LAPACK's signs say nothing
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    for part in _chunks(index):
        scores = _scaled(rows[part], around.middle, longest) @ axes
        low, high = np.fmin(low, scores.min(axis=0)), np.fmax(high, scores.max(axis=0))
    middle = around.middle + longest * (axes @ (0.5 * (low + high)))
    return Box(middle, axes, np.maximum(high - low, np.finfo(np.float64).tiny) * longest)


def _scaled(rows: Rows, middle: Array, scale: float) -> Array:
    return (np.asarray(rows, dtype=np.float64) - middle) / scale


def _chunks(index: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [index[start : start + CHUNK] for start in range(0, index.size, CHUNK)]


def cleaned(rows: Rows, weight: Array | None, random: np.random.RandomState) -> NDArray[np.bool_]:
    """Which rows begin as noise: nearest-neighbour cleaning (Byers & Raftery 1998).

    Where points are uniform with density lambda in d features, the distance D to the K-th nearest
    neighbour has D^d ~ Gamma(K, alpha lambda), alpha a constant. Two such densities, of noise and
    of what is not, are fitted by EM, and rows that are more likely in the thinner one are noise.
    Columns are scaled to variance 1. A weight of 2 is the row twice; weights with a mean below 1
    are scaled to a mean of 1.

    Of many rows, distances are those to a sample, to which the densities are fitted: 20,000 rows,
    or 5,000 in more than 5 features.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Without NaN.
    weight : ndarray of shape (n,) or None
        Rows of weight 0 count for nothing and are not noise.
    random : RandomState
        Draws the sample, where there is one.

    Returns
    -------
    ndarray of shape (n,), bool
        At least d + 1 rows and a twentieth of the weight are not noise, and at least one row is;
        none where all places are equally dense.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.starts.noise import cleaned
    >>> rng = np.random.default_rng(0)
    >>> rows = np.vstack([rng.normal(0.0, 0.1, (80, 2)), rng.uniform(-9.0, 9.0, (20, 2))])
    >>> noise = cleaned(rows, None, np.random.RandomState(0))
    >>> int(noise[:80].sum()), int(noise[80:].sum())
    (0, 20)
    """
    out = np.zeros(rows.shape[0], dtype=np.bool_)
    index = np.arange(out.size) if weight is None else np.flatnonzero(weight > 0.0)
    w = np.ones(index.size) if weight is None else weight[index]
    w = w * max(1.0, index.size / w.sum())
    size = TREE_ROWS if rows.shape[1] <= HIGH else TREE_ROWS_HIGH
    if index.size <= size:
        places, group = _places(rows[index], w)
        if places is not None:
            distance = places.own_distances()
            out[index] = (distance > places.threshold(distance))[group]
        return out
    drawn = np.sort(random.choice(index.size, size=size, replace=False))
    places, group = _places(rows[index[drawn]], w[drawn])
    if places is None:
        return out
    distance = places.own_distances()
    limit = places.threshold(distance)
    for part in _chunks(np.delete(index, drawn)):
        out[part] = places.beyond(rows[part], limit)
    out[index[drawn]] = (distance > limit)[group]
    return out


@final
@dataclass(frozen=True)
class _Places:
    """Distinct rows, in standardised columns.

    Parameters
    ----------
    tree : cKDTree
        Of m points in p columns, those that are not constant.
    weight : ndarray of shape (m,)
        Sums of the weights of equal rows.
    columns : ndarray of shape (p,)
        Which columns these are.
    middle, scale : ndarray of shape (p,)
        Their means and standard deviations.
    neighbours : float
        K.
    """

    tree: cKDTree
    weight: Array
    columns: NDArray[np.intp]
    middle: Array
    scale: Array
    neighbours: float

    def own_distances(self) -> Array:
        """Distances of the points to their K-th nearest neighbours, copies included, (m,)."""
        points = np.asarray(self.tree.data)
        return np.concatenate(
            [self._kth(points[part], part) for part in _chunks(np.arange(self.weight.size))]
        )

    def beyond(self, rows: Rows, limit: float) -> NDArray[np.bool_]:
        """Whether other rows have their K-th nearest neighbours farther away than the limit."""
        points = (np.asarray(rows[:, self.columns], dtype=np.float64) - self.middle) / self.scale
        return np.isinf(self._kth(points, None, limit, APPROXIMATE))

    def _kth(
        self, points: Array, own: NDArray[np.intp] | None, limit: float = np.inf, eps: float = 0.0
    ) -> Array:
        """Distances to the K-th nearest neighbours, inf beyond the limit.

        `own`: which of the tree's points these are; of itself, a point has its copies.
        """
        out = np.full(points.shape[0], np.inf)
        rest, m = np.arange(out.size), self.weight.size
        size = min(int(self.neighbours) + 1, m)
        weight = np.append(self.weight, 0.0)  # the last for neighbours that are not there
        while rest.size:
            distance, near = self.tree.query(
                points[rest],
                np.arange(1, size + 1),
                eps=eps,
                distance_upper_bound=limit,
                workers=available_threads() if rest.size > MANY else 1,
            )
            counts = weight[near]
            if own is not None:
                itself = near == own[rest, None]
                counts[itself] = np.maximum(counts[itself] - 1.0, 0.0)
            # 12 weights of 0.1 / 0.1 may sum to a little less than 12
            enough = np.cumsum(counts, axis=1) >= self.neighbours * (1.0 - 1e-9)
            found, first = enough.any(axis=1), enough.argmax(axis=1)
            if size == m and limit == np.inf:  # there are no more
                first, found = np.where(found, first, m - 1), np.ones_like(found)
            out[rest[found]] = distance[found, first[found]]
            if size == m:
                break
            rest = rest[~found & (distance[:, -1] < np.inf)]
            size = min(2 * size, m)
        return out

    def threshold(self, distance: Array) -> float:
        """The distance beyond which a point is noise."""
        order = np.argsort(distance, kind="stable")
        sums = np.cumsum(self.weight[order])
        kept = max(self.columns.size + 1.0, KEPT * sums[-1])
        lowest = float(distance[order][min(int(np.searchsorted(sums, kept)), order.size - 1)])
        below = distance[distance < distance.max()]
        positive = distance[distance > 0.0]
        if not below.size or not positive.size:
            return np.inf  # all places are equally dense
        d = self.columns.size
        middle = float(np.median(positive))
        # of more than K copies of a row, the distance is 0; its logarithm is not to be that
        log_d = d * np.log(np.maximum(distance, positive.min()) / middle)
        cut = _cut(log_d, self.weight, self.neighbours)
        return max(min(middle * float(np.exp(cut / d)), float(below.max())), lowest)


def _places(rows: Rows, weight: Array) -> tuple[_Places | None, NDArray[np.intp]]:
    """The distinct rows, and which of them each row is; None where all are the same."""
    points, group = np.unique(rows, axis=0, return_inverse=True)
    group = group.ravel()
    own = np.bincount(group, weights=weight).astype(np.float64)
    if points.shape[0] == 1:
        return None, group
    points = np.asarray(points, dtype=np.float64)
    columns = np.flatnonzero(points.min(axis=0) < points.max(axis=0))
    points = points[:, columns]
    largest = np.abs(points).max(axis=0)  # squares of what is divided by it stay in range
    share = own / own.sum()
    middle = share @ (points / largest)
    deviation = np.sqrt(share @ (points / largest - middle) ** 2)
    middle, scale = middle * largest, deviation * largest
    tree = cKDTree((points - middle) / scale)
    neighbours = min(float(NEIGHBOURS), max(1.0, (own.sum() + 1e-6) // ROWS_PER_NEIGHBOUR))
    return _Places(tree, own, columns, middle, scale, neighbours), group


def _cut(log_x: Array, weight: Array, shape: float) -> float:
    """Logarithm of the x = D^d from which on the thinner of two gamma densities is more likely.

    EM from several first cuts; the likelihood is highest in the one that counts. -inf or inf where
    one of them has all.
    """
    x, share = np.exp(np.minimum(log_x, 600.0)), weight / weight.sum()
    best, out = -np.inf, np.inf
    for quantile in FIRST_CUTS:
        thin = (log_x > np.quantile(log_x, quantile)).astype(np.float64)
        last = -np.inf
        for _ in range(MAX_ITER):
            p = np.array([share @ (1.0 - thin), share @ thin])
            if not (p > 0.0).all():
                break
            rate = shape * p / np.array([(share * (1.0 - thin)) @ x, (share * thin) @ x])
            log_joint = np.log(p)[:, None] + shape * np.log(rate)[:, None] - rate[:, None] * x
            total = np.logaddexp(*log_joint)
            thin = np.exp(log_joint[1] - total)
            loglik = float(share @ total)
            if loglik > best:
                best, out = loglik, _crossing(p, rate, shape)
            if loglik - last < TOL:
                break
            last = loglik
    return out


def _crossing(p: Array, rate: Array, shape: float) -> float:
    """Logarithm of the x where both densities, times their weights, are equal."""
    dense, thin = (0, 1) if rate[0] > rate[1] else (1, 0)
    if rate[0] == rate[1]:
        return np.inf if p[0] >= p[1] else -np.inf
    height = np.log(p[dense] / p[thin]) + shape * np.log(rate[dense] / rate[thin])
    return float(np.log(height / (rate[dense] - rate[thin]))) if height > 0.0 else -np.inf
