"""Common axes of EVE and VVE, compiled: plane rotations as in `ellimix.covariance.axes_planes`.

With g = D^T W D, m = (g_pp + g_qq)/2, u = (g_pp - g_qq)/2m and b = g_pq/m, turning the plane
p, q by the angle t/2 multiplies g_pp g_qq by

    1 + c = (1 - y^2) / (1 - u^2),    y = u cos t + b sin t.

Near the minimum a turn is one step of Newton's method, and needs no logarithm: 1, 1 + c's power
(or its logarithm) is at most its Taylor polynomial of degree 3, because the fourth derivative is
negative, and a turn is taken where the sum of those polynomials falls. The same polynomial gives
an upper bound of the volumes' change, with which EVE's next plane goes on. Elsewhere the plane is
searched from a grid. One turn after the other: the product of a round's factors, which the
vectorised search has to bound, does not arise. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import math

EIGEN = TURN = VALUE_OF_ANGLE = GRID_ANGLE = QUICK_ANGLE = WEIGHTS = SWEEP = None
ORTHONORMAL = TRANSFORM = VALUE_OF_AXES = START = COPY = CARRAY = AT = None

GRID = 12
NEWTON_STEPS = 8
TINY = 1e-30  # 1 - y^2 and variances: keeps logarithms finite on singular scatter
NEAR = 0.2  # tan of half the angle that a quick turn may have
LARGEST_CHANGE = 0.5  # of a product of variances in a quick turn
ANGLE_TOLERANCE = 1e-7  # radians: the value is flat to 1e-14 there
FIRST_SWEEPS = 2
MAX_SWEEPS = 300
WARM_SWEEPS = 3  # then the next M-step goes on from there
MANY_STARTS = 8
FEW_FEATURES = 5
EPS = None


def weights(equal, n, turned, weight):
    """What a plane's changes count: n, or for EVE the volumes, relative to the largest."""
    k, d = turned.shape[0], turned.shape[1]
    if not equal:
        for j in range(k):
            weight[j] = n[j]
        return
    top = -math.inf
    for j in range(k):
        total, largest = 0.0, 0.0
        for a in range(d):
            largest = max(largest, turned[j, a, a])
        floor = max(TINY * largest, 2.3e-308)
        for a in range(d):
            total += math.log(max(turned[j, a, a], floor))
        weight[j] = total / d
        top = max(top, weight[j])
    for j in range(k):
        weight[j] = math.exp(weight[j] - top)


def value_of_axes(equal, k, d, n, turned, weight):
    """What the axes minimise: n d log(mean volume) for EVE, sum of n log v for VVE."""
    turned = CARRAY(turned, (k, d, d))
    pooled, total, count, top = 0.0, 0.0, 0.0, -math.inf
    for j in range(k):
        log_product, largest = 0.0, 0.0
        for a in range(d):
            largest = max(largest, turned[j, a, a])
        floor = max(TINY * largest, 2.3e-308)
        for a in range(d):
            log_product += math.log(max(turned[j, a, a], floor))
        weight[j] = log_product / d
        top = max(top, weight[j])
        total += n[j] * log_product
        count += n[j]
    if not equal:
        return total
    for j in range(k):
        pooled += math.exp(weight[j] - top)
    return count * d * (top + math.log(pooled))


def quick_angle(equal, turned, weight, p, q, us, bs, bases):
    """tan(t/2) of a Newton step that descends; 0 for none needed; 2 where a search is.

    For EVE the weights become an upper bound of the volumes after the turn. us, bs and
    bases (k,) are scratch.
    """
    k, d = turned.shape[0], turned.shape[1]
    power = 1.0 / d
    slope, curve, total = 0.0, 0.0, 0.0
    for j in range(k):
        vp, vq = turned[j, p, p], turned[j, q, q]
        if not (vp > 0.0 and vq > 0.0):
            return 2.0
        inverse = 1.0 / (vp + vq)
        u, b = (vp - vq) * inverse, 2.0 * turned[j, p, q] * inverse
        base = 1.0 / max(4.0 * (vp * inverse) * (vq * inverse), TINY)
        us[j], bs[j], bases[j] = u, b, base
        r1, r2 = -2.0 * u * b * base, -2.0 * (b * b - u * u) * base
        if equal:
            slope += weight[j] * r1
            curve += weight[j] * (r2 + (power - 1.0) * r1 * r1)
        else:
            slope += weight[j] * r1
            curve += weight[j] * (r2 - r1 * r1)
        total += weight[j]
    if not abs(slope) > 4.0 * EPS * total:
        return 0.0 if curve >= 0.0 else 2.0
    if not (curve > 0.0 and abs(slope) < 2.0 * NEAR * curve):
        return 2.0
    tan = -0.5 * slope / curve
    scale = 1.0 / (1.0 + tan * tan)
    sin, versed = 2.0 * tan * scale, 2.0 * tan * tan * scale
    second = 0.5 * (power - 1.0) if equal else -0.5
    third = (power - 2.0) / 3.0 * second if equal else 1.0 / 3.0
    bound, largest = 0.0, 0.0
    for j in range(k):
        u, b = us[j], bs[j]
        step = b * sin - u * versed  # y - u
        change = -step * (2.0 * u + step) * bases[j]
        largest = max(largest, abs(change))
        rise = change * (1.0 + change * (second + change * third))
        bases[j] = rise
        bound += weight[j] * rise
    if not (largest < LARGEST_CHANGE and bound <= 4.0 * EPS * total):
        return 2.0
    if equal:
        for j in range(k):
            weight[j] *= 1.0 + power * bases[j]
    return tan


def value_of_angle(equal, power, weight, us, bs, bases, t):
    """Value, slope and curvature of a plane at the angle t, up to a positive factor."""
    cos, sin = math.cos(t), math.sin(t)
    value, slope, curve = 0.0, 0.0, 0.0
    for j in range(weight.size):
        u, b, base = us[j], bs[j], bases[j]
        y, dy = u * cos + b * sin, b * cos - u * sin
        x = max(1.0 - y * y, TINY)
        r1, r2 = -2.0 * y * dy / x, -2.0 * (dy * dy - y * y) / x
        log_x = math.log(x * base)
        if equal:
            term = weight[j] * math.exp(power * log_x)
            value += term
            slope += power * term * r1
            curve += power * term * (r2 + (power - 1.0) * r1 * r1)
        else:
            value += weight[j] * log_x
            slope += weight[j] * r1
            curve += weight[j] * (r2 - r1 * r1)
    return value, slope, curve


def grid_angle(equal, k, d, turned, p, q, planes):
    """The angle t that minimises a plane's part, from a grid; 0 where nothing is gained.

    planes (4, k): what the changes count, then scratch.
    """
    turned, weight, us = CARRAY(turned, (k, d, d)), CARRAY(planes, k), CARRAY(AT(planes, k), k)
    bs, bases = CARRAY(AT(planes, 2 * k), k), CARRAY(AT(planes, 3 * k), k)
    power, total = 1.0 / d, 0.0
    for j in range(k):
        vp, vq = turned[j, p, p], turned[j, q, q]
        mean = max(0.5 * (vp + vq), 2.3e-308)
        u = 0.5 * (vp - vq) / mean
        us[j], bs[j] = u, turned[j, p, q] / mean
        bases[j] = 1.0 / max((vp / mean) * (vq / mean), TINY)
        total += weight[j]
    level = 8.0 * EPS * total
    rest, slope_at_rest, curve = VALUE_OF_ANGLE(equal, power, weight, us, bs, bases, 0.0)
    t, value, slope = 0.0, rest, slope_at_rest
    for i in range(1, GRID):
        angle = i * (math.pi / GRID)
        if 2 * i > GRID:
            angle -= math.pi
        new_value, new_slope, new_curve = VALUE_OF_ANGLE(equal, power, weight, us, bs, bases, angle)
        if new_value < value:
            t, value, slope, curve = angle, new_value, new_slope, new_curve
    for _ in range(NEWTON_STEPS):
        downhill = (slope < 0.0) - (slope > 0.0)
        step = -slope / curve if curve > 0.0 else downhill * math.pi / (4 * GRID)
        step = min(max(step, -math.pi / GRID), math.pi / GRID)
        if not abs(step) > 0.0:
            break
        new_value, new_slope, new_curve = VALUE_OF_ANGLE(
            equal, power, weight, us, bs, bases, t + step
        )
        flat = abs(new_value - value) <= level
        if not ((flat and abs(new_slope) < abs(slope)) or (not flat and new_value < value)):
            break
        t, value, slope, curve = t + step, new_value, new_slope, new_curve
    flat = abs(value - rest) <= level
    if (flat and abs(slope) < abs(slope_at_rest)) or (not flat and value < rest):
        return t
    return 0.0


def turn(turned, axes, p, q, cos, sin):
    """Turn axes p and q, and what the scatter is along them, by an angle's cos and sin."""
    k, d = turned.shape[0], turned.shape[1]
    square, cross, other = cos * cos, cos * sin, sin * sin
    for j in range(k):
        vp, vq, off = turned[j, p, p], turned[j, q, q], turned[j, p, q]
        for i in range(d):
            left, right = turned[j, p, i], turned[j, q, i]
            new_left, new_right = cos * left + sin * right, cos * right - sin * left
            turned[j, p, i] = new_left
            turned[j, i, p] = new_left
            turned[j, q, i] = new_right
            turned[j, i, q] = new_right
        turned[j, p, p] = square * vp + 2.0 * cross * off + other * vq
        turned[j, q, q] = other * vp - 2.0 * cross * off + square * vq
        off = (square - other) * off + cross * (vq - vp)
        turned[j, p, q] = off
        turned[j, q, p] = off
    for i in range(d):
        left, right = axes[i, p], axes[i, q]
        axes[i, p] = cos * left + sin * right
        axes[i, q] = cos * right - sin * left


def sweep(equal, careful, k, d, n, turned_at, axes, planes):
    """Turn every plane once; the largest angle. planes (4, k) is scratch."""
    n, turned, axes = CARRAY(n, k), CARRAY(turned_at, (k, d, d)), CARRAY(axes, (d, d))
    weight, us = CARRAY(planes, k), CARRAY(AT(planes, k), k)
    bs, bases = CARRAY(AT(planes, 2 * k), k), CARRAY(AT(planes, 3 * k), k)
    largest = 0.0
    WEIGHTS(equal, n, turned, weight)
    for p in range(d - 1):
        for q in range(p + 1, d):
            tan = 2.0 if careful else QUICK_ANGLE(equal, turned, weight, p, q, us, bs, bases)
            if tan < 2.0:
                cos = 1.0 / math.sqrt(1.0 + tan * tan)
                sin = tan * cos
                angle = 2.0 * tan
            else:
                angle = GRID_ANGLE(equal, k, d, turned_at, p, q, planes)
                cos, sin = math.cos(0.5 * angle), math.sin(0.5 * angle)
            if angle != 0.0:
                TURN(turned, axes, p, q, cos, sin)
                if equal and not tan < 2.0:
                    WEIGHTS(equal, n, turned, weight)
            largest = max(largest, abs(angle))
    return largest


def orthonormal(axes):
    """Rotations drift off orthogonality by eps each: Gram-Schmidt on the columns."""
    d = axes.shape[0]
    for a in range(d):
        for b in range(a):
            along = 0.0
            for i in range(d):
                along += axes[i, a] * axes[i, b]
            for i in range(d):
                axes[i, a] -= along * axes[i, b]
        square = 0.0
        for i in range(d):
            square += axes[i, a] * axes[i, a]
        inverse = 1.0 / math.sqrt(square)
        for i in range(d):
            axes[i, a] *= inverse


def transform(k, d, scatter, axes, matrix, turned):
    """D^T W D of all components, from pointers; matrix (d, d) is scratch."""
    scatter, turned = CARRAY(scatter, (k, d, d)), CARRAY(turned, (k, d, d))
    axes, matrix = CARRAY(axes, (d, d)), CARRAY(matrix, (d, d))
    for j in range(k):
        for a in range(d):
            for b in range(d):
                value = 0.0
                for c in range(d):
                    value += scatter[j, a, c] * axes[c, b]
                matrix[a, b] = value
        for a in range(d):
            for b in range(a + 1):
                value = 0.0
                for c in range(d):
                    value += axes[c, a] * matrix[c, b]
                turned[j, a, b] = value
                turned[j, b, a] = value


def start(which, k, d, n, scatter, matrix, rows, turned, values, axes, order):
    """Start number `which`: eigenvectors of two pooled matrices, then of the largest components.

    All arrays are pointers. order (k,) marks the components that are done. Scratch: matrix, rows
    and turned (d, d), values (d,).
    """
    largest = -1
    for j in range(k):
        if order[j] == 0.0 and (largest < 0 or n[j] > n[largest]):
            largest = j
    for i in range(d * d):
        value = 0.0
        if which < 2:
            for j in range(k):
                value += scatter[j * d * d + i] / (n[j] if which == 1 else 1.0)
        else:
            value = scatter[largest * d * d + i]
        turned[i] = value
    if which >= 2:
        order[largest] = 1.0
    EIGEN(0, d, turned, matrix, rows, axes, values)


def common_axes(equal, k, d, first, n, scatter, axes, turned, scratch):
    """Axes that descend from `axes`; if `first`, a local minimum, the best of many starts.

    With `first` 2, in a hurry, one start and a few sweeps. Arrays are pointers. Scratch: turned
    (k, d, d), and `scratch` of 3 d^2 + d + 5 k numbers.
    """
    size = d * d
    matrix, rows, best = scratch, AT(scratch, size), AT(scratch, 2 * size)
    values, order, planes = AT(scratch, 3 * size), AT(best, size + d), AT(best, size + d + k)
    starts, careful, sweeps, least = 1, 0, WARM_SWEEPS, math.inf
    if first == 1:
        starts = 2 + (min(k, MANY_STARTS) if d <= 32 else 0)
        careful, sweeps = FIRST_SWEEPS, MAX_SWEEPS if d <= FEW_FEATURES else FIRST_SWEEPS
    for j in range(k):
        order[j] = 0.0
    # the last round, for many features, goes on from the best of the others
    for number in range(starts + int(first == 1 and d > FEW_FEATURES)):
        if first == 0 or number == starts:
            COPY(size, axes, best)
        else:
            which = number if first == 1 else 1
            START(which, k, d, n, scatter, matrix, rows, turned, values, best, order)
        if number == starts:
            careful, sweeps, least = 0, MAX_SWEEPS, math.inf
        TRANSFORM(k, d, scatter, best, matrix, turned)
        for i in range(sweeps):
            if SWEEP(equal, int(i < careful), k, d, n, turned, best, planes) <= ANGLE_TOLERANCE:
                break
        value = VALUE_OF_AXES(equal, k, d, n, turned, planes) if starts > 1 else 0.0
        if number == 0 or value < least:
            least = value
            COPY(size, best, axes)
    ORTHONORMAL(CARRAY(axes, (d, d)))
    return -1


def copy(size, source, out):
    """Copy numbers from pointer to pointer."""
    for i in range(size):
        out[i] = source[i]


def in_axes(scatter, axes, variances):
    """(D^T W D)_aa of all components, (k, d), not below 0."""
    k, d = variances.shape
    for j in range(k):
        for b in range(d):
            total = 0.0
            for a in range(d):
                value = 0.0
                for c in range(d):
                    value += scatter[j, a, c] * axes[c, b]
                total += axes[a, b] * value
            variances[j, b] = max(total, 0.0)
