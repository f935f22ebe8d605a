"""Common axes of EVE and VVE, compiled: plane rotations as in `ellimix.covariance.axes_planes`.

With g = D^T W D, m = (g_pp + g_qq)/2, u = (g_pp - g_qq)/2m and b = g_pq/m, turning the plane
p, q by the angle t/2 multiplies g_pp g_qq by

    1 + c = (1 - y^2) / (1 - u^2),    y = u cos t + b sin t.

Near the minimum a turn is one step of Newton's method, and needs no logarithm: 1, 1 + c's power
(or its logarithm) is at most its Taylor polynomial of degree 3, because the fourth derivative is
negative, and a turn is taken where the sum of those polynomials falls. The same polynomial gives
an upper bound of the volumes' change, with which EVE's next plane goes on. Elsewhere the plane is
searched from a grid. One turn after the other: the product of a round's factors, which the
vectorised search has to bound, does not arise. An array is a pointer to its first number, in C
order. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import math

EIGEN = TURN = VALUE_OF_ANGLE = GRID_ANGLE = QUICK_ANGLE = WEIGHTS = SWEEP = LOG_VOLUME = None
ORTHONORMAL = TRANSFORM = VALUE_OF_AXES = START = AT = None

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


def weights(equal, k, d, n, turned, weight):
    """What a plane's changes count: n, or for EVE the volumes, relative to the largest."""
    top = -math.inf
    for j in range(k):
        weight[j] = n[j]
        if equal:
            weight[j] = LOG_VOLUME(d, AT(turned, j * d * d)) / d
            top = max(top, weight[j])
    if equal:
        for j in range(k):
            weight[j] = math.exp(weight[j] - top)
    return -1


def log_volume(d, matrix):
    """The sum of the logarithms of a matrix's diagonal."""
    total, largest = 0.0, 0.0
    for a in range(d):
        largest = max(largest, matrix[a * (d + 1)])
    floor = max(TINY * largest, 2.3e-308)
    for a in range(d):
        total += math.log(max(matrix[a * (d + 1)], floor))
    return total


def value_of_axes(equal, k, d, n, turned, weight):
    """What the axes minimise: n d log(mean volume) for EVE, sum of n log v for VVE."""
    pooled, total, count, top = 0.0, 0.0, 0.0, -math.inf
    for j in range(k):
        log_product = LOG_VOLUME(d, AT(turned, j * d * d))
        weight[j] = log_product / d
        top = max(top, weight[j])
        total += n[j] * log_product
        count += n[j]
    if not equal:
        return total
    for j in range(k):
        pooled += math.exp(weight[j] - top)
    return count * d * (top + math.log(pooled))


def quick_angle(equal, k, d, turned, p, q, planes):
    """tan(t/2) of a Newton step that descends; 0 for none needed; 2 where a search is.

    planes (4, k): what the changes count, for EVE afterwards an upper bound of the volumes after
    the turn; then scratch.
    """
    weight, us, bs, bases = planes, AT(planes, k), AT(planes, 2 * k), AT(planes, 3 * k)
    power = 1.0 / d
    slope, curve, total = 0.0, 0.0, 0.0
    for j in range(k):
        row = AT(turned, (j * d + p) * d)
        vp, vq = row[p], turned[(j * d + q) * d + q]
        if not (vp > 0.0 and vq > 0.0):
            return 2.0
        inverse = 1.0 / (vp + vq)
        u, b = (vp - vq) * inverse, 2.0 * row[q] * inverse
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


def value_of_angle(equal, k, power, weight, us, bs, bases, t):
    """Value, slope and curvature of a plane at the angle t, up to a positive factor."""
    cos, sin = math.cos(t), math.sin(t)
    value, slope, curve = 0.0, 0.0, 0.0
    for j in range(k):
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
    weight, us, bs, bases = planes, AT(planes, k), AT(planes, 2 * k), AT(planes, 3 * k)
    power, total = 1.0 / d, 0.0
    for j in range(k):
        row = AT(turned, (j * d + p) * d)
        vp, vq = row[p], turned[(j * d + q) * d + q]
        mean = max(0.5 * (vp + vq), 2.3e-308)
        u = 0.5 * (vp - vq) / mean
        us[j], bs[j] = u, row[q] / mean
        bases[j] = 1.0 / max((vp / mean) * (vq / mean), TINY)
        total += weight[j]
    level = 8.0 * EPS * total
    rest, slope_at_rest, curve = VALUE_OF_ANGLE(equal, k, power, weight, us, bs, bases, 0.0)
    t, value, slope = 0.0, rest, slope_at_rest
    for i in range(1, GRID):
        angle = i * (math.pi / GRID)
        if 2 * i > GRID:
            angle -= math.pi
        new_value, new_slope, new_curve = VALUE_OF_ANGLE(
            equal, k, power, weight, us, bs, bases, angle
        )
        if new_value < value:
            t, value, slope, curve = angle, new_value, new_slope, new_curve
    for _ in range(NEWTON_STEPS):
        downhill = (slope < 0.0) - (slope > 0.0)
        step = -slope / curve if curve > 0.0 else downhill * math.pi / (4 * GRID)
        step = min(max(step, -math.pi / GRID), math.pi / GRID)
        if not abs(step) > 0.0:
            break
        new_value, new_slope, new_curve = VALUE_OF_ANGLE(
            equal, k, power, weight, us, bs, bases, t + step
        )
        flat = abs(new_value - value) <= level
        if not ((flat and abs(new_slope) < abs(slope)) or (not flat and new_value < value)):
            break
        t, value, slope, curve = t + step, new_value, new_slope, new_curve
    flat = abs(value - rest) <= level
    if (flat and abs(slope) < abs(slope_at_rest)) or (not flat and value < rest):
        return t
    return 0.0


def turn(k, d, turned, axes, p, q, cos, sin):
    """Turn axes p and q, and what the scatter is along them, by an angle's cos and sin."""
    square, cross, other = cos * cos, cos * sin, sin * sin
    for j in range(k):
        own = AT(turned, j * d * d)
        left, right = AT(own, p * d), AT(own, q * d)
        vp, vq, off = left[p], right[q], left[q]
        for i in range(d):
            one, two = left[i], right[i]
            new_left, new_right = cos * one + sin * two, cos * two - sin * one
            left[i] = new_left
            own[i * d + p] = new_left
            right[i] = new_right
            own[i * d + q] = new_right
        left[p] = square * vp + 2.0 * cross * off + other * vq
        right[q] = other * vp - 2.0 * cross * off + square * vq
        off = (square - other) * off + cross * (vq - vp)
        left[q], right[p] = off, off
    for i in range(d):
        row = AT(axes, i * d)
        one, two = row[p], row[q]
        row[p], row[q] = cos * one + sin * two, cos * two - sin * one
    return -1


def sweep(equal, careful, k, d, n, turned, axes, planes):
    """Turn every plane once; the largest angle. planes (4, k) is scratch."""
    largest = 0.0
    WEIGHTS(equal, k, d, n, turned, planes)
    for p in range(d - 1):
        for q in range(p + 1, d):
            tan = 2.0 if careful else QUICK_ANGLE(equal, k, d, turned, p, q, planes)
            if tan < 2.0:
                cos = 1.0 / math.sqrt(1.0 + tan * tan)
                sin = tan * cos
                angle = 2.0 * tan
            else:
                angle = GRID_ANGLE(equal, k, d, turned, p, q, planes)
                cos, sin = math.cos(0.5 * angle), math.sin(0.5 * angle)
            if angle != 0.0:
                TURN(k, d, turned, axes, p, q, cos, sin)
                if equal and not tan < 2.0:
                    WEIGHTS(equal, k, d, n, turned, planes)
            largest = max(largest, abs(angle))
    return largest


def transform(k, d, scatter, axes, matrix, turned):
    """D^T W D of all components; matrix (d, d) is scratch."""
    for j in range(k):
        own, out = AT(scatter, j * d * d), AT(turned, j * d * d)
        for a in range(d):
            row = AT(own, a * d)
            for b in range(d):
                value = 0.0
                for c in range(d):
                    value += row[c] * axes[c * d + b]
                matrix[a * d + b] = value
        for a in range(d):
            for b in range(a + 1):
                value = 0.0
                for c in range(d):
                    value += axes[c * d + a] * matrix[c * d + b]
                out[a * d + b] = value
                out[b * d + a] = value
    return -1


def start(which, k, d, n, scatter, matrix, rows, turned, values, axes, order):
    """Start number `which`: eigenvectors of two pooled matrices, then of the largest components.

    order (k,) marks the components that are done. Scratch: matrix, rows
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

    With `first` 2, in a hurry, one start and a few sweeps. Scratch: turned (k, d, d), and
    `scratch` of 3 d^2 + d + 5 k numbers.
    """
    size = d * d
    matrix, rows, best = scratch, AT(scratch, size), AT(scratch, 2 * size)
    values, order, planes = AT(scratch, 3 * size), AT(best, size + d), AT(best, size + d + k)
    starts, careful, sweeps, least = 1, 0, WARM_SWEEPS, math.inf
    if first == 1:
        starts = 2 + (min(k, MANY_STARTS) if d <= 32 else 0)
        careful, sweeps = FIRST_SWEEPS, MAX_SWEEPS if d <= FEW_FEATURES else FIRST_SWEEPS
    # the last round, for many features, goes on from the best of the others
    rounds = starts + 1 if first == 1 and d > FEW_FEATURES else starts
    for j in range(k):
        order[j] = 0.0
    for number in range(rounds):
        if first == 0 or number == starts:
            for i in range(size):
                best[i] = axes[i]
        else:
            which = number if first == 1 else 1
            START(which, k, d, n, scatter, matrix, rows, turned, values, best, order)
        if number == starts:
            careful, sweeps, least = 0, MAX_SWEEPS, math.inf
        TRANSFORM(k, d, scatter, best, matrix, turned)
        for i in range(sweeps):
            slow = 1 if i < careful else 0
            if SWEEP(equal, slow, k, d, n, turned, best, planes) <= ANGLE_TOLERANCE:
                break
        value = VALUE_OF_AXES(equal, k, d, n, turned, planes) if starts > 1 else 0.0
        if number == 0 or value < least:
            least = value
            for i in range(size):
                axes[i] = best[i]
    return ORTHONORMAL(d, axes, 1, d)
