"""Pictures of merged components: what is in them, not how they look."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

import ellimix as em
from ellimix.plots.canvas import PALETTE

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def mixture_of(positions):
    k = len(positions)
    means = np.array(positions, dtype=float)[:, None]
    return em.Mixture.from_parameters(np.full(k, 1 / k), means, np.ones(k), "V")


def tree_of(positions=(0.0, 1.0, 9.0, 20.0, 21.5), **arguments):
    mixture = mixture_of(positions)
    return em.combine(mixture, mixture.sample(500, 0)[0], **arguments)


@pytest.mark.parametrize("by", ["clusters", "rows"])
def test_entropy_is_drawn_with_its_two_segments(by):
    tree = tree_of()
    left = em.plots.entropy_plot(tree, by=by)[0]
    x = np.arange(1.0, 6.0) if by == "clusters" else tree.merged_rows()
    lines = {line.get_label(): line for line in left.lines}
    fit = tree.elbow(by)
    drawn, values = lines["lower segment"].get_data()
    np.testing.assert_allclose(drawn, x[: fit.at + 1])
    np.testing.assert_allclose(values, fit.left.at(x[: fit.at + 1]))
    drawn, values = lines["upper segment"].get_data()
    np.testing.assert_allclose(drawn, x[fit.at :])
    np.testing.assert_allclose(values, fit.right.at(x[fit.at :]))
    ring = lines[f"elbow at {fit.at + 1}"]
    assert ring.get_xdata()[0] == x[fit.at]
    assert ring.get_ydata()[0] == tree.entropy[fit.at]
    assert lines["3 chosen"].get_xdata()[0] == x[2]
    np.testing.assert_allclose(left.lines[-1].get_ydata(), tree.entropy)


@pytest.mark.parametrize("by", ["clusters", "rows"])
def test_bars_are_what_each_merge_removes(by):
    tree = tree_of()
    right = em.plots.entropy_plot(tree, by=by)[1]
    bars = {round(b.get_x() + b.get_width() / 2): b.get_height() for b in right.patches}
    for g in range(1, 5):
        merge = 4 - g
        expected = tree.values[merge] / (tree.rows[merge] if by == "rows" else 1.0)
        assert bars[g] == pytest.approx(expected, abs=1e-9)
    made = {round(b.get_x() + b.get_width() / 2) for b in right.patches if b.get_hatch() is None}
    assert made == {3, 4}


def test_two_components_have_no_segments():
    left, right = em.plots.entropy_plot(tree_of((0.0, 1.0)))
    assert not [line for line in left.lines if "segment" in line.get_label()]
    assert len(right.patches) == 1


@pytest.mark.parametrize("heights", ["order", "rule"])
def test_merge_tree_shows_every_merge_in_the_colour_of_its_cluster(heights):
    tree = tree_of()
    ax = em.plots.merge_tree(tree, heights=heights)
    forks = [line for line in ax.lines if len(line.get_xdata()) == 4]
    tops = sorted(line.get_ydata()[1] for line in forks)
    expected = np.arange(1.0, 5.0) if heights == "order" else tree.linkage()[:, 2]
    np.testing.assert_allclose(tops, expected)
    coloured = [to_hex(line.get_color()).upper() for line in forks]
    assert sorted(c for c in coloured if c in PALETTE) == sorted([PALETTE[0], PALETTE[2]])
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert sorted(names) == [f"{j} (20%)" for j in range(5)]
    assert set(names[names.index("0 (20%)") :][:2]) == {"0 (20%)", "1 (20%)"}
    clusters = [text.get_text() for text in ax.get_legend().get_texts()]
    assert clusters == ["0 (40%)", "1 (20%)", "2 (40%)"]
    if heights == "order":
        values = {text.get_text() for text in ax.texts}
        assert f"{tree.values[0]:.3g}" in values
        assert len(ax.texts) == 4


@pytest.mark.parametrize("rule", ["entropy", "bhattacharyya", "demp", "ridgeline"])
def test_given_names_and_axes(rule):
    ax = pyplot.subplots()[1]
    tree = tree_of(rule=rule)
    assert em.plots.merge_tree(tree, names=list("abcde"), ax=ax) is ax
    assert {text.get_text() for text in ax.get_xticklabels()} == set("abcde")
    assert rule in ax.get_title()
    axes = pyplot.subplots(1, 2)[1]
    assert em.plots.entropy_plot(tree, axes=axes)[1] is axes[1]


def test_bad_input():
    tree = tree_of()
    with pytest.raises(ValueError, match="4 names for 5 components"):
        em.plots.merge_tree(tree, names=list("abcd"))
    with pytest.raises(ValueError, match="'order' or 'rule', not 'size'"):
        em.plots.merge_tree(tree, heights="size")
    with pytest.raises(ValueError, match="'clusters' or 'rows', not 'n'"):
        em.plots.entropy_plot(tree, by="n")
    single = tree_of((0.0,))
    with pytest.raises(ValueError, match="no merges to draw"):
        em.plots.merge_tree(single)
    with pytest.raises(ValueError, match="no merges to draw"):
        em.plots.entropy_plot(single)
