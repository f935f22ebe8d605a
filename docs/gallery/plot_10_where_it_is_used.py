r"""
Where mixtures are used: images, markets, anomalies
===================================================

Three tasks, one model. Each begins with rows of numbers and ends with a decision.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_sample_image
from sklearn.metrics import adjusted_rand_score

import ellimix as em

warnings.simplefilter("ignore", em.FitWarning)  # searches tell of close runners-up; so do notes

# %%
# Image segmentation
# ------------------
#
# A picture is a table: a row for each pixel, and three columns for red, green and blue. Pixels of
# one object have similar colours, and colours of one object vary together, with the light: along
# an ellipsoid, not within a ball. Five thousand random pixels are enough to fit the mixture; then
# all 273,280 are assigned.

image = load_sample_image("flower.jpg") / 255.0
pixels = image.reshape(-1, 3)
sample = pixels[np.random.default_rng(0).choice(len(pixels), 5000, replace=False)]

models = {k: em.GaussianMixture(k, order="weight", random_state=0).fit(sample) for k in (3, 8)}
segments = {k: model.predict(pixels).reshape(image.shape[:2]) for k, model in models.items()}

figure, axes = plt.subplots(1, 3, figsize=(11, 2.8))
axes[0].imshow(image)
axes[0].set_title(f"{len(np.unique(pixels, axis=0)):,} colours")
for ax, k in zip(axes[1:], (3, 8), strict=True):
    ax.imshow(models[k].means_.clip(0.0, 1.0)[segments[k]])
    ax.set_title(f"{k} segments, in their mean colours")
for ax in axes:
    ax.axis("off")
plt.show()

# %%
# With three components one is the blossom's. Its responsibility is a soft mask, with which the
# blossom can be cut out, edges included.

blossom = int(models[3].means_[:, 0].argmax())  # the reddest
mask = models[3].predict_proba(pixels)[:, blossom].reshape(image.shape[:2])
figure, axes = plt.subplots(1, 2, figsize=(8, 3))
axes[0].imshow(mask, cmap="gray")
axes[0].set_title("responsibility of the blossom")
axes[1].imshow(image * mask[..., None] + (1.0 - mask[..., None]))
axes[1].set_title("cut out")
for ax in axes:
    ax.axis("off")
plt.show()

print(f"The blossom has {mask.mean():.1%} of the picture.")
assert 0.17 < mask.mean() < 0.22
assert mask[150:250, 180:230].mean() > 0.9 and mask[:60, :100].mean() < 0.05

# %%
# Market segmentation
# -------------------
#
# A shop knows of 600 customers how often they buy in a year, what they spend each time, and how
# many days ago they were last seen. These are made up, in three kinds: regulars, rare buyers of
# expensive things, and those who are on their way out. Counts and amounts are skewed, so their
# logarithms are modelled: on that scale a factor is a step of the same size everywhere.

rng = np.random.default_rng(7)
kinds = {  # how many, log2 of orders a year, euros an order, days since
    "regular": (300, [4.0, 5.0, 3.5], [0.8, 0.7, 1.0]),
    "occasion": (180, [1.2, 7.3, 5.5], [0.7, 0.9, 1.0]),
    "leaving": (120, [2.5, 5.0, 7.5], [0.9, 0.8, 0.6]),
}
truth = np.repeat(np.arange(3), [n for n, _, _ in kinds.values()])
logs = np.concatenate([rng.normal(mean, sd, (n, 3)) for n, mean, sd in kinds.values()])
columns = ("orders a year", "euros an order", "days since")

table = pd.DataFrame(logs, columns=["log2 orders", "log2 euros", "log2 days"])
search = em.select(table, n_components=range(1, 7))
segmentation = search.best_
search.summary()

# %%
# The search finds three segments, and the summary says what it chose among, how certain the
# customers' segments are, and where the segments lie. A segment is described by its means, back
# in the columns' own units, and by its share of the customers. The profile draws the means over
# the columns, with bands of one standard deviation; thin lines are customers.

print(f"{'segment':8}{'share':>8}" + "".join(f"{name:>17}" for name in columns))
for k in range(segmentation.n_components_):
    values = "".join(f"{value:17.1f}" for value in 2.0 ** segmentation.means_[k])
    print(f"{k:<8}{segmentation.weights_[k]:8.0%}{values}")

em.plot(segmentation, table, kind="profile", units="original")
plt.show()

labels = segmentation.predict(table)
agreement = adjusted_rand_score(truth, labels)
print(f"adjusted Rand index with the truth: {agreement:.3f}")
assert segmentation.n_components_ == 3 and agreement > 0.85

# %%
# A responsibility says how sure an assignment is. A letter to those on the way out should go to
# whoever is probably among them, and a person may decide about those between.

r = segmentation.predict_proba(table)
unsure = r.max(axis=1) < 0.9
print(f"{unsure.sum()} of {len(logs)} customers belong to no segment with 90 % certainty")
assert 10 < unsure.sum() < 90

em.plot(segmentation, table, kind="uncertainty")
plt.show()

# %%
# Anomaly detection
# -----------------
#
# A density says how usual a row is. Fit it to rows that are as they should be, and set a
# threshold on the log-density: here such that 1 % of those rows fall below. What is rarer than
# that is reported. The mixture knows that Old Faithful has two kinds of eruption: a short one
# after which one waits long is an anomaly, though each of its two numbers is common.

X, names = em.datasets.faithful()
usual = em.select(X[:200]).best_
threshold = np.quantile(usual.score_samples(X[:200]), 0.01)

low, high = X.min(axis=0), X.max(axis=0)
strange = np.random.default_rng(0).uniform(low, high, (300, 2))  # any duration, any wait
new = X[200:]
alarms = (usual.score_samples(new) < threshold).mean()
found = (usual.score_samples(strange) < threshold).mean()
print(
    f"reported: {alarms:.1%} of {len(new)} new eruptions (false alarms),"
    f" {found:.1%} of the rows from anywhere"
)
print(
    "log-density of a 2-minute eruption and a 90-minute wait:", usual.score_samples([[2.0, 90.0]])
)
assert alarms < 0.06 and found > 0.45
assert usual.score_samples([[2.0, 90.0]])[0] < threshold

# %%

a, b = np.meshgrid(np.linspace(1.0, 5.8, 200), np.linspace(34.0, 102.0, 200))
log_density = usual.score_samples(np.column_stack([a.ravel(), b.ravel()])).reshape(a.shape)
below = usual.score_samples(strange) < threshold

display = em.plot(usual, X, kind="density")
ax = display.ax_
ax.contour(a, b, log_density, levels=[threshold], colors="#D55E00", linestyles="-", zorder=4)
ax.scatter(*strange[below].T, s=14, color="#D55E00", marker="x", lw=1, label="reported", zorder=4)
ax.scatter(*strange[~below].T, s=12, color="#E69F00", lw=0, label="strange, not reported", zorder=4)
ax.set(xlabel=names[0], ylabel=names[1], title="inside the orange lines: usual")
ax.legend(loc="lower right", frameon=True)
plt.show()

# %%
# That needs rows that are known to be good. Where the junk is in the table already, give it a
# component of its own: with ``noise=True`` a uniform density takes the rows that belong to no
# group, and labels them -1.

mixed = np.concatenate([X, strange[:60]])
noisy = em.GaussianMixture(2, noise=True, random_state=0).fit(mixed)
junk = noisy.labels_ == -1
print(f"noise: {junk[272:].sum()} of the 60 strange rows, {junk[:272].sum()} of the 272 eruptions")
assert junk[272:].sum() > 40 and junk[:272].sum() < 30

# sphinx_gallery_thumbnail_number = 1
