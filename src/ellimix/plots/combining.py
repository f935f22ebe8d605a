"""How components were merged into clusters: the entropy by number of clusters, and the tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.cluster.hierarchy import dendrogram

from ellimix.plots.canvas import PALETTE, new_axes, new_row
from ellimix.plots.clusters import style
from ellimix.records import Array
from ellimix.selection.combining import RULES, ClusterTree
from ellimix.selection.combining.elbow import Segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

INK, LEFT, RIGHT, UNMERGED = "0.25", PALETTE[0], PALETTE[1], "0.6"


def entropy_plot(
    tree: ClusterTree,
    *,
    by: Literal["clusters", "rows"] = "clusters",
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw the entropy of the classification against the number of clusters, and its steps.

    On the left the entropy with the two straight lines that fit it best, and a ring about the
    elbow where they meet; on the right what each merge takes off (Baudry et al. 2010). A vertical
    line marks the number of clusters that was chosen: see `ellimix.combine` for when that is not
    the elbow.

    Parameters
    ----------
    tree : ClusterTree
        From `ellimix.combine`, by any rule.
    by : {"clusters", "rows"}, default="clusters"
        Draw against the number of clusters, or against the rows in the merges that are left to do,
        and the steps divided by the rows of each: for merges of very different size.
    axes : two matplotlib Axes, optional
        By default those of a new figure.

    Returns
    -------
    tuple of two Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    ValueError
        `by` is another word, or the tree is of one component, which leaves nothing to draw.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(5, random_state=0).fit(X)
    >>> left, right = em.plots.entropy_plot(model.combine(X))
    >>> left.get_xlabel(), right.get_ylabel()
    ('clusters', 'entropy removed (nats)')
    """
    fit = tree.elbow(by)  # also checks the word
    if tree.n_components == 1:
        raise ValueError("One component has no merges to draw: fit a mixture of two or more.")
    left, right = new_row(2) if axes is None else axes
    x = np.arange(1.0, tree.n_components + 1.0) if by == "clusters" else tree.merged_rows()
    _entropy(left, tree, x, fit)
    left.set_xlabel("clusters" if by == "clusters" else "rows in merges still to do")
    _differences(right, tree, by)
    if by == "clusters":
        _whole_numbers(left.xaxis, tree.n_components)
    return left, right


def merge_tree(
    tree: ClusterTree,
    *,
    heights: Literal["order", "rule"] = "order",
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the merges as a tree, with the chosen clusters in colours.

    Parameters
    ----------
    tree : ClusterTree
        From `ellimix.combine`.
    heights : {"order", "rule"}, default="order"
        Draw merges at equal distances in their order, with the rule's value beside each, or at the
        rule's own heights (`ClusterTree.linkage`), where merges of nearly one height hide each
        other.
    names : sequence of str, optional
        The components' names; by default their numbers, with their weights.
    ax : matplotlib Axes, optional
        By default the axes of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    ValueError
        `heights` is another word, there are not as many names as components, or the tree is of one
        component.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(4, random_state=0).fit(X)
    >>> ax = em.plots.merge_tree(model.combine(X, rule="ridgeline"))
    >>> ax.get_title()
    '4 components, 2 clusters; ridgeline'
    """
    k = tree.n_components
    if heights not in ("order", "rule"):
        raise ValueError(f"heights is 'order' or 'rule', not {heights!r}.")
    if k == 1:
        raise ValueError("One component has no merges to draw: fit a mixture of two or more.")
    if names is None:
        names = [f"{j} ({weight:.0%})" for j, weight in enumerate(tree.weights)]
    if len(names) != k:
        raise ValueError(f"There are {len(names)} names for {k} components: pass one for each.")
    ax = new_axes() if ax is None else ax
    leaves = _branches(ax, tree, heights == "order")
    _leaf_names(ax, [names[j] for j in leaves])
    _cluster_legend(ax, tree)
    rule = RULES[tree.rule]
    ax.set_ylabel(f"merge, with its {rule.measure}" if heights == "order" else rule.axis)
    _title(ax, tree)
    return ax


def _entropy(ax: Axes, tree: ClusterTree, x: Array, fit: Segments | None) -> None:
    chosen = x[tree.n_clusters - 1]
    ax.axvline(chosen, color=UNMERGED, lw=1.2, ls=":", label=f"{tree.n_clusters} chosen", zorder=0)
    if fit is not None:
        at = fit.at
        ax.plot(x[: at + 1], fit.left.at(x[: at + 1]), color=LEFT, lw=1.8, label="lower segment")
        ax.plot(x[at:], fit.right.at(x[at:]), color=RIGHT, lw=1.8, ls="--", label="upper segment")
        (ring,) = ax.plot(
            x[at], tree.entropy[at], "o", ms=13, label=f"elbow at {at + 1}", ls="none"
        )
        ring.set(markerfacecolor="none", markeredgecolor=PALETTE[3], markeredgewidth=1.8)
    ax.plot(x, tree.entropy, "o", color=INK, ms=5, ls="none", zorder=3)
    ax.set_ylabel("entropy (nats)")
    ax.grid(axis="y", color="0.92")
    ax.set_axisbelow(True)
    ax.legend(fontsize="small", loc="upper left")
    _title(ax, tree)


def _differences(ax: Axes, tree: ClusterTree, by: str) -> None:
    """What the merge into g clusters takes off, at g."""
    saved = np.diff(tree.entropy)
    g = np.arange(1, tree.n_components)
    if by == "rows":
        rows = tree.rows[::-1]
        saved = np.divide(saved, rows, out=np.zeros_like(saved), where=rows > 0.0)
    made = g >= tree.n_clusters
    kinds = ((made, PALETTE[2], None, "made"), (~made, "white", "///", "not made"))
    for which, color, hatch, label in kinds:
        if which.any():
            ax.bar(
                g[which], saved[which], 0.6, color=color, hatch=hatch, edgecolor=INK, label=label
            )
    ax.set_xlabel("clusters after the merge")
    ax.set_ylabel("entropy removed (nats)" if by == "clusters" else "entropy removed (nats a row)")
    ax.grid(axis="y", color="0.92")
    ax.set_axisbelow(True)
    ax.legend(title="merges", fontsize="small")
    ax.set_title("What each merge removes", fontsize=11)
    _whole_numbers(ax.xaxis, tree.n_components - 1)


def _whole_numbers(axis: Axis, last: int) -> None:
    axis.set_ticks(range(1, last + 1, 1 + (last - 1) // 15))


def _branches(ax: Axes, tree: ClusterTree, order: bool) -> list[int]:
    """Draw the tree; returns the components from left to right."""
    linkage = tree.linkage()
    k, made = tree.n_components, tree.n_components - tree.n_clusters
    if order:
        linkage[:, 2] = np.arange(1.0, k)
    drawn = dendrogram(linkage, no_plot=True, link_color_func=str)  # colours: the cluster's number
    labels, first = tree.labels_of_components(), _first_component(tree)
    for xs, ys, name in zip(drawn["icoord"], drawn["dcoord"], drawn["color_list"], strict=True):
        number = int(name)
        inside = number < k + made
        color = style(int(labels[first[number]]))[0] if inside else UNMERGED
        ax.plot(xs, ys, color=color, lw=2.4 if inside else 1.4, solid_joinstyle="miter")
        if order:
            _value(ax, 0.5 * (xs[1] + xs[2]), ys[1], float(tree.values[number - k]))
    leaves = [int(j) for j in drawn["leaves"]]
    for place, j in enumerate(leaves):
        color, marker = style(int(labels[j]))
        ax.plot(10 * place + 5, 0.0, marker=marker, color=color, ms=8, clip_on=False, zorder=3)
    if order:
        ax.axhline(made + 0.5, color=UNMERGED, lw=1.0, ls=":", zorder=0)
        _whole_numbers(ax.yaxis, k - 1)
    top = float(linkage[:, 2].max()) or 1.0
    ax.set(xlim=(0, 10 * k), ylim=(-0.02 * top, 1.1 * top))
    return leaves


def _value(ax: Axes, x: float, y: float, value: float) -> None:
    ax.annotate(
        f"{value:.3g}" if value >= 1e-3 else "<0.001",
        (x, y),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize="small",
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        zorder=4,
    )


def _first_component(tree: ClusterTree) -> list[int]:
    """A component of each cluster, (2 k - 1,)."""
    first = list(range(tree.n_components))
    for a, _ in tree.merges:
        first.append(first[int(a)])
    return first


def _leaf_names(ax: Axes, names: Sequence[str]) -> None:
    ax.set_xticks(10.0 * np.arange(len(names)) + 5.0)
    long = sum(map(len, names)) > 60
    ax.set_xticklabels(names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.tick_params(axis="x", length=0, pad=8)
    ax.set_xlabel("component (weight)" if names and names[0].endswith("%)") else "component")
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)


def _cluster_legend(ax: Axes, tree: ClusterTree) -> None:
    labels = tree.labels_of_components()
    for cluster in range(tree.n_clusters):
        color, marker = style(cluster)
        share = float(tree.weights[labels == cluster].sum())
        ax.plot([], [], marker=marker, color=color, lw=2.4, label=f"{cluster} ({share:.0%})")
    ax.legend(
        title="cluster",
        fontsize="small",
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=1 + (tree.n_clusters - 1) // 16,
    )


def _title(ax: Axes, tree: ClusterTree) -> None:
    plural = "" if tree.n_clusters == 1 else "s"
    ax.set_title(
        f"{tree.n_components} components, {tree.n_clusters} cluster{plural}; {tree.rule}",
        fontsize=11,
    )
