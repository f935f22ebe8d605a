r"""
EM step by step on iris
=======================

The :doc:`step by step in one dimension <plot_06_em_in_one_dimension>`, now with four measurements
of 150 flowers and three components. The start is k-means++: three rows, far from each other,
become means. From there EM finds the species, which it is not told.
"""

import html
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
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
# A ``Recorder`` keeps what the start gave and what each iteration left. ``tol=0`` asks for a given
# number of iterations.

LAST = 40
SETTINGS = {"init_params": "k-means++", "random_state": 2, "tol": 0.0}


def recorded(rows):
    """The record of a fit of three components."""
    recorder = em.Recorder()
    model = em.GaussianMixture(3, max_iter=LAST, **SETTINGS).set_callbacks(recorder)
    model.fit(rows)
    return recorder.record


record = recorded(X)
path = record.best.mixtures  # LAST + 1 of them
trace = np.array([mixture.log_density(X).sum() for mixture in path])
print("log-likelihood after 0, 1, 2, 5, 10, 20, 40 iterations:")
print(*(f"{trace[t]:,.2f}" for t in (0, 1, 2, 5, 10, 20, 40)), sep="   ")
assert (np.diff(trace) > -1e-6).all() and abs(trace[-1] + 180.186) < 0.01
assert np.allclose(np.array(record.best.trace) * len(X), trace[:-1])

# %%
# The start's components are points with hardly any width, so that its likelihood is dreadful. One
# iteration repairs most of that; the finer work takes about twenty more, in which the means take
# ever smaller steps.

em.plot(record, kind="convergence")
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


def ways(ax, path, t, plane):
    """The ways of the means up to iteration t; `plane` maps rows to two columns."""
    way = np.array([plane(mixture.means) for mixture in path[: t + 1]])
    for k in range(3):
        ax.plot(*way[:, k].T, color="black", lw=1, zorder=4)
        ax.plot(*way[-1, k], "o", color=COLORS[k], mec="black", ms=8, zorder=4)
    ax.set_title(f"iteration {t}")


figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey=True)
for ax, t in zip(axes.ravel(), (0, 1, 3, 8, 15, LAST), strict=True):
    blend = path[t].responsibilities(X) @ COLORS
    ax.scatter(*pca.transform(X).T, c=blend, s=18, linewidths=0)
    ways(ax, path, t, pca.transform)
figure.supxlabel("first principal component")
figure.supylabel("second")
plt.show()

# %%
# As a film
# ---------
#
# ``em.animate`` plays a record: as a page with a player, a GIF or a video (:doc:`/motion`).


class Film:
    """A player inside this page."""

    def __init__(self, record, rows, **options):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "em.html"
            em.animate(record, rows, file, **options)
            self.page = file.read_text(encoding="utf-8")

    def _repr_html_(self):
        return f'<iframe class="film" title="EM" srcdoc="{html.escape(self.page)}"></iframe>'


Film(record, X)

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
# The same with the petals alone, where nothing is projected and ``em.plot`` draws the components
# as what they are: ellipses of one, two and three standard deviations.

petals = X[:, 2:]
record2 = recorded(petals)
path2 = record2.best.mixtures
trace2 = np.array([mixture.log_density(petals).sum() for mixture in path2])
print("log-likelihood after 1, 5, 20, 40 iterations:", trace2[[1, 5, 20, 40]].round(3))
assert (np.diff(trace2) > -1e-6).all()

figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey=True)
for ax, t in zip(axes.ravel(), (0, 1, 3, 8, 15, LAST), strict=True):
    em.plot(path2[t], petals, ax=ax)
    ax.get_legend().remove()
    ways(ax, path2, t, np.asarray)
    ax.set(xlabel="", ylabel="", xlim=(0.4, 7.6), ylim=(-0.2, 2.9))
figure.supxlabel(names[2])
figure.supylabel(names[3])
plt.show()

# %%

Film(record2, petals)

# %%
# Beside scikit-learn
# -------------------
#
# From the same start the same numbers, in every iteration and for both tables.

for rows, mixtures in ((X, path), (petals, path2)):
    apart = 0.0
    for t in (1, 2, 5, 10, 20, LAST):
        peer = GaussianMixture(3, max_iter=t, **SETTINGS).fit(rows)
        apart = max(apart, np.abs(peer.means_ - mixtures[t].means).max())
        apart = max(apart, np.abs(peer.covariances_ - mixtures[t].covariances()).max())
    print(f"{rows.shape[1]} features: largest difference of means and covariances {apart:.1e}")
    assert apart < 1e-9

# sphinx_gallery_thumbnail_number = 2
