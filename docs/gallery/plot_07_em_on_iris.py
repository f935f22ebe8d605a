r"""
EM step by step on iris
=======================

The :doc:`step by step in one dimension <plot_06_em_in_one_dimension>`, now with four measurements
of 150 flowers and three components. The start is k-means++: three rows, far from each other,
become means. From there EM finds the species, which it is not told.
"""

import base64
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

import ellimix as em

warnings.simplefilter("ignore", ConvergenceWarning)  # fits are stopped after so many iterations
X, names = em.datasets.iris()
species = np.arange(150) // 50

# %%
# Every iteration
# ---------------
#
# ``tol=0`` with ``max_iter=t`` is the state after t iterations from the same start;
# ``max_iter=0`` is the start itself.

SETTINGS = {"init_params": "k-means++", "random_state": 2, "tol": 0.0}
LAST = 40


def states(rows):
    """The fit after 0, 1, ..., LAST iterations."""
    return [em.GaussianMixture(3, max_iter=t, **SETTINGS).fit(rows) for t in range(LAST + 1)]


path = states(X)
trace = np.array([model.score(X) * len(X) for model in path])
print("log-likelihood after 0, 1, 2, 5, 10, 20, 40 iterations:")
print(*(f"{trace[t]:,.2f}" for t in (0, 1, 2, 5, 10, 20, 40)), sep="   ")
assert (np.diff(trace) > -1e-6).all() and abs(trace[-1] + 180.186) < 0.01

# %%
# The start's components are points with hardly any width, so that its likelihood is dreadful. One
# iteration repairs most of that; the finer work takes about twenty more.

figure, ax = plt.subplots(figsize=(7, 3.4))
ax.plot(range(1, LAST + 1), trace[1:], "o-", ms=3)
ax.axhline(trace[-1], color="0.7", ls=":")
ax.set(xlabel="iteration", ylabel="log-likelihood (nats)")
plt.show()

# %%
# Blended responsibilities
# ------------------------
#
# Each component has a colour. A flower gets the blend of the three that its responsibilities say,
# so a doubtful one is grey-brown. Shown are the first two principal components of the four
# measurements.

COLORS = np.array([[0.0, 0.447, 0.698], [0.902, 0.624, 0.0], [0.0, 0.62, 0.451]])
pca = PCA(2).fit(X)


def draw(ax, models, t, rows, plane):
    """The rows after t iterations, with the ways of the means; `plane` maps rows to two columns."""
    model = models[t]
    ax.scatter(*plane(rows).T, c=model.predict_proba(rows) @ COLORS, s=18, linewidths=0)
    ways = np.array([plane(m.means_) for m in models[: t + 1]])
    for k in range(3):
        ax.plot(*ways[:, k].T, color="black", lw=1)
        ax.plot(*ways[-1, k], "o", color=COLORS[k], mec="black", ms=8)
    ax.set_title(f"iteration {t}")


figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey=True)
for ax, t in zip(axes.ravel(), (0, 1, 3, 8, 15, LAST), strict=True):
    draw(ax, path, t, X, pca.transform)
figure.supxlabel("first principal component")
figure.supylabel("second")
plt.show()

# %%
# As a film
# ---------


class Film:
    """A matplotlib animation as a GIF inside the page."""

    def __init__(self, figure, frame, count):
        animation = FuncAnimation(figure, frame, frames=count)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "film.gif"
            animation.save(file, writer=PillowWriter(fps=5), dpi=70)
            self.image = base64.b64encode(file.read_bytes()).decode()
        plt.close(figure)

    def _repr_html_(self):
        alt = "EM on iris, iteration by iteration"
        return f'<img alt="{alt}" src="data:image/gif;base64,{self.image}">'


def film(models, rows, plane, labels):
    """The iterations, one after the other."""
    figure, ax = plt.subplots(figsize=(7, 4.5))

    def frame(t):
        ax.clear()
        draw(ax, models, t, rows, plane)
        ax.set(xlabel=labels[0], ylabel=labels[1])

    return Film(figure, frame, 26)


film(path, X, pca.transform, ("first principal component", "second principal component"))

# %%
# The species
# -----------
#
# Five flowers of 150 are taken for the neighbouring species.

labels = path[-1].predict(X)
agreement = adjusted_rand_score(species, labels)
wrong = sum(50 - np.bincount(labels[species == s]).max() for s in range(3))
print(f"adjusted Rand index {agreement:.3f}, {wrong} flowers in another group")
assert wrong == 5 and agreement > 0.9

# %%
# Two features
# ------------
#
# The same with the petals alone, where nothing is projected and the components can be drawn as
# what they are: ellipses of one and two standard deviations.

petals = X[:, 2:]
path2 = states(petals)
trace2 = np.array([model.score(petals) * len(petals) for model in path2])
print("log-likelihood after 1, 5, 20, 40 iterations:", trace2[[1, 5, 20, 40]].round(3))
assert (np.diff(trace2) > -1e-6).all()


def ellipse(mean, covariance, sigmas):
    """Points of the ellipse of so many standard deviations, (2, 100)."""
    turn = np.linspace(0.0, 2.0 * np.pi, 100)
    return mean[:, None] + sigmas * np.linalg.cholesky(covariance) @ [np.cos(turn), np.sin(turn)]


figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey=True)
for ax, t in zip(axes.ravel(), (0, 1, 3, 8, 15, LAST), strict=True):
    draw(ax, path2, t, petals, np.asarray)
    for k in range(3):
        for sigmas in (1.0, 2.0):
            outline = ellipse(path2[t].means_[k], path2[t].covariances_[k], sigmas)
            ax.plot(*outline, color=COLORS[k], lw=1.5)
figure.supxlabel(names[2])
figure.supylabel(names[3])
plt.show()

# %%
# Beside scikit-learn
# -------------------
#
# From the same start the same numbers, in every iteration and for both tables.

for rows, models in ((X, path), (petals, path2)):
    apart = 0.0
    for t in (1, 2, 5, 10, 20, LAST):
        peer = GaussianMixture(3, max_iter=t, **SETTINGS).fit(rows)
        apart = max(apart, np.abs(peer.means_ - models[t].means_).max())
        apart = max(apart, np.abs(peer.covariances_ - models[t].covariances_).max())
    print(f"{rows.shape[1]} features: largest difference of means and covariances {apart:.1e}")
    assert apart < 1e-9

# sphinx_gallery_thumbnail_number = 2
