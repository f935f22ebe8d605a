"""Pictures of posteriors: what is in them, not how they look."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.collections import LineCollection

from density.posteriors import random_posterior
from ellimix import plots

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_bars_are_the_expected_weights_and_lines_their_intervals():
    posterior = random_posterior("VVV", 4, 2, seed=0)
    ax = plots.posterior_intervals_plot(posterior, level=0.8)
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, posterior.parameters.weights)
    outer, inner = (c for c in ax.collections if isinstance(c, LineCollection))
    for lines, level in ((outer, 0.8), (inner, 0.5)):
        ends = np.array(lines.get_segments())
        np.testing.assert_allclose(ends[:, :, 0], posterior.interval(level).weights)
        np.testing.assert_allclose(ends[:, 0, 1], range(4))
    assert outer.get_label() == "80 % credible interval"
    assert ax.yaxis_inverted()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "1", "2", "3"]


def test_of_an_estimator_with_names_on_given_axes():
    estimator = SimpleNamespace(posterior_=random_posterior("VII", 1, 2, seed=0))
    own = pyplot.figure().subplots()
    ax = plots.posterior_intervals_plot(estimator, names=["all"], ax=own)
    assert ax is own
    assert ax.get_title() == "Weights of 1 component"
    assert ax.get_xlim() == (0.0, 1.0)
    with pytest.raises(ValueError, match="2 names for 1 components"):
        plots.posterior_intervals_plot(estimator, names=["a", "b"])
    with pytest.raises(ValueError, match="level"):
        plots.posterior_intervals_plot(estimator, level=90)
