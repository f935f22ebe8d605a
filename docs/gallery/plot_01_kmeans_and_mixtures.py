r"""
k-means and mixtures
====================

k-means puts a row into the cluster whose center is nearest. It has no idea of a cluster's size or
shape: each is a ball, and all balls are alike. This page shows where that is good enough, and
what a mixture of Gaussians does where it is not.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

import ellimix as em

# %%
# Round blobs
# -----------
#
# Four blobs of the same spread are what k-means is made for. A circle reaches the farthest row of
# each of its clusters; a mixture's ellipses are those of one, two and three standard deviations.

X, truth = make_blobs(400, centers=4, cluster_std=0.60, random_state=0)
kmeans = KMeans(4, n_init=10, random_state=0).fit(X)
mixture = em.GaussianMixture(4, random_state=0).fit(X)


def compare(rows, kmeans, mixture):
    """k-means beside a mixture."""
    em.plot(mixture, rows, kind="kmeans_comparison", kmeans=kmeans)
    plt.show()


compare(X, kmeans, mixture)

# %%
# Both find the blobs. The adjusted Rand index is 1 where two groupings are the same, and about 0
# where they have nothing in common.

by_kmeans = adjusted_rand_score(truth, kmeans.labels_)
by_mixture = adjusted_rand_score(truth, mixture.labels_)
print(f"agreement with the truth: k-means {by_kmeans:.3f}, mixture {by_mixture:.3f}")
assert by_kmeans > 0.98 and by_mixture > 0.98

# %%
# The same blobs, stretched
# -------------------------
#
# Multiply the rows by a matrix. Nothing is lost: the blobs lie as far apart as before, in another
# coordinate system, as happens when columns have different units or are correlated.

stretched = X @ np.random.RandomState(13).randn(2, 2)
kmeans = KMeans(4, n_init=10, random_state=0).fit(stretched)
mixture = em.GaussianMixture(4, init_params="hierarchical").fit(stretched)
compare(stretched, kmeans, mixture)

# %%
# k-means cuts across the long blobs, because it measures all distances alike. A component of the
# mixture has a covariance :math:`\Sigma_k` of its own, and measures
#
# .. math::
#    (x - \mu_k)^\top \Sigma_k^{-1} (x - \mu_k),
#
# in which a step along the blob counts little and one across it much.

by_kmeans = adjusted_rand_score(truth, kmeans.labels_)
by_mixture = adjusted_rand_score(truth, mixture.labels_)
print(f"agreement with the truth: k-means {by_kmeans:.3f}, mixture {by_mixture:.3f}")
assert by_kmeans < 0.7 and by_mixture > 0.98

# %%
# The start matters
# -----------------
#
# By default a fit starts from k-means, here from the wrong groups, and EM climbs to the nearest
# maximum of the likelihood. One that shares a blob between two components is such a maximum, too:

stuck = em.GaussianMixture(4, random_state=0).fit(stretched)
print(f"from k-means:      {stuck.score(stretched):.4f} nats a row")
print(f"from hierarchical: {mixture.score(stretched):.4f} nats a row")
assert stuck.score(stretched) < mixture.score(stretched) - 0.1

# %%
# ``init_params="hierarchical"`` merges rows step by step under covariances of their own, and so
# sees long clusters. Several random starts (``n_init=10``, ``init_params="k-means++"``) also
# help, and ``em.select`` tries many starts by itself: see :doc:`/choosing`.
#
# The likelihood does not mind the stretching: with the same grouping it changes by the logarithm
# of the matrix's determinant, row for row.

volume = np.log(abs(np.linalg.det(np.random.RandomState(13).randn(2, 2))))
round_fit = em.GaussianMixture(4, reg_covar=0.0, init_params=truth, tol=1e-9).fit(X)
long_fit = em.GaussianMixture(4, reg_covar=0.0, init_params=truth, tol=1e-9).fit(stretched)
print(f"{round_fit.score(X) - volume:.6f} = {long_fit.score(stretched):.6f}")
assert np.isclose(round_fit.score(X) - volume, long_fit.score(stretched), atol=1e-9)

# %%
# k-means is the limit of a mixture
# ---------------------------------
#
# Fix all covariances at the same tiny ball and all weights at 1/4, and the responsibilities
# become 0 and 1: EM is then k-means. So a mixture takes nothing away from k-means; it adds sizes,
# shapes, and doubt.

ball = em.GaussianMixture(
    4,
    covariance_type="EII",
    equal_weights=True,
    fix={"covariances": True},
    means_init=kmeans.cluster_centers_,
    precisions_init=np.full(4, 1e4),
).fit(stretched)
assert np.allclose(ball.means_, kmeans.cluster_centers_, atol=1e-2)
print(f"the same groups: {adjusted_rand_score(kmeans.labels_, ball.labels_):.3f}")
assert adjusted_rand_score(kmeans.labels_, ball.labels_) > 0.98

# sphinx_gallery_thumbnail_number = 2
