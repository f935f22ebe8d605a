"""Makes deconvolution.csv, projected.csv and deconvolution.json.

Run in this folder by a Python that has astroML 1.0.2 and the module of extreme-deconvolution 1.3
(Bovy, Hogg & Roweis 2011, by the authors themselves):

    python make_deconvolution.py

deconvolution.csv has 300 measured points with two features and the three entries 11, 12, 22 of each
one's error covariance; projected.csv has 200 points with two values each of three features, the
same three entries, and the six entries of the projection, row by row. Both are read back with the
six digits that are written.

deconvolution.json has, for each of the two, where EM begins and the parameters after 1, 5 and 50
iterations, with the log-likelihood of exactly these parameters: the sum over the rows, in nats, of
the density of a measurement (the errors are part of it). There is no regularisation and there are
no constants left out. Both programs give the parameters of "measured", and the script stops where
they differ by more than 1e-8; astroML has no projections. Numbers written are those of astroML for
"measured", of extreme-deconvolution for "projected".

extreme-deconvolution's mean log-likelihood is that of the model before its last step, so that it
is asked for again; its tolerance must be positive, as it makes no step at all with 0.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
AFTER = (1, 5, 50)
LEAST = 1e-300  # a tolerance that nothing falls below

Model = dict[str, np.ndarray]


def covariances(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """Random 2 x 2 covariances with standard deviations between two numbers."""
    scales = np.exp(rng.uniform(np.log(low), np.log(high), size=(n, 2)))
    correlation = rng.uniform(-0.8, 0.8, size=n)
    out = scales[:, :, None] * scales[:, None, :]
    out[:, 0, 1] *= correlation
    out[:, 1, 0] *= correlation
    return out


def noisy(rng: np.random.Generator, points: np.ndarray, errors: np.ndarray) -> np.ndarray:
    noise = np.linalg.cholesky(errors) @ rng.normal(size=(len(points), 2, 1))
    return points + noise[..., 0]


def packed(errors: np.ndarray) -> np.ndarray:
    return errors[:, [0, 0, 1], [0, 1, 1]]


def write(name: str, columns: list[str], table: np.ndarray) -> np.ndarray:
    """The table as it is read back."""
    path = HERE / name
    np.savetxt(path, table, fmt="%.6f", delimiter=",", header=",".join(columns), comments="")
    return np.loadtxt(path, delimiter=",", skiprows=1)


def unpacked(columns: np.ndarray) -> np.ndarray:
    return columns[:, [0, 1, 1, 2]].reshape(-1, 2, 2)


def measured(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """300 points of two components, errors from far below to far above their widths."""
    means = np.array([[0.0, 0.0], [2.5, 1.5]])
    spread = np.array([[[1.0, 0.6], [0.6, 0.7]], [[0.3, -0.2], [-0.2, 0.9]]])
    labels = (rng.random(300) < 0.4).astype(int)
    points = means[labels] + np.stack([rng.multivariate_normal([0, 0], spread[k]) for k in labels])
    errors = covariances(rng, 300, 0.1, 2.0)
    table = np.hstack([noisy(rng, points, errors), packed(errors)])
    table = write("deconvolution.csv", ["y1", "y2", "s11", "s12", "s22"], table)
    return table[:, :2], unpacked(table[:, 2:5])


def projected(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """200 points of which two linear combinations of three features were measured."""
    means = np.array([[0.0, 0.0, 0.0], [3.0, -1.0, 2.0]])
    labels = (rng.random(200) < 0.5).astype(int)
    turn = np.linalg.qr(rng.normal(size=(2, 3, 3)))[0] * np.array([0.4, 0.8, 1.2])
    points = means[labels] + (turn[labels] @ rng.normal(size=(200, 3, 1)))[..., 0]
    along = rng.normal(size=(200, 2, 3))
    errors = covariances(rng, 200, 0.1, 0.8)
    values = noisy(rng, (along @ points[..., None])[..., 0], errors)
    names = ["y1", "y2", "s11", "s12", "s22", *(f"r{i}{j}" for i in (1, 2) for j in (1, 2, 3))]
    table = write(
        "projected.csv", names, np.hstack([values, packed(errors), along.reshape(200, 6)])
    )
    return table[:, :2], unpacked(table[:, 2:5]), table[:, 5:].reshape(-1, 2, 3)


def by_authors(
    rows: np.ndarray,
    errors: np.ndarray,
    start: Model,
    steps: int,
    projection: np.ndarray | None = None,
) -> tuple[Model, float]:
    """extreme-deconvolution after some steps, and its log-likelihood."""
    from extreme_deconvolution import extreme_deconvolution

    model = {name: np.array(values, dtype=float) for name, values in start.items()}
    arguments = (rows, errors, model["weights"], model["means"], model["covariances"])
    extreme_deconvolution(*arguments, projection=projection, tol=LEAST, maxiter=steps)
    mean = extreme_deconvolution(*arguments, projection=projection, likeonly=True)
    return model, float(mean) * len(rows)


def by_astroml(
    rows: np.ndarray, errors: np.ndarray, start: Model, steps: int
) -> tuple[Model, float]:
    """astroML after some steps from the start, and its log-likelihood."""
    from astroML.density_estimation import XDGMM

    model = XDGMM(len(start["weights"]))
    model.alpha, model.mu, model.V = (
        np.array(start[name], dtype=float) for name in ("weights", "means", "covariances")
    )
    for _ in range(steps):
        model._EMstep(rows, errors)
    fitted = {"weights": model.alpha, "means": model.mu, "covariances": model.V}
    return fitted, float(model.logL(rows, errors))


def plain(model: Model) -> dict[str, list]:
    return {name: np.asarray(values).tolist() for name, values in model.items()}


def agreed(rows: np.ndarray, errors: np.ndarray, start: Model, steps: int) -> tuple[Model, float]:
    """What both programs say."""
    ours, loglik = by_astroml(rows, errors, start, steps)
    theirs, other = by_authors(rows, errors, start, steps)
    apart = max(float(np.abs(ours[name] - theirs[name]).max()) for name in start)
    print(f"{steps} iterations: parameters {apart:.1e} apart, {abs(loglik - other):.1e} nats")
    if max(apart, abs(loglik - other)) > 1e-8:
        raise SystemExit("The two programs do not agree.")
    return ours, loglik


def main() -> None:
    rng = np.random.default_rng(2011)
    rows, errors = measured(rng)
    start = {
        "weights": np.array([0.5, 0.5]),
        "means": np.array([[-1.0, 0.5], [2.0, 0.5]]),
        "covariances": np.array([[[1.5, 0.2], [0.2, 1.0]], [[1.0, 0.0], [0.0, 1.5]]]),
    }
    values, noise, along = projected(rng)
    start3 = {
        "weights": np.array([0.4, 0.6]),
        "means": np.array([[-0.5, 0.5, 0.0], [2.0, 0.0, 1.0]]),
        "covariances": np.stack([np.eye(3), 2.0 * np.eye(3)]),
    }
    found = {steps: agreed(rows, errors, start, steps) for steps in AFTER}
    found3 = {steps: by_authors(values, noise, start3, steps, along) for steps in AFTER}
    content = {
        name: {
            "start": plain(begin),
            "after": {
                str(steps): {**plain(model), "loglik": loglik}
                for steps, (model, loglik) in results.items()
            },
        }
        for name, begin, results in (("measured", start, found), ("projected", start3, found3))
    }
    text = json.dumps(content, indent=1) + "\n"
    (HERE / "deconvolution.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
