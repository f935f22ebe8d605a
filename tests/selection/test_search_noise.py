"""The search with a noise component: a uniform one besides the others, in every cell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import multivariate_normal

import ellimix as em
from ellimix.attempts.base import Attempts
from ellimix.attempts.plain import PlainRunner, whole_start
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.inference.base import Parameters, stack
from ellimix.inference.box import Box
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection import criteria
from ellimix.selection.board import Board, Setting
from ellimix.selection.cross_validation import cross_validate
from ellimix.selection.ground import LEAST, ground_of, noise_box
from ellimix.selection.guard import Guard, Kind
from ellimix.selection.plan import runner_for
from ellimix.selection.portfolio import Effort
from ellimix.selection.search import search
from ellimix.selection.widths import relative_widths
from ellimix.sources.labelled import with_labels
from ellimix.sources.memory import MemorySource
from searched_cells import assert_same_cells, holed

LIGHTEST = Effort(rounds=1, cells=1, random=1, trees=1)


def cluttered(share=0.25, n=400, seed=1):
    """Two groups, and rows that belong to none, with their labels: -1 for those."""
    rng = np.random.default_rng(seed)
    clutter = round(n * share)
    first = (n - clutter) // 2
    labels = np.repeat([0, 1, -1], [first, n - clutter - first, clutter])
    rows = rng.uniform(-12.0, 12.0, (n, 2))
    rows[labels == 0] = rng.normal(size=(first, 2)) * [1.0, 0.5] + [-4.0, 0.0]
    rows[labels == 1] = rng.normal(size=(n - clutter - first, 2)) * [0.6, 1.0] + [3.0, 3.0]
    return rows, labels


def found(source, families=("VVI", "EEE"), components=range(1, 4), **arguments):
    if not isinstance(source, MemorySource):
        source = MemorySource(np.asarray(source))
    options = {"random": np.random.RandomState(0), "effort": LIGHTEST, "noise": True, **arguments}
    return search(
        source, families=[FAMILIES[f] for f in families], components=components, **options
    )


def joint(mixture, rows):
    """Weights times densities of what is observed of each row, the noise's last: a row at a time.

    Only for a box along the features, or whole rows.
    """
    covariances = mixture.covariances()
    out = np.empty((len(rows), mixture.n_components + 1))
    for i, row in enumerate(rows):
        see = ~np.isnan(row)
        for j, mean in enumerate(mixture.means):
            normal = multivariate_normal(mean[see], covariances[j][np.ix_(see, see)])
            out[i, j] = mixture.weights[j] * normal.pdf(row[see])
        sides = mixture.box.sides if see.all() else mixture.box.sides[see]
        out[i, -1] = mixture.noise_weight / np.prod(sides)
    return out


# -- the choice


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_two_groups_in_clutter_are_two(share):
    rows, labels = cluttered(share)
    best = found(rows).best
    assert (best.family, best.n_components) == ("VVI", 2)
    assert best.mixture.noise_weight == pytest.approx(share, abs=0.05)
    predicted, match = best.mixture.predict(rows), best.mixture.means[:, 0].argsort()
    named = np.where(predicted < 0, -1, np.argsort(match)[predicted])
    assert (named == labels).mean() > 0.9
    assert found(rows, noise=False, components=range(1, 5)).best.n_components > 2


def test_a_search_without_clutter_leaves_little_to_the_noise():
    rows, labels = cluttered(0.25)
    best = found(rows[labels >= 0]).best
    assert best.n_components == 2
    assert best.mixture.noise_weight < 0.02


def test_each_cell_counts_the_noise():
    rows, _ = cluttered()
    result = found(rows)
    for cell in result.cells:
        values = joint(cell.mixture, rows)
        density, total = values.sum(axis=1), cell.log_likelihood
        share = values / density[:, None]
        np.testing.assert_allclose(total, np.log(density).sum(), rtol=1e-9)
        np.testing.assert_allclose(cell.entropy, -xlogy(share, share).sum(), rtol=1e-4)
        np.testing.assert_allclose(cell.classification, np.log(share.max(axis=1)).sum(), rtol=1e-7)
        plain = found(rows, (cell.family,), [cell.n_components], noise=False).best
        assert cell.n_parameters == cell.mixture.n_parameters == plain.n_parameters + 1
        assert cell.mixture.weights.sum() + cell.mixture.noise_weight == pytest.approx(1.0)
        assert cell.report.counts.shape == (cell.n_components,)
        bic = -2.0 * total + cell.n_parameters * np.log(400.0)
        index = result.cells.index(cell)
        np.testing.assert_allclose(criteria.values(result.cells, "bic")[index], bic)


def test_all_criteria_have_values():
    result = found(cluttered()[0], components=range(1, 4), criterion="cv")
    for name in ("bic", "aic", "aicc", "sabic", "icl", "nec", "cv"):
        assert np.isfinite(criteria.values(result.cells, name)).all()
    assert result.best.n_components >= 2


def test_more_passes_raise_no_likelihood():
    rows, _ = cluttered()
    cell = found(rows, ("VVI",), [2]).best
    inference = MaximumLikelihood(cell.mixture.family, 0.0, cell.mixture.box)
    task = Task(inference, cell.mixture.parameters, 0.0, 300)
    (report,) = run(MemorySource(rows), ENGINES["numpy"], [task])
    assert report.trace[-1] * 400.0 - cell.log_likelihood < 1e-3


# -- the same whatever


def test_the_order_of_the_rows():
    rows, _ = cluttered(n=200)
    order = np.random.default_rng(1).permutation(len(rows))
    for given in (rows, holed(rows, 0.05)):
        assert_same_cells(found(given), found(given[order]), 1e-8)


def test_rows_of_weight_0_count_for_nothing():
    rows, _ = cluttered(n=200)
    more = np.concatenate([np.full((5, 2), 99.0), rows])
    weight = np.append(np.zeros(5), np.ones(len(rows)))
    assert_same_cells(found(rows), found(MemorySource(more, weight)), 1e-8)


# -- with what else is known


def test_holes_and_noise():
    rows, labels = cluttered()
    given = holed(rows, 0.05)
    best = found(given).best
    assert best.n_components == 2
    naive = np.log(joint(best.mixture, given).sum(axis=1)).sum()
    np.testing.assert_allclose(best.log_likelihood, naive, rtol=1e-9)
    assert ((best.mixture.predict(given) < 0) == (labels < 0)).mean() > 0.85


def test_labels_and_noise():
    rows, labels = cluttered()
    known = np.where(np.random.default_rng(0).random(400) < 0.3, labels, -1)
    best = found(rows, labels=known).best
    assert best.n_components == 2
    predicted = best.mixture.predict(rows)
    assert (predicted == labels).mean() > 0.9
    values = joint(best.mixture, rows)
    own = np.where(known >= 0, values[np.arange(400), known], values.sum(axis=1))
    np.testing.assert_allclose(best.log_likelihood, np.log(own).sum(), rtol=1e-9)


def test_many_rows_are_sampled():
    rows, _ = cluttered(0.3, n=4400)
    result = found(rows, ("VVI",), [1, 2, 3])
    assert "sample" in result.remarks[0]
    assert result.best.n_components == 2
    assert result.best.mixture.noise_weight == pytest.approx(0.3, abs=0.03)


def test_held_out_rows_may_be_noise():
    rows, _ = cluttered(n=120)
    source, engine = MemorySource(rows), ENGINES["numpy"]
    cell = found(rows, ("VVI",), [2]).best
    family, start, box = cell.mixture.family, cell.mixture.parameters, cell.mixture.box
    options = {"reg_covar": 0.0, "tol": 1e-9, "max_iter": 2000, "box": box}
    scored = cross_validate(
        source, engine, [(family, start)], folds=3, random=np.random.RandomState(0), **options
    )
    for f in range(3):
        task = Task(MaximumLikelihood(family, 0.0, box), start, 1e-9, 2000)
        (report,) = run(source.part(np.flatnonzero(scored.fold != f)), engine, [task])
        naive = np.log(joint(report.mixture, rows[scored.fold == f]).sum(axis=1)).sum()
        np.testing.assert_allclose(scored.by_fold[f, 0], naive, rtol=1e-5)


# -- the parts


def test_the_plain_runner_is_the_loop():
    rows, _ = cluttered()
    source, engine = MemorySource(rows), ENGINES["numpy"]
    box = noise_box(source, engine)
    n, means = np.array([[100.0, 150.0]]), np.array([[[-4.0, 0.0], [3.0, 3.0]]])
    scatter = n[..., None, None] * np.eye(2)
    for name, family in FAMILIES.items():
        group = Attempts(family, n, means, scatter, ("given",), noise_n=np.array([150.0]))
        runner = PlainRunner(source, engine, 0.0, 400.0, box=box)
        (ended,) = runner.run([group], tolerance=1e-6, max_iter=500)
        inference = MaximumLikelihood(family, 0.0, box)
        task = Task(inference, whole_start(group, 0, box), 1e-12, 2000)
        (report,) = run(source, engine, [task])
        model = ended.model(0)
        np.testing.assert_allclose(
            ended.log_likelihood[0], report.objective * 400.0, rtol=1e-7, err_msg=name
        )
        np.testing.assert_allclose(model.noise, report.mixture.noise_weight, rtol=1e-3)
        np.testing.assert_allclose(model.weights, report.mixture.weights, rtol=1e-3)
        np.testing.assert_allclose(ended.n[0].sum() + ended.noise_n[0], 400.0, rtol=1e-9)
        np.testing.assert_allclose(ended.noise_n[0] / 400.0, model.noise, rtol=1e-3)
        assert model.weights.sum() + model.noise == pytest.approx(1.0)


def test_starts_leave_the_noise_its_share_and_moves_keep_it(monkeypatch):
    rows, _ = cluttered()
    groups, plain = [], PlainRunner.run

    def watched(self, attempts, **options):
        groups.extend(attempts)
        return plain(self, attempts, **options)

    monkeypatch.setattr(PlainRunner, "run", watched)
    found(rows)
    source = MemorySource(rows)
    box = noise_box(source, ENGINES["numpy"])
    clutter = ground_of(source, ENGINES["numpy"], box, np.random.RandomState(0)).clutter
    assert 0.1 < clutter < 1.0
    partitions = {"tree VVV SVD", "short runs"}
    names = {name for group in groups for name in group.names}
    assert names > {*partitions, "split", "merge"}
    first = {}
    for group in groups:
        for i, name in enumerate(group.names):
            count, total = group.noise_n[i], group.n[i].sum()
            first.setdefault(name, (count / total, count + total))
            if name not in partitions:
                np.testing.assert_allclose(count + total, 400.0, rtol=1e-9)
    assert first["tree VVV SVD"][0] == pytest.approx(clutter)


def test_the_ground_leaves_the_noise_a_little_at_least():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(100, 2)), np.full(100, 0)
    source, engine = with_labels(MemorySource(rows), labels), ENGINES["numpy"]
    box = noise_box(source, engine)
    ground = ground_of(source, engine, box, np.random.RandomState(0))
    np.testing.assert_array_equal(ground.rows, rows)  # rows with labels are no noise
    assert ground.clutter == pytest.approx(LEAST)


def test_which_runner_runs():
    rows, _ = cluttered()
    source = MemorySource(rows)
    box = noise_box(source, ENGINES["numpy"])
    board = Board([FAMILIES["EEE"]], [2], Setting(Guard(), None, 1.0, 2, 400.0, box))
    runner = runner_for(source, "auto", 0.0, board)
    assert isinstance(runner, PlainRunner)
    assert runner.box is box


@pytest.mark.parametrize("name", ["EII", "EEI", "EEE", "VVV"])
def test_widths_are_relative_to_the_whole_with_its_box(name):
    rows, _ = cluttered()
    mixture = found(rows, (name,), [2]).best.mixture
    total, stacked = mixture.total_covariance(), stack([mixture.parameters])
    assert stacked.noise is not None
    if name in ("EII", "EEI"):  # along the features, as the components are
        total = np.diag(np.diagonal(total))
    ours = relative_widths(stacked, 1e9, box=mixture.box)[0]
    for k, covariance in enumerate(mixture.covariances()):
        values = np.linalg.eigvals(np.linalg.solve(covariance, total)).real
        np.testing.assert_allclose(ours[k], np.sort(1.0 / np.sqrt(values)), rtol=1e-8)


def test_the_guard_judges_gaussians_and_counts_the_noises_rows_among_all():
    rng = np.random.default_rng(0)
    covariances = np.stack([np.eye(2), np.diag([1.0, 0.007])])
    plain = em.Mixture.from_parameters([0.95, 0.05], rng.normal(size=(2, 2)), covariances, "VVV")
    few = Guard().judge(plain, [95.0, 2.0], np.zeros(2))
    assert [reason.kind for reason in few] == [Kind.FEW]
    box = Box(np.zeros(2), np.eye(2), np.full(2, 3.0))
    half = Parameters(0.5 * plain.weights, plain.means, plain.covariance, np.array(0.5))
    noisy = em.Mixture(half, plain.family, None, box)
    assert [reason.kind for reason in Guard().judge(noisy, [95.0, 2.0], np.zeros(2))] == [Kind.FEW]
    one = stack([half])
    counts = np.array([[95.0, 5.0]])
    found_values = Guard().verdicts(plain.family, counts, one, np.zeros(2), box).values
    widths = relative_widths(one, 0.1, box=box)
    np.testing.assert_allclose(found_values[Kind.CHANCE][0, 1], widths[0, 1, 0])


# -- through the estimators


def test_select_with_noise():
    rows, labels = cluttered()
    chosen = em.select(rows, families=["VVI"], n_components=range(1, 4), noise=True)
    assert chosen.best_params_ == {"n_components": 2, "covariance_type": "VVI"}
    assert chosen.best_.noise_weight_ == pytest.approx(0.25, abs=0.05)
    assert ((chosen.labels_ == -1) == (labels == -1)).mean() > 0.9
    np.testing.assert_array_equal(chosen.labels_, chosen.predict(rows))


def test_auto_with_noise():
    rows, _ = cluttered(n=200)
    model = em.GaussianMixture("auto", covariance_type="diag", noise=True, random_state=0).fit(rows)
    assert model.n_components_ == 2
    assert model.noise_weight_ == pytest.approx(0.25, abs=0.06)
    assert -1 in model.labels_
    with pytest.raises(DataError, match="pass noise=True"):
        em.GaussianMixture("auto", noise=np.zeros(200, dtype=bool)).fit(rows)
    for arguments, known in (({"noise": True}, {}), ({}, {"labels": np.zeros(200, dtype=int)})):
        model = em.GaussianMixture("auto", criterion="mml", **arguments)
        with pytest.raises(DataError, match="knows no labels and no noise"):
            model.fit(rows, **known)


def test_labels_through_the_estimators():
    rows, truth = cluttered()
    rows, truth = rows[truth >= 0], truth[truth >= 0]
    known = np.where(np.random.default_rng(0).random(len(truth)) < 0.2, 1 - truth, -1)
    rows = holed(rows, 0.05)
    chosen = em.select(rows, families=["VVI"], n_components=[1, 2, 3], labels=known)
    assert chosen.best_params_["n_components"] == 2
    assert (chosen.labels_ == 1 - truth).mean() > 0.97
    told = known >= 0
    np.testing.assert_array_equal(chosen.labels_[told], known[told])
    auto = em.GaussianMixture("auto", covariance_type="diag", random_state=0)
    np.testing.assert_array_equal(auto.fit(rows, labels=known).labels_, chosen.labels_)


# -- combining


@pytest.mark.parametrize("rule", ["entropy", "demp", "bhattacharyya", "ridgeline"])
def test_noise_stays_noise_when_components_are_combined(rule):
    rows, _ = cluttered()
    model = em.GaussianMixture(4, noise=True, random_state=0, init_params="kmeans").fit(rows)
    tree = model.combine(rows, rule=rule, n_clusters=2)
    shares = model.predict_proba(rows)
    merged = model.predict_proba(rows, level="cluster")
    labels = tree.labels_of_components()
    assert merged.shape == (400, 3)
    for g in range(2):
        np.testing.assert_allclose(merged[:, g], shares[:, :-1][:, labels == g].sum(axis=1))
    np.testing.assert_array_equal(merged[:, -1], shares[:, -1])
    predicted = model.predict(rows, level="cluster")
    expected = np.where(merged.argmax(axis=1) == 2, -1, merged.argmax(axis=1))
    np.testing.assert_array_equal(predicted, expected)
    for g in range(1, 5):  # the entropy counts the noise
        t = tree.responsibilities(shares, g)
        np.testing.assert_allclose(tree.entropy[g - 1], -xlogy(t, t).sum(), rtol=1e-9, atol=1e-9)
    with pytest.raises(DataError, match="4 components besides noise"):
        tree.responsibilities(shares[:, :-1])


def test_rows_that_are_taken_for_noise_are_taken_for_no_cluster():
    rows, _ = cluttered()
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    tree, t = model.combine(rows, rule="demp"), model.predict_proba(rows)
    best = t.argmax(axis=1)
    rates = [t[best == a, b].sum() / t[:, b].sum() for a, b in ((0, 1), (1, 0))]
    np.testing.assert_allclose(tree.values[0], max(rates), rtol=1e-9)


def test_combining_over_rows_with_holes():
    rows = holed(cluttered()[0], 0.1)
    model = em.GaussianMixture(3, noise=True, random_state=0).fit(rows)
    tree, t = model.combine(rows), model.predict_proba(rows)
    np.testing.assert_allclose(tree.entropy[-1], -xlogy(t, t).sum(), rtol=1e-9)
