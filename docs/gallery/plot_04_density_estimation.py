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
from sklearn.model_selection import KFold, cross_val_score

import ellimix as em

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

new, _ = many.sample(400)
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharex=True, sharey=True)
em.plot(many, X, kind="density", ax=axes[0])
axes[0].set_title("200 rows, and the density")
axes[1].scatter(*new.T, s=8, color="#D55E00", linewidths=0)
axes[1].set_title("400 new points")
plt.show()

# %%

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
# exist. Cross-validation asks directly: fit to nine tenths of the rows, and take the mean
# log-density of the tenth that was left out. It is drawn times -2n, on the scale of the other
# two.

sizes = np.arange(1, 21)
options = {"n_init": 3, "random_state": 0}
fits = [em.GaussianMixture(k, **options).fit(X) for k in sizes]
aic, bic = np.array([[fit.aic(X), fit.bic(X)] for fit in fits]).T
folds = KFold(10, shuffle=True, random_state=0)
held_out = np.array(
    [cross_val_score(em.GaussianMixture(k, **options), X, cv=folds).mean() for k in sizes]
)

figure, ax = plt.subplots(figsize=(7, 4))
ax.plot(sizes, bic, "o-", ms=4, label="BIC")
ax.plot(sizes, aic, "o-", ms=4, label="AIC")
ax.plot(sizes, -2.0 * len(X) * held_out, "o-", ms=4, label="-2 held-out log-likelihood")
ax.set(xlabel="components", ylabel="smaller is better", xticks=sizes[::2], ylim=(200, 850))
ax.legend()
plt.show()

chosen = {
    "BIC": int(sizes[bic.argmin()]),
    "AIC": int(sizes[aic.argmin()]),
    "cross-validation": int(sizes[held_out.argmax()]),
}
print(chosen)
assert chosen["BIC"] < chosen["AIC"]
assert (
    6 <= chosen["BIC"] <= 8 and 8 <= chosen["AIC"] <= 14 and 6 <= chosen["cross-validation"] <= 10
)

# %%
# The three agree that two are too few. Beyond some ten components AIC is nearly flat while the
# held-out likelihood gets worse: a component of a dozen rows fits them better than the next
# dozen. Where it matters, hold rows out. ``em.select(X, criterion="cv")`` does that for all
# families.

assert aic[15] - aic.min() < 40.0 and held_out[15] < held_out.max() - 0.1

# sphinx_gallery_thumbnail_number = 2
