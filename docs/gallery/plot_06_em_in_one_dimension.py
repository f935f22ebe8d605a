r"""
EM step by step in one dimension
================================

A mixture of two normal densities has the density

.. math::
   p(x) = \pi_1\, \mathcal{N}(x \mid \mu_1, \sigma_1^2)
        + \pi_2\, \mathcal{N}(x \mid \mu_2, \sigma_2^2).

If we knew which component each row came from, we would take the mean and the variance of its
rows. If we knew the parameters, we could say how probable each component is for a row. We know
neither. The EM algorithm goes back and forth between the two, and the likelihood rises at every
turn. This page does it by hand, in a dozen lines of NumPy, and then lets
:class:`ellimix.GaussianMixture` do the same.

The data are 200 points of :math:`\mathcal{N}(2, 1^2)` and 600 of :math:`\mathcal{N}(-1, 0.8^2)`.
"""

import html
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import gaussian_kde, norm
from sklearn.exceptions import ConvergenceWarning

import ellimix as em

rng = np.random.RandomState(0)
x = np.concatenate([rng.normal(2.0, 1.0, 200), rng.normal(-1.0, 0.8, 600)])

# %%
# The two steps
# -------------
#
# **E-step.** Given parameters, the responsibility of component k for row i is, by Bayes' rule,
#
# .. math::
#    r_{ik} = \frac{\pi_k\, \mathcal{N}(x_i \mid \mu_k, \sigma_k^2)}
#                  {\sum_l \pi_l\, \mathcal{N}(x_i \mid \mu_l, \sigma_l^2)}.
#
# The logarithm of the denominator, summed over the rows, is the log-likelihood.
#
# **M-step.** Given responsibilities, every row counts for each component by its share:
#
# .. math::
#    n_k = \sum_i r_{ik}, \qquad
#    \pi_k = \frac{n_k}{n}, \qquad
#    \mu_k = \frac{1}{n_k} \sum_i r_{ik}\, x_i, \qquad
#    \sigma_k^2 = \frac{1}{n_k} \sum_i r_{ik}\, (x_i - \mu_k)^2.


def e_step(weights, means, deviations):
    """Responsibilities (n, 2), and the log-likelihood in nats."""
    joint = weights * norm.pdf(x[:, None], means, deviations)
    total = joint.sum(axis=1)
    return joint / total[:, None], np.log(total).sum()


def m_step(r):
    """Weights, means and standard deviations."""
    n = r.sum(axis=0)
    means = (r * x[:, None]).sum(axis=0) / n
    variances = (r * (x[:, None] - means) ** 2).sum(axis=0) / n
    return n / len(x), means, np.sqrt(variances)


# %%
# From a bad start
# ----------------
#
# Both components begin wide, with equal weights, and on the wrong sides of each other's groups.

parameters = (np.array([0.5, 0.5]), np.array([0.0, 0.5]), np.array([1.5, 1.5]))
path, trace, shares = [parameters], [], []
while len(trace) < 2 or trace[-1] - trace[-2] > 1e-6:
    r, log_likelihood = e_step(*parameters)
    parameters = m_step(r)
    shares.append(r)
    trace.append(log_likelihood)
    path.append(parameters)

print("iteration   weights         means           deviations      log-likelihood")
for t in [*range(6), *range(10, len(trace), 30), len(trace) - 1]:
    numbers = "   ".join(f"{a:6.3f} {b:6.3f}" for a, b in path[t])
    print(f"{t:9d}   {numbers}   {trace[t]:12.4f}")

# %%
# The log-likelihood rises at every iteration: fast at first, slowly in the end, as the two groups
# overlap and many rows belong to both. The parameters come to lie near those that made the data.

assert (np.diff(trace) > 0).all()
weights, means, deviations = path[-1]
assert np.allclose(means, [-1.0, 2.0], atol=0.15)
assert np.allclose(weights, [0.75, 0.25], atol=0.04)
assert np.allclose(deviations, [0.8, 1.0], atol=0.15)

# %%
# What happens in between: each point is drawn in the blend of the two colours that its
# responsibilities say, below the current densities.

blue, orange = np.array([0.0, 0.447, 0.698]), np.array([0.902, 0.624, 0.0])
grid = np.linspace(-4.0, 5.5, 500)
moments = [0, 1, 5, 20, 60, len(trace) - 1]
jitter = rng.uniform(-0.055, -0.01, len(x))

figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey=True)
for ax, t in zip(axes.ravel(), moments, strict=True):
    w, m, s = path[t]
    ax.hist(x, bins=40, density=True, color="0.9")
    ax.plot(grid, w[0] * norm.pdf(grid, m[0], s[0]), color=blue)
    ax.plot(grid, w[1] * norm.pdf(grid, m[1], s[1]), color=orange)
    ax.scatter(x, jitter, c=shares[t] @ np.array([blue, orange]), s=5, linewidths=0)
    ax.set_title(f"iteration {t}: log-likelihood {trace[t]:.1f}")
figure.supxlabel("x")
figure.supylabel("density")
plt.show()

# %%
# And how the parameters move:

names = ("weights", "means", "standard deviations")
figure, axes = plt.subplots(1, 3, figsize=(11, 3))
for j, ax in enumerate(axes):
    values = np.array([p[j] for p in path])
    ax.plot(values[:, 0], color=blue, label="component 0")
    ax.plot(values[:, 1], color=orange, label="component 1")
    ax.set(title=names[j], xlabel="iteration", xscale="symlog")
axes[0].legend()
plt.show()

# %%
# The same by the package
# -----------------------
#
# ``GaussianMixture`` from the same start gives the same numbers, iteration by iteration. One
# column has covariances that are variances, one a component: the family ``"V"``. ``tol=0`` asks
# for a given number of iterations, and ``reg_covar=0`` leaves the variances alone. A ``Recorder``
# keeps every iteration.

warnings.simplefilter("ignore", ConvergenceWarning)  # with tol=0 no fit says that it converged
start = path[0]
recorder = em.Recorder()
model = em.GaussianMixture(
    2,
    covariance_type="V",
    weights_init=start[0],
    means_init=start[1][:, None],
    precisions_init=1.0 / start[2] ** 2,
    reg_covar=0.0,
    tol=0.0,
    max_iter=len(trace),
)
model.set_callbacks(recorder).fit(x[:, None])
assert np.allclose(model.weights_, weights, atol=1e-10)
assert np.allclose(model.means_[:, 0], means, atol=1e-10)
assert np.allclose(model.covariances_, deviations**2, atol=1e-10)
largest = np.abs(np.array(model.lower_bounds_) * len(x) - trace).max()
print(f"Largest difference of the log-likelihoods in {len(trace)} iterations: {largest:.1e} nats")
assert largest < 1e-8

# %%
# From the record comes the picture of a fit: the log-likelihood of a row by iteration, and how far
# each mean moves. The steps shrink by nearly the same factor each time, a straight line on this
# axis: EM converges linearly, and the more the groups overlap, the slower.

em.plot(model, kind="convergence")
plt.show()

steps = recorder.record.best.movement().max(axis=1)
print("factors of the last steps:", (steps[-5:] / steps[-6:-1]).round(3))
assert np.ptp(steps[-5:] / steps[-6:-1]) < 0.01

# %%
# And the film of it (:doc:`/motion`).


class Film:
    """A player inside this page."""

    def __init__(self, record, rows):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "em.html"
            em.animate(record, rows, file)
            self.page = file.read_text(encoding="utf-8")

    def _repr_html_(self):
        return f'<iframe class="film" title="EM" srcdoc="{html.escape(self.page)}"></iframe>'


Film(recorder.record, x[:, None])

# %%
# The density, beside a kernel density estimate
# ---------------------------------------------
#
# A kernel density estimate puts a little normal density on every one of the 800 points. The
# mixture has two, and five numbers; where its form is right it is nearer to the truth, which is
# red here.

truth = 0.25 * norm.pdf(grid, 2.0, 1.0) + 0.75 * norm.pdf(grid, -1.0, 0.8)
mixture = np.exp(model.score_samples(grid[:, None]))
kernel = gaussian_kde(x)(grid)

display = em.plot(model, x[:, None], kind="density")
display.ax_.plot(grid, truth, color="red", lw=1, zorder=4)
plt.show()

step = grid[1] - grid[0]
errors = [np.abs(found - truth).sum() * step for found in (mixture, kernel)]
print("Area between estimate and truth: mixture {:.3f}, kernels {:.3f}".format(*errors))
assert errors[0] < errors[1]
assert abs(mixture.sum() * step - 1.0) < 0.01

# sphinx_gallery_thumbnail_number = 1
