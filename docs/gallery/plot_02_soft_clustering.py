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
from ellimix.selection.criteria import order

X, _ = make_blobs(300, centers=4, cluster_std=0.60, random_state=0)
model = em.GaussianMixture(4, order="weight", random_state=0).fit(X)
r = model.predict_proba(X)
print(r[:5].round(3))
assert r.shape == (300, 4) and np.allclose(r.sum(axis=1), 1.0)
assert (r.argmax(axis=1) == model.predict(X)).all()

# %%
# Colours and sizes
# -----------------
#
# A picture of a mixture shows both. A point has the colours of the components, blended by its
# responsibilities, and is the smaller the less certain its component is: small points between two
# groups are the rows where a hard label would hide the doubt.

em.plot(model, X)
plt.show()

# %%
# Where the doubt is
# ------------------
#
# A row's uncertainty is 1 minus its largest responsibility. The grey says what a row at each place
# would have: doubt lies along the borders between groups. Nearly all rows are far from those.

em.plot(model, X, kind="uncertainty")
plt.show()

certainty = r.max(axis=1)
doubtful = certainty < 0.99
print(f"{doubtful.sum()} of {len(X)} rows have no component with 99 %")
for i in np.argsort(certainty)[:3]:
    print("doubtful row:", X[i].round(2), r[i].round(2))
assert 3 <= doubtful.sum() <= 20 and certainty.min() < 0.75

# %%
# With blobs twice as wide the doubt is all over. All responsibilities at a glance: a line is a
# row, sorted by its component, and a column a component. Pale lines belong to several.

wide, _ = make_blobs(300, centers=4, cluster_std=1.20, random_state=0)
blurred = em.GaussianMixture(4, order="weight", random_state=0).fit(wide)
em.plot(blurred, wide, kind="responsibilities")
plt.show()

unsure = (blurred.predict_proba(wide).max(axis=1) < 0.99).sum()
print(f"{unsure} of {len(wide)} rows have no component with 99 %")
assert unsure > 5 * doubtful.sum()

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
# and the smaller is the better. Two families of covariances, EII, equal balls, and VVV, in which
# each component has a covariance of its own, with up to twelve components:

two_families = em.select(X, families=["EII", "VVV"], n_components=range(1, 13))
em.plot(two_families, kind="selection", criterion=("bic", "aic"), top=0)
plt.show()

for name in ("bic", "aic"):
    best = two_families.cells_[order(two_families.cells_, name)[0]]
    print(f"{name} chooses {best.family} with {best.n_components} components")
    assert (best.family, best.n_components) == ("EII", 4)

# %%
# Both choose four balls of one size, as which the rows were made. The valley of VVV is flatter in
# AIC, which charges less for the many parameters of a fifth component.
#
# ``em.select`` by itself compares all 14 families. The last panel has the runners-up. Now AIC is
# tempted by a model with seven components: the more models compete, the more does chance help one
# of them. BIC and ICL, which charges for doubt as well, stay with four.

search = em.select(X)
em.plot(search, kind="selection")
plt.show()

print(search.compare(top=3))
assert search.best_params_ == {"n_components": 4, "covariance_type": "EII"}

# sphinx_gallery_thumbnail_number = 1
