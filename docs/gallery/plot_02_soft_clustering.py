r"""
Soft clustering
===============

A mixture does not only say which group a row belongs to, but how sure that is. The probability
that row i came from component k is its **responsibility**,

.. math::
   r_{ik} = \frac{\pi_k\, \mathcal{N}(x_i \mid \mu_k, \Sigma_k)}
                 {\sum_l \pi_l\, \mathcal{N}(x_i \mid \mu_l, \Sigma_l)},

which ``predict_proba`` returns. ``predict`` is the component with the largest.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

import ellimix as em

X, _ = make_blobs(300, centers=4, cluster_std=0.60, random_state=0)
model = em.GaussianMixture(4, order="weight", random_state=0).fit(X)
r = model.predict_proba(X)
print(r[:5].round(3))
assert r.shape == (300, 4) and np.allclose(r.sum(axis=1), 1.0)
assert (r.argmax(axis=1) == model.predict(X)).all()

# %%
# Sizes by certainty
# ------------------
#
# Let a point's size show the square of its largest responsibility. Nearly all rows are certain;
# the small points lie between two groups, where a hard label would hide the doubt.

certainty = r.max(axis=1)
doubtful = certainty < 0.99
colors = np.array(
    [[0.0, 0.447, 0.698], [0.902, 0.624, 0.0], [0.0, 0.62, 0.451], [0.835, 0.369, 0.0]]
)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharex=True, sharey=True)
axes[0].scatter(*X.T, c=colors[model.labels_], s=40 * certainty**2, linewidths=0)
axes[0].set_title("size: certainty squared")
axes[1].scatter(*X.T, c=r @ colors, s=12, linewidths=0, alpha=0.5)
axes[1].scatter(*X[doubtful].T, c=r[doubtful] @ colors, s=60, edgecolors="black")
axes[1].set_title("blended colours; rings: below 99 %")
plt.show()

print(f"{doubtful.sum()} of {len(X)} rows have no component with 99 %")
for i in np.argsort(certainty)[:3]:
    print("doubtful row:", X[i].round(2), r[i].round(2))
assert 3 <= doubtful.sum() <= 20 and certainty.min() < 0.75

# %%
# How much doubt there is
# -----------------------
#
# The entropy :math:`-\sum_{ik} r_{ik} \log r_{ik}` is 0 where all rows are certain, and log 4 a
# row where nothing is known. Labels forget it: counted by labels a component has a whole number
# of rows, and by responsibilities as many as its weight says.

entropy = -(r * np.log(np.maximum(r, 1e-300))).sum()
print(f"entropy {entropy:.2f} nats, {entropy / len(X):.3f} a row; at most {np.log(4):.3f}")
print("rows by responsibility:", r.sum(axis=0).round(2), " by label:", np.bincount(model.labels_))
assert 0.0 < entropy / len(X) < 0.1
assert np.allclose(r.sum(axis=0), model.weights_ * len(X), atol=0.5)

# %%
# How many components?
# --------------------
#
# More components never explain the rows worse, so the likelihood cannot say how many there are.
# Criteria charge for parameters. With p parameters and n rows,
#
# .. math::
#    \mathrm{AIC} = -2 \log L + 2 p, \qquad \mathrm{BIC} = -2 \log L + p \log n,
#
# and the smaller is the better. Here both choose four.

sizes = np.arange(1, 21)
fits = [em.GaussianMixture(k, random_state=0).fit(X) for k in sizes]
aic, bic = np.array([[fit.aic(X), fit.bic(X)] for fit in fits]).T

figure, ax = plt.subplots(figsize=(7, 3.8))
ax.plot(sizes, bic, "o-", ms=4, label="BIC")
ax.plot(sizes, aic, "o-", ms=4, label="AIC")
ax.axvline(4, color="0.7", ls=":")
ax.set(xlabel="components", ylabel="criterion (smaller is better)", xticks=sizes[::2])
ax.legend()
plt.show()

print(f"BIC chooses {sizes[bic.argmin()]}, AIC {sizes[aic.argmin()]}")
assert sizes[bic.argmin()] == 4 and sizes[aic.argmin()] == 4

# %%
# ``em.select`` compares covariance families at the same time. These blobs are round and of one
# spread, and the search says so: EII.

search = em.select(X)
print(search.compare(top=3))
assert search.best_params_ == {"n_components": 4, "covariance_type": "EII"}

# sphinx_gallery_thumbnail_number = 1
