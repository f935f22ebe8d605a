r"""
Too many components, and a prior that lets them go
==================================================

Give a mixture ten components where two would do. Maximum likelihood uses all it is given: one
more component always explains the rows a little better. A posterior does not. Each component
costs what it takes to say where it is, and one that explains too little is better left at its
prior, without rows.

The rows are 272 eruptions of Old Faithful: how long each lasted, and the wait for the next.
"""

import matplotlib.pyplot as plt
import numpy as np

import ellimix as em

X, names = em.datasets.faithful()

# %%
# Maximum likelihood uses all ten
# -------------------------------

most = em.GaussianMixture(10, max_iter=1000, random_state=0).fit(X)
print("weights:", np.sort(most.weights_)[::-1].round(3))
assert most.converged_ and most.weights_.min() > 0.01

# %%
# A Dirichlet prior
# -----------------
#
# A Dirichlet distribution is a distribution of weights :math:`\pi`. With the same concentration
# :math:`\alpha` for all K components its density is
#
# .. math::
#    p(\pi) \propto \prod_{k=1}^{K} \pi_k^{\alpha - 1}.
#
# With :math:`\alpha < 1` the density is high where some weights are near 0: the prior expects
# that some components are idle. With a large :math:`\alpha` it expects equal weights. Variational
# Bayes finds the posterior: counts add to the concentration, so that the expected weights are
#
# .. math::
#    \mathrm{E}[\pi_k] = \frac{\alpha + n_k}{K \alpha + n}.

settings = {
    "weight_concentration_prior_type": "dirichlet_distribution",
    "max_iter": 2000,
    "random_state": 0,
}
few = em.BayesianGaussianMixture(10, weight_concentration_prior=0.01, **settings).fit(X)
print("weights:", np.sort(few.weights_)[::-1].round(3))
print("components with rows:", few.n_components_effective_)
assert few.n_components_effective_ == 2
assert np.allclose(np.sort(few.weights_)[-2:], [0.357, 0.643], atol=0.002)

# %%
# Side by side. Components that hold no rows are not drawn.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharex=True, sharey=True)
for ax, model, title in zip(axes, (most, few), ("maximum likelihood", "posterior"), strict=True):
    em.plot(model, X, ax=ax)
    ax.set(title=title, xlabel=names[0], ylabel=names[1])
    ax.get_legend().remove()
plt.show()

# %%
# Weights against the concentration
# ---------------------------------
#
# The prior decides how readily components go. Over eight orders of magnitude: up to about 1, two
# components have all the rows and the others have the weight that the prior gives to none. Then
# the prior's wish for equal weights wins, and all ten are in use.

concentrations = np.geomspace(1e-4, 1e4, 17)


def fits(kind):
    """A fit for each concentration."""
    return [
        em.BayesianGaussianMixture(
            10,
            weight_concentration_prior=c,
            **settings | {"weight_concentration_prior_type": kind},
        ).fit(X)
        for c in concentrations
    ]


found = {kind: fits(kind) for kind in ("dirichlet_distribution", "dirichlet_process")}

figure, axes = plt.subplots(2, 2, figsize=(10, 6), sharex=True, sharey="row")
for column, (kind, models) in zip(axes.T, found.items(), strict=True):
    weights = np.array([np.sort(m.weights_)[::-1] for m in models])
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.95, 10))
    column[0].stackplot(concentrations, weights.T, colors=shades, edgecolor="white", lw=0.5)
    column[0].set(title=kind.replace("_", " "), xscale="log", ylim=(0, 1))
    column[1].plot(concentrations, [m.n_components_effective_ for m in models], "o-")
    column[1].set(xlabel="concentration", ylim=(0, 11))
axes[0, 0].set_ylabel("weights, largest first")
axes[1, 0].set_ylabel("components with rows")
plt.show()

used = [m.n_components_effective_ for m in found["dirichlet_distribution"]]
assert used[0] == used[8] == 2 and used[-1] == 10
assert all(m.n_components_effective_ == 2 for m in found["dirichlet_process"])

# %%
# On the right the prior is a Dirichlet process: the weights come from breaking a stick, and later
# components get what earlier ones leave. Here two components have rows whatever the concentration.
# The process is the default, as in scikit-learn.
#
# Which concentration?
# --------------------
#
# The lower bound of the evidence compares them: the higher, the better this prior foresaw the
# rows.

figure, ax = plt.subplots(figsize=(7, 3.6))
for kind, models in found.items():
    bounds = [m.lower_bound_ * len(X) for m in models]
    ax.plot(concentrations, bounds, "o-", ms=4, label=kind.replace("_", " "))
    best = int(np.argmax(bounds))
    print(f"{kind}: best concentration {concentrations[best]:.3g}, bound {bounds[best]:.1f} nats")
    assert 1e-3 < concentrations[best] < 1.0
ax.set(xscale="log", xlabel="concentration", ylabel="lower bound (nats)", ylim=(-1350, -1170))
ax.legend()
plt.show()

# %%
# A concentration of the process can be estimated too: ``weight_concentration_prior=(shape,
# rate)`` gives it a gamma prior. :doc:`/variational` says more, :doc:`/posterior` how sure one
# can be of what is left.

estimated = em.BayesianGaussianMixture(
    10, weight_concentration_prior=(1.0, 1.0), max_iter=2000, random_state=0
).fit(X)
shape, rate = estimated.process_concentration_
print(f"estimated concentration {shape / rate:.2f}, components {estimated.n_components_effective_}")
assert estimated.n_components_effective_ == 2

# sphinx_gallery_thumbnail_number = 2
