r"""
The covariance families
=======================

A covariance matrix is an ellipsoid: a volume, a shape and an orientation. Banfield and Raftery,
and Celeux and Govaert, write it as

.. math::
   \Sigma_k = \lambda_k\, D_k\, A_k\, D_k^\top,

with the volume :math:`\lambda_k = |\Sigma_k|^{1/d}`, the shape :math:`A_k`, a diagonal matrix
with determinant 1, and the axes :math:`D_k`, an orthogonal matrix. Each of the three may be
**E**\ qual in all components, or **V**\ ary; shape or axes may be the **I**\ dentity: balls, or
axes along the features. That makes 14 families, each named by three letters for volume, shape and
orientation.
"""

import matplotlib.pyplot as plt
import numpy as np

import ellimix as em

# %%
# What the letters allow
# ----------------------
#
# Three components of each family, as unlike each other as it lets them be. scikit-learn has four
# of the families, under the names in brackets.

em.plot("VEV", kind="covariance")
plt.show()

# %%
# All fourteen on one data set
# ----------------------------
#
# Three groups that differ in everything: a small ball, a long one, and a wide one that is turned.
# Each family is fitted from the true labels, so that differences are those of the families and
# not of the start.

truth = em.Mixture.from_parameters(
    [0.25, 0.35, 0.4],
    [[-4.0, 3.0], [0.0, -1.5], [4.5, 2.5]],
    [
        [[0.35, 0.0], [0.0, 0.35]],
        [[4.0, 0.0], [0.0, 0.25]],
        [[1.6, 1.3], [1.3, 1.8]],
    ],
)
X, labels = truth.sample(600, 0)
fits = {
    name: em.GaussianMixture(
        3, covariance_type=name, init_params=labels, reg_covar=0.0, tol=1e-8, max_iter=1000
    ).fit(X)
    for name in em.FAMILIES
}

figure, axes = plt.subplots(4, 4, figsize=(12, 10.5), sharex=True, sharey=True)
axes = axes.ravel()
for ax, (name, model) in zip(axes, fits.items(), strict=False):
    em.plot(model, X, ax=ax)
    ax.get_legend().remove()
    ax.set(xlabel="", ylabel="", xlim=(-9.5, 10), ylim=(-7, 8.5))
    ax.set_title(f"{name}: {model.n_parameters_} parameters, BIC {model.bic(X):.0f}", size=10)
for ax in axes[14:]:
    ax.axis("off")
plt.show()

# %%
# What the letters say, in words, with the number of parameters of the covariances alone for these
# 3 components in 2 dimensions and for 5 in 10. scikit-learn has four of the families, under the
# names on the right.

aliases = {family: name for name, family in em.covariance.ALIASES.items()}
for name, family in em.FAMILIES.items():
    few, more = family.n_parameters(3, 2), family.n_parameters(5, 10)
    print(f"{name} {family.words:67} {few:3} {more:4}  {aliases.get(name, '')}")

# %%
# Equal means equal
# -----------------
#
# Two of the fits, taken apart: on the left the ellipses about one center, then the volumes, and
# below the shapes and the angles between the longest axes. VEV lets volumes and angles vary, and
# has one shape.

em.plot(fits["VEV"], kind="covariance")
plt.show()

# %%
# VVE has one pair of axes for all: two ellipses that are long along different ones of them stand
# at right angles.

em.plot(fits["VVE"], kind="covariance")
plt.show()

# %%
# And for all 14, read off the fitted covariances:


def parts(covariances):
    """Volumes (k,), shapes (k, d) and angles of the longest axes (k,)."""
    values, vectors = np.linalg.eigh(covariances)
    volume = np.linalg.det(covariances) ** (1.0 / covariances.shape[-1])
    angle = np.arctan2(vectors[:, 1, -1], vectors[:, 0, -1]) % np.pi
    return volume, values / volume[:, None], angle


for name, model in fits.items():
    volume, shape, angle = parts(model.mixture_.covariances())
    assert np.allclose(volume, volume[0]) == (name[0] == "E"), name
    assert np.allclose(shape, shape[0]) == (name[1] in "EI"), name
    if name[1] == "I":
        assert np.allclose(shape, 1.0)
    elif name[2] == "I":
        assert np.allclose(np.sin(2.0 * angle), 0.0)
    elif name[2] == "E":
        # the same pair of axes, though not the same one need be the longest
        assert np.allclose(np.sin(2.0 * (angle - angle[0])), 0.0, atol=1e-6)
print("The letters hold for all 14 fits.")

# %%
# Freer families fit better, and cost more
# ----------------------------------------
#
# A family that contains another has a likelihood at least as high. What it costs is parameters,
# which BIC weighs against that.

order = sorted(fits, key=lambda name: fits[name].n_parameters_)
likelihood = np.array([fits[name].score(X) * len(X) for name in order])
bic = np.array([fits[name].bic(X) for name in order])

figure, axes = plt.subplots(1, 2, figsize=(11, 3.6))
ticks = [f"{name}\n{fits[name].n_parameters_}" for name in order]
axes[0].plot(ticks, likelihood, "o")
axes[0].set_ylabel("log-likelihood (nats)")
axes[1].plot(ticks, bic, "o", color="#D55E00")
axes[1].plot([bic.argmin()], [bic.min()], "o", ms=14, mfc="none", color="black")
axes[1].set_ylabel("BIC (smaller is better)")
for ax in axes:
    ax.tick_params("x", labelsize=8)
    ax.set_xlabel("family, and number of parameters")
plt.show()

inside = ["EII", "EEI", "EEE", "VEE", "VVE", "VVV"]  # each contains the one before
along = [fits[name].score(X) for name in inside]
print("BIC chooses", order[bic.argmin()])
assert (np.diff(along) > 0.0).all()
assert order[bic.argmin()] == "VVV"

# %%
# Here the truth is VVV, and 600 rows are enough to see it. With 60, BIC takes a family with fewer
# parameters that is nearly as good: a wrong model that is estimated well beats a right one that
# is not.

few, few_labels = truth.sample(60, 3)
small = em.select(few, n_components=range(1, 6))
em.plot(small, kind="selection", criterion="bic")
plt.show()
assert small.best_params_["n_components"] == 3
assert em.FAMILIES[small.best_params_["covariance_type"]].n_parameters(3, 2) < 9

# %%
# ``em.select`` compares all 14, with many starts each: :doc:`/choosing` says how to choose.

# sphinx_gallery_thumbnail_number = 2
