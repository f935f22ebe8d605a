r"""
Density estimation
==================

A mixture need not find groups. With enough components it is a smooth density of almost any form,
from which one can draw, and with which one can say how usual a new row is. Two half moons are no
Gaussians; sixteen Gaussians trace them well.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

import ellimix as em
from ellimix.selection.criteria import order, values

warnings.simplefilter("ignore", em.FitWarning)  # small components, which here are what is wanted
X, moon = make_moons(200, noise=0.05, random_state=0)

# %%
# Two components, and sixteen
# ---------------------------

two = em.GaussianMixture(2, random_state=0).fit(X)
many = em.GaussianMixture(16, random_state=0).fit(X)

figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharex=True, sharey=True)
for ax, model in zip(axes, (two, many), strict=True):
    em.plot(model, X, ax=ax)
    ax.get_legend().remove()
plt.show()

gain = (many.score(X) - two.score(X)) * len(X)
print(f"log-likelihood: {gain:.1f} nats more with sixteen")
assert gain > 200.0

# %%
# As two clusters the moons are cut wrongly: a half circle is no ellipse. As a density the sixteen
# together are right, though none of them is a group. (To get the groups back, merge components:
# :doc:`/combining`.)

right = max((two.labels_ == moon).mean(), (two.labels_ != moon).mean())
print(f"rows in the right moon with two components: {right:.0%}")
assert right < 0.95

# %%
# New points
# ----------
#
# A density can be drawn from: 400 new points, which lie where the rows do.

em.plot(many, X, kind="samples", n=400)
plt.show()

# %%
# The density itself, in contours of its logarithm: from one to the next a factor e.

em.plot(many, X, kind="density")
plt.show()

# %%
# It sums to one, and new points lie near rows that were seen.

new, _ = many.sample(400)
a, b = np.meshgrid(np.linspace(-1.6, 2.6, 250), np.linspace(-1.1, 1.6, 250))
log_density = many.score_samples(np.column_stack([a.ravel(), b.ravel()])).reshape(a.shape)

area = (a[0, 1] - a[0, 0]) * (b[1, 0] - b[0, 0])
nearest = np.linalg.norm(new[:, None] - X, axis=2).min(axis=1)
print(f"the density sums to {np.exp(log_density).sum() * area:.3f}")
print(f"median distance of a new point to the nearest row: {np.median(nearest):.3f}")
assert abs(np.exp(log_density).sum() * area - 1.0) < 0.02
assert new.shape == (400, 2) and np.median(nearest) < 0.1

# %%
# How many?
# ---------
#
# For a density the question is how well it predicts. AIC estimates that from the fit to the rows
# themselves; BIC charges more, and asks for the true number of components, which here does not
# exist. Cross-validation asks directly: fit to nine tenths of the rows, and take the log-density
# of the tenth that was left out. It is drawn times -2, on the scale of the other two.
# ``em.select(X, criterion="cv")`` computes all three.

search = em.select(X, families="VVV", n_components=range(1, 21), criterion="cv")
em.plot(search, kind="selection", criterion=("cv", "aic", "bic"))
plt.show()

chosen = {
    name: search.cells_[order(search.cells_, name)[0]].n_components for name in ("bic", "aic", "cv")
}
print(chosen)
assert chosen["bic"] < chosen["aic"]
assert 6 <= chosen["bic"] <= 8 and 8 <= chosen["aic"] <= 14 and 6 <= chosen["cv"] <= 10

# %%
# The three agree that two are too few. Beyond some ten components AIC is nearly flat while the
# held-out likelihood gets worse: a component of a dozen rows fits them better than the next
# dozen. From fifteen on all fits have components of some six rows that lie along a line by chance:
# the search marks such fits (hollow) and does not choose them. Where it matters, hold rows out.

aic, cv = (values(search.cells_, name) for name in ("aic", "cv"))  # by the number of components
assert aic[12] - aic.min() < 40.0 and cv[12] - np.nanmin(cv) > 0.1 * len(X)
assert not any(cell.ok for cell in search.cells_[14:])

# sphinx_gallery_thumbnail_number = 3
