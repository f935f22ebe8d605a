r"""
Bayesian estimation of a mean
=============================

A normal distribution with a known spread has one unknown, its mean :math:`\mu`. Before any data,
a **prior** says what is believed of it. The **likelihood** says how well each value of
:math:`\mu` explains the rows. Bayes' rule multiplies the two into the **posterior**,

.. math::
   p(\mu \mid x) \propto p(x \mid \mu)\; p(\mu).

With a normal prior :math:`\mathcal{N}(m_0, s_0^2)` and rows with variance :math:`\sigma^2` the
posterior is normal again. Precisions, the inverse variances, add; and the mean is the average of
the prior's and the rows', weighted by precision:

.. math::
   \frac{1}{s_n^2} = \frac{1}{s_0^2} + \frac{n}{\sigma^2}, \qquad
   m_n = s_n^2 \left( \frac{m_0}{s_0^2} + \frac{n \bar{x}}{\sigma^2} \right).

Here: how many minutes does one wait for the next eruption of Old Faithful? A guide has said
"about an hour", and we take that as 60, give or take 5 minutes. Single waits vary by 13.5
minutes.
"""

import matplotlib.pyplot as plt
import numpy as np

import ellimix as em

X, names = em.datasets.faithful()
waits = X[:, 1]
sigma = 13.5
prior = em.bayes.NormalMean(location=60.0, variance=5.0**2, noise_variance=sigma**2)

# %%
# Ten waits
# ---------

posterior = prior.update(waits[:10])
precision = 1.0 / 5.0**2 + 10.0 / sigma**2
by_hand = (60.0 / 5.0**2 + waits[:10].sum() / sigma**2) / precision
print(f"mean of the ten rows {waits[:10].mean():.2f}")
print(f"posterior {posterior.location:.2f}, give or take {posterior.variance**0.5:.2f}")
assert np.isclose(posterior.location, by_hand) and np.isclose(posterior.variance, 1.0 / precision)

# %%
# The likelihood is centred at the mean of the rows, the prior at 60, and the posterior lies
# between. It is narrower than both: two sources of knowledge are better than one.

(axis,) = em.plots.posterior_plot(prior, posterior, waits[:10])
axis.set_xlabel("mean wait (minutes)")
plt.show()

# %%
# MAP against maximum likelihood
# ------------------------------
#
# Two estimates are single numbers. **Maximum likelihood** takes the top of the likelihood, the
# mean of the rows. **Maximum a posteriori**, MAP, takes the top of the posterior. With few rows
# they differ: the prior pulls towards 60. With many the rows outweigh any prior that does not
# exclude them.

sizes = np.unique(np.geomspace(1, len(waits), 40).astype(int))
likely = np.array([waits[:n].mean() for n in sizes])
states = [prior.update(waits[:n]) for n in sizes]
probable = np.array([state.map().mean for state in states])
low, high = np.array([state.interval(0.95).mean for state in states]).T

figure, ax = plt.subplots(figsize=(7, 4))
ax.fill_between(sizes, low, high, color="#0072B2", alpha=0.15, label="95 % credible interval")
ax.plot(sizes, likely, "o-", ms=3, color="#D55E00", label="maximum likelihood")
ax.plot(sizes, probable, "o-", ms=3, color="#0072B2", label="MAP")
ax.axhline(60.0, color="0.5", ls=":", label="the guide's word")
ax.set(xscale="log", xlabel="waits seen", ylabel="mean wait (minutes)")
ax.legend()
plt.show()

print(f"after 1 wait:    ML {likely[0]:.2f}, MAP {probable[0]:.2f}")
print(f"after 272 waits: ML {likely[-1]:.2f}, MAP {probable[-1]:.2f}")
assert abs(likely[0] - probable[0]) > 10.0 and abs(likely[-1] - probable[-1]) < 0.4

# %%
# Batch by batch
# --------------
#
# The posterior of today is the prior of tomorrow: both are the same record, and ``update`` gives
# a new one. After each batch the curve moves and narrows. However the rows are cut, the end is
# the same.

grid = np.linspace(50.0, 80.0, 600)
known, cuts = prior, [0, 1, 4, 12, 40, 120, 272]
figure, ax = plt.subplots(figsize=(7, 4))
ax.plot(grid, np.exp(known.log_density(grid)), color="0.5", ls=":", label="prior")
shades = plt.get_cmap("viridis_r")(np.linspace(0.1, 1.0, len(cuts) - 1))
for begin, end, shade in zip(cuts, cuts[1:], shades, strict=False):
    known = known.update(waits[begin:end])
    ax.plot(grid, np.exp(known.log_density(grid)), color=shade, label=f"{end} waits")
ax.set(xlabel="mean wait (minutes)", ylabel="density")
ax.legend(title="after")
plt.show()

at_once = prior.update(waits)
assert np.isclose(known.location, at_once.location, rtol=1e-12)
assert np.isclose(known.variance, at_once.variance, rtol=1e-12)

# %%
# The next wait
# -------------
#
# A posterior also predicts. The next wait varies about a mean that is itself uncertain, so the
# variances add. After ten waits:

ahead = posterior.predictive()
print(f"the next wait: {ahead.mean():.1f}, give or take {ahead.std():.1f} minutes")
print(f"longer than 90 minutes with probability {ahead.sf(90.0):.3f}")
assert np.isclose(ahead.var(), sigma**2 + posterior.variance)

# %%
# And the spread is rarely known. :class:`ellimix.bayes.Normal` estimates mean and variance
# together; :doc:`/normal` goes on from here.

both = em.bayes.Normal(location=60.0, kappa=1.0, degrees=3.0, scale=3 * 10.0**2)
axes = em.plots.posterior_plot(both, both.update(waits[:20]), waits[:20])
plt.show()

# sphinx_gallery_thumbnail_number = 3
