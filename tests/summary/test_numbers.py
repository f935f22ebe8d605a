"""A summary's numbers are those that the estimator gives, computed another way."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import ellimix as em
from ellimix.errors import DataError, FitWarning
from ellimix.sources.memory import MemorySource
from ellimix.summary.making import starts_of

FAITHFUL, NAMES = em.datasets.faithful()
IRIS, _ = em.datasets.iris()


def holes(X, share=0.2, seed=0):
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    X[5] = np.nan  # a row of which nothing is known counts for nothing
    return X


def weights(n, seed=1):
    w = np.random.default_rng(seed).integers(0, 4, n) / 2.0
    w[:2] = 0.0, 3.0
    return w


def assert_rows(summary, model, X, sample_weight=None, **known):
    """The numbers about rows equal those of the public methods, and of loops over rows."""
    rows = summary.rows
    w = np.ones(len(X)) if sample_weight is None else sample_weight
    if not known:
        w = np.where(np.isnan(X).all(axis=1), 0.0, w)
    share = model.predict_proba(X, **known)
    given = {"sample_weight": sample_weight, **known}
    assert rows.n_rows == len(X)
    assert rows.weight == pytest.approx(w.sum())
    assert rows.log_likelihood == pytest.approx(model.score(X, **given) * w.sum())
    assert rows.bic == pytest.approx(model.bic(X, **given))
    assert rows.aic == pytest.approx(model.aic(X, **given))
    assert rows.icl == pytest.approx(model.icl(X, **given))
    entropy = -np.where(share > 0, share * np.log(np.where(share > 0, share, 1.0)), 0.0).sum(axis=1)
    assert rows.entropy == pytest.approx(w @ entropy / w.sum(), rel=1e-6, abs=1e-9)
    assert rows.uncertain == pytest.approx(w @ (share.max(axis=1) < 0.9))
    counts, labels = w @ share, share.argmax(axis=1)
    assigned = [w[labels == k].sum() for k in range(share.shape[1])]
    parts = [*summary.components, *([summary.noise] if summary.noise else [])]
    np.testing.assert_allclose([part.count for part in parts], counts, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose([part.assigned for part in parts], assigned, atol=1e-9)
    assert sum(part.count for part in parts) == pytest.approx(w.sum())
    assert sum(part.assigned for part in parts) == pytest.approx(w.sum())
    assert sum(part.weight for part in parts) == pytest.approx(1.0)


def assert_components(summary, model):
    """And those about components equal linear algebra on the covariance matrices."""
    mixture = model.mixture_
    for part, mean, matrix in zip(
        summary.components, mixture.means, mixture.covariances(), strict=True
    ):
        values = np.linalg.eigvalsh(matrix)
        d = len(mean)
        assert part.volume == pytest.approx(np.linalg.det(matrix) ** (1.0 / d), rel=1e-6)
        assert part.condition == pytest.approx(values[-1] / values[0], rel=1e-6)
        np.testing.assert_array_equal(part.means, mean)
        np.testing.assert_allclose(part.standard_deviations, np.sqrt(np.diagonal(matrix)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("lacking", [False, True])
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_numbers_of_the_fit(weighted, lacking, noise, dtype, engine):
    X = (holes(IRIS, 0.1) if lacking else IRIS).astype(dtype)
    w = weights(len(X)) if weighted else None
    model = em.GaussianMixture(
        3, covariance_type="EVI", noise=noise, engine=engine, reg_covar=1e-3, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        model.fit(X, sample_weight=w)
    summary = model.summary()
    assert_rows(summary, model, X, w)
    assert_components(summary, model)
    assert (summary.noise is not None) is noise
    assert summary.n_parameters == model.n_parameters_
    np.testing.assert_allclose(summary.rows.missing, model.missing_share_)
    given = model.summary(X, w)
    assert given.rows.bic == pytest.approx(summary.rows.bic)
    assert given.fit == summary.fit
    assert given.components[1].count == pytest.approx(summary.components[1].count, rel=1e-6)


@pytest.mark.parametrize("covariance_type", sorted(em.FAMILIES))
def test_all_families(covariance_type):
    model = em.GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(FAITHFUL)
    summary = model.summary()
    assert_rows(summary, model, FAITHFUL)
    assert_components(summary, model)
    assert summary.family == covariance_type
    assert f"({covariance_type})" in summary.words


def test_other_rows_and_what_is_known_of_them():
    model = em.GaussianMixture(2, random_state=0).fit(FAITHFUL)
    new, w = FAITHFUL[:60], weights(60)
    assert_rows(model.summary(new, w), model, new, w)
    labels = np.where(np.arange(60) < 20, model.predict(new), -1)
    told = model.summary(new, labels=labels)
    assert told.rows.bic == pytest.approx(model.bic(new, labels=labels))
    assert told.rows.bic != pytest.approx(model.bic(new))
    for arguments in ({"sample_weight": w}, {"labels": labels}):
        with pytest.raises(DataError, match="describes rows, and none were given"):
            model.summary(**arguments)


def test_what_was_known_in_the_fit():
    labels = np.full(len(IRIS), -1)
    labels[:10], labels[-10:] = 0, 2
    model = em.GaussianMixture(3, random_state=0).fit(IRIS, labels=labels)
    assert model.summary().rows.bic == pytest.approx(model.bic(IRIS, labels=labels))
    errors = np.full(IRIS.shape, 0.01)
    model = em.GaussianMixture(2, random_state=0).fit(IRIS, errors=errors)
    assert model.summary().rows.bic == pytest.approx(model.bic(IRIS, errors=errors))


def test_projections_have_no_missing_share():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(8.0, 1.0, size=(60, 2))])
    P = np.tile(np.array([[1.0, 1.0], [1.0, -1.0], [0.5, 0.0]]), (120, 1, 1))
    seen = np.einsum("npd,nd->np", P, X)
    known = {"projections": P, "errors": np.full((120, 3), 0.1)}
    model = em.GaussianMixture(2, random_state=0).fit(seen, **known)
    for summary in (model.summary(), model.summary(seen, **known)):
        assert summary.rows.missing == (0.0, 0.0)
        assert summary.rows.bic == pytest.approx(model.bic(seen, **known))


def test_weights_are_repetitions():
    w = np.random.default_rng(0).integers(0, 4, len(FAITHFUL))
    start = np.array([[2.0, 55.0], [4.3, 80.0]])
    model = em.GaussianMixture(2, means_init=start, tol=1e-10, max_iter=999)
    once = model.fit(FAITHFUL, sample_weight=w).summary()
    again = model.fit(np.repeat(FAITHFUL, w, axis=0)).summary()
    for name in ("weight", "log_likelihood", "bic", "aic", "icl", "uncertain"):
        assert getattr(once.rows, name) == pytest.approx(getattr(again.rows, name), rel=1e-5)
    assert once.rows.entropy == pytest.approx(again.rows.entropy, rel=1e-3)
    assert "total weight" in str(once)
    assert "total weight" not in str(again)


def test_one_component_is_certain():
    summary = em.GaussianMixture(1).fit(IRIS).summary()
    assert summary.rows.entropy == 0.0
    assert summary.rows.uncertain == 0.0
    assert summary.rows.icl == summary.rows.bic
    assert summary.components[0].weight == 1.0


def test_one_feature_has_a_letter():
    summary = em.GaussianMixture(2, covariance_type="V", random_state=0).fit(FAITHFUL[:, :1])
    summary = summary.summary()
    assert summary.family == "V"
    assert all(part.condition == 1.0 for part in summary.components)
    assert "Components, with means" in str(summary)  # there is room for one feature


def test_no_rows_are_kept():
    """A summary after `fit` needs no rows: the estimator holds none, and the record is frozen."""
    model = em.GaussianMixture(2, random_state=0).fit(FAITHFUL)
    before = model.summary()
    FAITHFUL_COPY = FAITHFUL.copy()
    other = em.GaussianMixture(2, random_state=0).fit(FAITHFUL_COPY)
    FAITHFUL_COPY[:] = -1e9
    assert other.summary() == before
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.summary() == before
    with pytest.raises(AttributeError):
        before.rows.bic = 0.0
    with pytest.raises(AttributeError):
        before.title = ""


def test_unfitted_is_refused():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        em.GaussianMixture(2).summary()


# models without rows


def test_parameters_alone(tmp_path):
    fitted = em.GaussianMixture(2, random_state=0).fit(FAITHFUL)
    path = tmp_path / "model.json"
    fitted.save(path)
    loaded = em.GaussianMixture.load(path)
    bare = loaded.summary()
    assert (bare.rows, bare.fit, bare.choice) == (None, None, None)
    assert [part.count for part in bare.components] == [None, None]
    assert_components(bare, fitted)
    assert any("summary(X)" in text for text in bare.lacking)
    assert any("a file keeps nothing else" in text for text in bare.lacking)
    for text in (str(bare), bare.to_html(), bare.to_markdown(), bare.to_latex()):
        assert "BIC" not in text.split("Not known")[0]
        assert "None" not in text
    assert_rows(loaded.summary(FAITHFUL), loaded, FAITHFUL)


def test_assigned_parameters_are_those_of_no_fit():
    model = em.GaussianMixture(2, random_state=0).fit(FAITHFUL)
    model.means_ = model.means_ + 1.0
    summary = model.summary()
    assert (summary.rows, summary.fit) == (None, None)
    assert summary.components[0].means == tuple(model.mixture_.means[0])
    assert not hasattr(model, "scores_")
    refitted = model.fit(FAITHFUL).summary()
    assert refitted.rows is not None


# how the fit went


def test_starts_agree_within_the_tolerance():
    model = em.GaussianMixture(3, n_init=8, init_params="random_from_data", random_state=3)
    model.fit(IRIS)
    starts = model.summary().fit.starts
    ends = np.array([report.objective for report in model.reports_]) * len(IRIS)
    assert starts.n == 8
    assert starts.tolerance == pytest.approx(max(0.01, model.tol * len(IRIS)))
    assert starts.agreed == (np.abs(ends - ends.max()) <= starts.tolerance).sum()
    assert 1 <= starts.agreed < 8
    assert f"{starts.agreed} of 8 ended within 0.15 nats of the best" in str(model.summary())
    fine = model.set_params(tol=1e-6, max_iter=2000).fit(IRIS).summary().fit.starts
    assert fine.tolerance == 0.01


def test_moves_above_all_starts_do_not_hide_the_starts():
    model = em.GaussianMixture(2, n_init=3, random_state=0).fit(FAITHFUL)
    from dataclasses import replace

    moved = replace(model.report_, trace=(*model.report_.trace, model.report_.objective + 5.0))
    assert starts_of(moved, model.reports_, 272.0, 1e-3).agreed == 3


def test_a_fit_that_did_not_converge_says_the_remedy_once():
    with pytest.warns(match="did not converge"):
        model = em.GaussianMixture(3, max_iter=2, random_state=0).fit(IRIS)
    summary = model.summary()
    assert summary.fit.status == "max_iter"
    text = " ".join(str(summary).split())
    assert text.count("Increase max_iter or tol") == 1
    assert model.report_.message not in summary.warnings


def test_warnings_of_thin_components():
    X = np.concatenate([FAITHFUL, [[4.0, 4.0], [4.0 + 1e-7, 5.0], [4.0, 6.0]]])
    start = np.concatenate([np.zeros(272, int), np.ones(3, int)])
    model = em.GaussianMixture(2, init_params=start, reg_covar=1e-12).fit(X)
    assert model.report_.thin()
    assert any("thinner than the data" in text for text in model.summary().warnings)
    assert "Warnings" in str(model.summary())


def test_priors_and_held_parts_in_words():
    plain = em.GaussianMixture(2, random_state=0).fit(FAITHFUL).summary().estimation
    assert (plain.method, plain.prior) == ("maximum likelihood (EM), variance floor 1e-06", None)
    default = em.GaussianMixture(2, prior="default", random_state=0).fit(FAITHFUL)
    assert "Fraley & Raftery" in default.summary().estimation.prior
    assert default.summary().estimation.method.startswith("maximum a posteriori")
    given = em.Prior(mean=[3.0, 70.0], weights=5.0)
    model = em.GaussianMixture(2, prior=given, random_state=0).fit(FAITHFUL)
    assert model.summary().estimation.prior == "conjugate with given mean, weights"
    around = em.Prior.around(plain_mixture := em.GaussianMixture(2).fit(FAITHFUL).mixture_)
    model = em.GaussianMixture(2, prior=around).fit(FAITHFUL)
    assert "another mixture" in model.summary().estimation.prior
    model = em.GaussianMixture(
        2, weights_init=plain_mixture.weights, fix={"weights": True}, random_state=0
    ).fit(FAITHFUL)
    assert model.summary().estimation.n_held == model.mixture_.n_held == 1
    assert "1 parameter held" in str(model.summary())


# searches


@pytest.fixture(scope="module")
def search():
    return em.select(FAITHFUL, families=["EEE", "VVV"], n_components=range(1, 5))


def test_search(search):
    summary = search.summary()
    assert_rows(summary, search, FAITHFUL)
    best, choice = search.results_[search.best_index_], summary.choice
    assert summary.rows.bic == pytest.approx(best["bic"])
    assert (choice.criterion, choice.n_models) == ("bic", 8)
    assert (choice.families, choice.sizes) == (("EEE", "VVV"), (1, 2, 3, 4))
    values = sorted(row["bic"] for row in search.results_ if row["status"] == "ok")
    assert choice.gap == pytest.approx(values[1] - values[0])
    assert choice.runner_up == "EEE 4"
    assert (summary.fit.starts.n, summary.fit.starts.agreed) == (
        best["n_starts"],
        best["n_agreed"],
    )
    assert set(search.notes_) <= set(summary.warnings)
    assert "chosen by BIC among 2 families and 1 to 4 components" in " ".join(str(summary).split())
    assert search.summary(FAITHFUL[:50]).rows.bic == pytest.approx(search.bic(FAITHFUL[:50]))


def test_automatic_choice_is_said():
    model = em.GaussianMixture(
        "auto", covariance_type="EEE", random_state=0, reg_covar=0.0, order="weight"
    ).fit(FAITHFUL)
    summary = model.summary()
    assert summary.choice.n_models == 9
    assert summary.rows.bic == pytest.approx(model.bic(FAITHFUL))
    assert "among 1 to 9 components" in " ".join(str(summary).split())


def test_automatic_choice_with_labels():
    labels = np.full(len(FAITHFUL), -1)
    labels[:30] = FAITHFUL[:30, 0] > 3
    model = em.GaussianMixture("auto", covariance_type="EEE", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        model.fit(FAITHFUL, labels=labels)
    assert model.summary().rows.bic == pytest.approx(model.bic(FAITHFUL, labels=labels))


def test_message_length_is_said():
    model = em.GaussianMixture("auto", covariance_type="EEE", criterion="mml", random_state=0)
    summary = model.fit(FAITHFUL).summary()
    assert "message length" in summary.estimation.method
    assert summary.fit.starts is None
    assert summary.rows.bic == pytest.approx(model.bic(FAITHFUL))


# posteriors


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
def test_posterior(kind):
    model = em.BayesianGaussianMixture(
        4, weight_concentration_prior_type=kind, max_iter=500, random_state=0
    ).fit(FAITHFUL)
    summary, posterior = model.summary(), model.posterior_
    assert summary.title == "Bayesian Gaussian mixture"
    found = summary.posterior
    assert found.lower_bound == pytest.approx(model.lower_bound_ * len(FAITHFUL))
    assert found.with_rows == model.n_components_effective_ == 2
    assert found.effective == pytest.approx(posterior.effective())
    limits = posterior.interval(found.level)
    for k, part in enumerate(summary.components):
        np.testing.assert_array_equal(part.weight_interval, limits.weights[k])
        np.testing.assert_array_equal(part.mean_intervals, limits.means[k])
        assert part.weight_interval[0] <= part.weight <= part.weight_interval[1]
    assert (summary.rows.bic, summary.rows.aic, summary.rows.icl) == (None, None, None)
    assert summary.rows.log_likelihood == pytest.approx(model.score(FAITHFUL) * 272)
    text = str(summary)
    assert "90 % credible intervals" in text
    assert "2 components with less than one row" in text
    assert "evidence lower bound takes their place" in " ".join(text.split())
    assert kind.split("_")[1] in summary.estimation.prior


def test_posterior_of_point_estimates_has_no_intervals_of_means():
    model = em.BayesianGaussianMixture(2, covariance_type="VVE", random_state=0).fit(FAITHFUL)
    part = model.summary().components[0]
    assert part.mean_intervals == (None, None)
    assert part.weight_interval is not None
    assert "at the maximum" in model.summary().estimation.prior


def test_posterior_from_a_file(tmp_path):
    model = em.BayesianGaussianMixture(
        2, weight_concentration_prior_type="dirichlet_distribution", random_state=0
    ).fit(FAITHFUL)
    model.save(tmp_path / "model.json")
    loaded = em.BayesianGaussianMixture.load(tmp_path / "model.json").summary()
    assert loaded.posterior.lower_bound is None
    assert loaded.posterior.with_rows is None
    assert loaded.components[0].weight_interval == model.summary().components[0].weight_interval


def test_batches_are_said():
    model = em.BayesianGaussianMixture(2, covariance_type="VVV", random_state=0)
    model.partial_fit(FAITHFUL[:200]).partial_fit(FAITHFUL[200:])
    summary = model.summary()
    assert (summary.posterior.n_batches, summary.posterior.n_seen) == (2, 272.0)
    assert summary.rows.n_rows == 72
    assert "the last of 2 batches with a total weight of 272" in " ".join(str(summary).split())


# records


def test_dictionary_is_plain(search):
    for summary in (search.summary(), em.BayesianGaussianMixture(2).fit(FAITHFUL).summary()):
        found = summary.to_dict()
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["n_components"] == len(found["components"])
        assert found["rows"]["log_likelihood"] == summary.rows.log_likelihood


def test_names_of_columns():
    model = em.GaussianMixture(2, random_state=0).fit(pd.DataFrame(FAITHFUL, columns=NAMES))
    assert model.summary().feature_names == tuple(NAMES)
    assert "eruptions" in str(model.summary())


def test_scores_of_blocks_add_up():
    """However the rows are cut: the sums of a pass."""
    model = em.GaussianMixture(3, noise=True, random_state=0).fit(IRIS)
    w = weights(len(IRIS))
    whole = model.mixture_.score_rows(MemorySource(IRIS, w), counts=True)
    cut = model.mixture_.score_rows(MemorySource(IRIS, w, 7), counts=True)
    np.testing.assert_array_equal(whole.labels, cut.labels)
    for name in ("log_likelihood", "classification", "uncertain", "weight", "entropy"):
        assert getattr(whole, name) == pytest.approx(getattr(cut, name))
    np.testing.assert_allclose(whole.assigned, cut.assigned)
    np.testing.assert_allclose(whole.counts, cut.counts)
    assert model.mixture_.score_rows(MemorySource(IRIS, w)).counts is None


def test_mixtures_and_reports_print_in_a_line():
    model = em.GaussianMixture(12, covariance_type="diag", noise=True, random_state=0).fit(IRIS)
    mixture, report = model.mixture_, model.report_
    assert "\n" not in repr(mixture)
    assert "\n" not in repr(report)
    assert repr(mixture).startswith("<Mixture of 12 Gaussian components and noise, diagonal")
    assert "4 features" in repr(mixture)
    assert "..." in repr(mixture)
    assert f"{report.n_rows:,} rows" in repr(report)
    assert report.message in str(report)
    assert mixture.words in str(report)
