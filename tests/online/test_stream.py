"""partial_fit by stepwise EM."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
import naive
from ellimix.errors import Status
from ellimix.online.report import KEPT, BatchReport, StreamReport
from ellimix.online.steps import rests_on
from stream_problems import batch, by_place, followed

TWO = [[0.0, 0.0], [7.0, 1.0]]
OVERLAPPING = em.Mixture.from_parameters(
    [0.2, 0.3, 0.5],
    [[0, 0], [3, 1], [0, 4]],
    [[[1, 0.5], [0.5, 1]], [[1, 0], [0, 2]], [[0.5, 0], [0, 1]]],
)


def stream(seed, n_batches, n=200, centers=TWO):
    rng = np.random.default_rng(seed)
    return [batch(rng, centers, n) for _ in range(n_batches)]


def test_the_first_batch_is_a_fit():
    (rows,) = stream(0, 1)
    fitted = em.GaussianMixture(2, random_state=0).fit(rows)
    model = em.GaussianMixture(2, random_state=0).partial_fit(rows)
    assert np.array_equal(model.means_, fitted.means_)
    assert model.report_.status is Status.CONVERGED
    assert model.n_batches_ == 1
    assert model.n_seen_ == len(rows)
    share = naive.responsibilities(naive.log_joint(model.mixture_.potentials, rows))
    np.testing.assert_allclose(model.statistics_.n, share.sum(axis=0))


def test_a_step_is_the_formula():
    """S = (1 - gamma) S + gamma s, and the M-step of S: the same with plain loops."""
    first, second = stream(1, 2)
    model = em.GaussianMixture(2, random_state=0, reg_covar=0.0).partial_fit(first)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(second))
    old, potentials = model.statistics_, model.mixture_.potentials
    model.partial_fit(second, sample_weight=weight, online=em.Online(decay=0.6))
    gamma = ((200 + weight.sum()) / weight.sum()) ** -0.6
    share = naive.responsibilities(naive.log_joint(potentials, second))
    means = old.means()
    for k in range(2):
        n = (1 - gamma) * old.n[k] / 200 + gamma * np.sum(weight * share[:, k]) / weight.sum()
        sums = gamma * (weight * share[:, k]) @ second / weight.sum()
        mean = ((1 - gamma) * old.n[k] / 200 * means[k] + sums) / n
        np.testing.assert_allclose(model.weights_[k], n)
        np.testing.assert_allclose(model.means_[k], mean)
        away = second - mean
        shift = means[k] - mean
        spread = (old.scatter()[k] + old.n[k] * np.outer(shift, shift)) * (1 - gamma) / 200
        spread += gamma * (away.T * (weight * share[:, k])) @ away / weight.sum()
        np.testing.assert_allclose(model.covariances_[k], spread / n)


def test_with_decay_1_and_a_model_that_stays_the_sums_are_those_of_all_rows():
    """One component: the E-step knows no parameters, so that the stream is the batch fit."""
    batches = [rows[: 20 * (i + 3)] for i, rows in enumerate(stream(2, 6))]
    everything = np.concatenate(batches)
    model = followed(batches, em.GaussianMixture(1), em.Online(decay=1.0))
    fitted = em.GaussianMixture(1).fit(everything)
    np.testing.assert_allclose(model.means_, fitted.means_, rtol=1e-11)
    np.testing.assert_allclose(model.covariances_, fitted.covariances_, rtol=1e-11)
    assert model.statistics_.weight == pytest.approx(len(everything))
    assert model.n_seen_ == len(everything)
    assert model.n_batches_ == 6


@pytest.mark.parametrize("name", list(em.FAMILIES))
def test_every_family_follows_a_stationary_stream(name):
    batches = stream(3, 12)
    model = followed(batches, em.GaussianMixture(2, covariance_type=name, random_state=0))
    fitted = em.GaussianMixture(2, covariance_type=name, random_state=0, tol=1e-8, max_iter=500)
    everything = np.concatenate(batches)
    fitted.fit(everything)
    assert fitted.score(everything) - model.score(everything) < 2e-3
    assert not model.stream_.drifted
    assert model.covariance_type_ == name


def test_one_epoch_comes_near_to_batch_em():
    rows = np.random.default_rng(1).permutation(OVERLAPPING.sample(100_000, 0)[0])
    fitted = em.GaussianMixture(3, random_state=0, tol=1e-7, max_iter=500).fit(rows)
    best = fitted.score(rows)
    gap = best - em.GaussianMixture(3, random_state=0).fit(rows[:1000]).score(rows)
    model = followed(np.array_split(rows, 100), em.GaussianMixture(3, random_state=0))
    left = best - model.score(rows)
    assert left < 2e-4  # nats a row; the first batch alone leaves about 0.01
    assert left < 0.05 * gap
    z = np.array([found.z for found in model.stream_.batches[1:]])
    assert abs(z.mean()) < 0.4
    assert 0.8 < z.std() < 1.25
    misfits = np.mean([found.misfits for found in model.stream_.batches[1:]])
    assert 0.007 < misfits < 0.014
    assert not model.stream_.drifted


def test_weights_are_repetitions():
    first, second = stream(4, 2)
    repeated = followed([first, np.concatenate([second, second])])
    weighted = followed([first, second], sample_weight=[None, np.full(len(second), 2.0)])
    np.testing.assert_allclose(repeated.means_, weighted.means_, rtol=1e-12)
    assert repeated.n_seen_ == weighted.n_seen_
    chosen = np.arange(len(second)) < 50
    part = followed([first, second[:50]])
    zeros = followed([first, second], sample_weight=[None, chosen.astype(float)])
    np.testing.assert_allclose(part.covariances_, zeros.covariances_, rtol=1e-12)
    assert zeros.stream_.batches[1].fit == pytest.approx(part.stream_.batches[1].fit)


def test_missing_values_in_a_batch():
    batches = stream(5, 30)
    rng = np.random.default_rng(0)
    holed = [batches[0]]
    for whole in batches[1:]:
        rows = whole.copy()
        rows[rng.random(len(rows)) < 0.3, 1] = np.nan
        rows[rng.random(len(rows)) < 0.1, 0] = np.nan
        holed.append(rows)
    model = followed(holed)
    np.testing.assert_allclose(by_place(model), TWO, atol=0.1)
    assert model.missing_share_[1] > 0.2
    assert not model.stream_.drifted
    z = np.array([found.z for found in model.stream_.batches[1:]])
    assert abs(z.mean()) < 0.5


def test_one_row_and_rows_of_labels_errors_and_bounds():
    model = followed(stream(6, 3))
    before = model.statistics_.n.copy()
    model.partial_fit([[0.0, 0.0]])
    assert model.n_seen_ == 601.0
    assert model.stream_.batches[-1].rows == 1
    far = int(np.argmax(model.means_[:, 0]))
    told = pickle.loads(pickle.dumps(model))
    told.partial_fit(np.zeros((50, 2)), labels=np.full(50, far))
    model.partial_fit(np.zeros((50, 2)))
    assert told.means_[far, 0] < model.means_[far, 0] - 0.5
    assert 500.0 < before.sum() < 600.0  # later rows say more than the first ones
    model.partial_fit(np.zeros((9, 2)), errors=np.ones(2))
    last = model.stream_.batches[-1]
    assert (last.expected, last.z, last.misfits) == (None, None, None)
    assert np.isfinite(last.fit)
    assert str(model.stream_).count("\n") == 7


def test_a_mean_that_moves_is_followed_with_a_window_and_reported():
    rng = np.random.default_rng(7)
    batches = [batch(rng, [[0.15 * t, 0.0], [0.0, 20.0]]) for t in range(60)]
    keeps = followed(batches, online=em.Online(decay=1.0))
    follows = followed(batches, online=em.Online(window=800.0))
    where = 0.15 * 59
    moving = [model.means_[model.means_[:, 1].argmin(), 0] for model in (keeps, follows)]
    assert moving[0] < 0.65 * where  # the mean of all rows
    assert where - moving[1] < 1.0  # it lags by window / rows a batch = 4 batches, 0.6
    assert keeps.stream_.drifted
    assert follows.stream_.drifted
    assert not follows.stream_.strange  # no single batch, but all of them fit worse
    assert follows.stream_.total < -2.58
    moved = np.array([found.moved for found in follows.stream_.batches[20:]])
    mover = int(follows.means_[:, 1].argmin())
    assert (moved[:, mover] > moved[:, 1 - mover]).mean() > 0.9


def test_the_z_score_is_calibrated_where_nothing_changes():
    z = []
    for seed in range(24):
        model = followed(stream(seed, 4, n=100))
        z += [found.z for found in model.stream_.batches[1:]]
    z = np.array(z)
    assert abs(z.mean()) < 0.35
    assert 0.8 < z.std() < 1.2


def test_a_jump_is_one_strange_batch():
    batches = stream(8, 10)
    batches[6] = batches[6] + [0.0, 5.0]
    report = followed(batches).stream_
    assert report.strange[0].number == 7
    assert report.batches[6].z < -20.0
    lines = str(report).splitlines()
    assert "*" in lines[7]
    assert lines[-1].startswith("drifted")
    assert len(lines) == 12


def test_fit_and_then_partial_fit():
    batches = stream(9, 5)
    model = em.GaussianMixture(2, random_state=0).fit(batches[0])
    assert model.n_batches_ == 1
    with pytest.raises(AttributeError, match="partial_fit"):
        model.stream_  # noqa: B018
    np.testing.assert_allclose(model.statistics_.n.sum(), 200.0)
    followed(batches[1:], model)
    begun = followed(batches)
    assert model.n_batches_ == begun.n_batches_ == 5
    # the fit's own sums are those of its last E-step but one M-step
    np.testing.assert_allclose(model.means_, begun.means_, atol=2e-3)
    model.fit(batches[0])
    assert model.n_batches_ == 1
    assert not hasattr(model, "stream_")


def test_given_parameters_assign_the_first_batch():
    rows = np.concatenate(stream(10, 3))
    model = em.GaussianMixture.from_parameters(
        [0.5, 0.5], TWO, np.ones(2), covariance_type="spherical"
    )
    assert (model.n_batches_, model.n_seen_) == (0, 0.0)
    assert not hasattr(model, "statistics_")
    one = em.GaussianMixture(
        2, covariance_type="spherical", weights_init=[0.5, 0.5], means_init=TWO,
        precisions_init=np.ones(2), max_iter=1,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        one.fit(rows)
    model.partial_fit(rows)
    np.testing.assert_allclose(model.means_, one.means_, rtol=1e-12)
    np.testing.assert_allclose(model.covariances_, one.covariances_, rtol=1e-11)
    assert (model.n_batches_, model.n_seen_) == (1, 600.0)
    assert abs(model.stream_.batches[0].z) < 4.0


def test_noise_and_order_stay_with_the_stream():
    rng = np.random.default_rng(11)

    def noisy():
        return np.concatenate([batch(rng, TWO, 200, [0.3, 0.7]), rng.uniform(-10, 15, (30, 2))])

    model = followed(
        [noisy() for _ in range(12)],
        em.GaussianMixture(2, noise=True, order="weight", random_state=0),
    )
    assert 0.05 < model.noise_weight_ < 0.25
    assert model.weights_[0] > model.weights_[1]
    assert model.weights_.sum() + model.noise_weight_ == pytest.approx(1.0)
    np.testing.assert_allclose(model.means_, TWO[::-1], atol=0.4)
    np.testing.assert_allclose(
        model.statistics_.n,
        model.statistics_.n.sum() * np.append(model.weights_, model.noise_weight_),
    )


def test_a_prior_counts_as_in_one_fit_over_all_rows():
    batches = stream(12, 8, centers=[[0.0, 0.0]])
    prior = em.Prior(mean=[5.0, 5.0], shrinkage=100.0)
    fitted = em.GaussianMixture(1, prior=prior).fit(np.concatenate(batches))
    model = followed(batches, em.GaussianMixture(1, prior=prior), em.Online(decay=1.0))
    np.testing.assert_allclose(model.means_, fitted.means_, rtol=1e-9)
    with pytest.raises(em.DataError, match="Begin with partial_fit"):
        em.GaussianMixture(1, prior=prior).fit(batches[0]).partial_fit(batches[1])


def test_fixed_parts_stay_fixed():
    batches = stream(13, 6)
    model = em.GaussianMixture(
        2, means_init=[[0.5, 0.5], [np.nan, np.nan]], fix={"means": [0]}, random_state=0
    )
    followed(batches, model)
    assert model.means_[0].tolist() == [0.5, 0.5]
    with pytest.raises(em.DataError, match="fixed parts"):
        model.partial_fit(batches[0], online=em.Online(death=True))


def test_the_attributes_after_a_batch():
    batches = stream(14, 3)
    model = followed(batches)
    report = model.report_
    assert report.status is Status.UPDATED
    assert not report.status.failed
    assert report.warnings() == report.notes
    assert report.notes[0].startswith("Batch 3")
    assert report.mixture is model.mixture_
    assert not model.converged_
    assert model.n_iter_ == 1
    assert model.lower_bound_ == model.stream_.batches[-1].fit
    assert np.array_equal(model.labels_, model.predict(batches[-1]))
    copy = pickle.loads(pickle.dumps(model)).partial_fit(batches[0])
    assert np.array_equal(copy.means_, model.partial_fit(batches[0]).means_)


def test_the_setting_stays_until_another_is_given():
    batches = stream(15, 4)
    model = followed(batches[:2], online=em.Online(decay=1.0))
    model.partial_fit(batches[2])
    assert model.stream_.batches[-1].step == pytest.approx(1 / 3)
    model.partial_fit(batches[3], online=em.Online(decay=0.6))
    assert model.stream_.batches[-1].step == pytest.approx(4**-0.6)


def test_steps_and_what_a_mean_rests_on():
    how = em.Online(decay=1.0)
    rests = 0.0
    squares = []
    for weight, seen in [(100.0, 100.0), (50.0, 150.0), (250.0, 400.0)]:
        step = how.step(weight, seen)
        assert step == pytest.approx(weight / seen)
        rests = rests_on(rests, step, weight)
        squares = [(1 - step) ** 2 * s for s in squares] + [step**2 / weight]
    assert rests == pytest.approx(400.0) == pytest.approx(1 / sum(squares))
    window = em.Online(window=1000.0)
    assert window.step(500.0, 1e12) == pytest.approx(1 - np.exp(-0.5))
    half = window.step(250.0, 1e12)
    assert (1 - half) ** 2 == pytest.approx(1 - window.step(500.0, 1e12))
    assert em.Online(t0=5.0, decay=1.0).step(1.0, 5.0) == pytest.approx(0.1)
    for _ in range(2000):
        rests = rests_on(rests, window.step(10.0, 1e12), 10.0)
    assert rests == pytest.approx(2000.0, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"decay": 0.5}, "decay is 0.5"),
        ({"decay": "fast"}, "decay is 'fast'"),
        ({"decay": True}, "decay is True"),
        ({"window": 0.0}, "window is 0.0"),
        ({"t0": -1.0}, "t0 is -1.0"),
        ({"t0": np.nan}, "t0 is nan"),
        ({"misfit": 0.5}, "misfit is 0.5"),
        ({"birth": 1}, "birth is 1"),
    ],
)
def test_settings_out_of_range(arguments, words):
    with pytest.raises(em.DataError, match=words):
        em.Online(**arguments)


def test_another_model_and_other_bad_input_are_refused_and_change_nothing():
    batches = stream(16, 3)
    model = followed(batches[:2])
    means = model.means_
    with pytest.raises(em.DataError, match="Call fit to begin anew"):
        model.set_params(n_components=3).partial_fit(batches[2])
    with pytest.raises(em.DataError, match="Call fit to begin anew"):
        model.set_params(n_components=2, covariance_type="tied").partial_fit(batches[2])
    with pytest.raises(em.DataError, match="noise component"):
        model.set_params(covariance_type="full", noise=True).partial_fit(batches[2])
    model.set_params(noise=False)
    with pytest.raises(em.DataError, match="online is 'fast'"):
        model.partial_fit(batches[2], online="fast")
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(batches[2][:, :1])
    with pytest.raises(em.FitFailed, match="too far"):
        model.partial_fit([[1e200, 0.0]])
    assert np.array_equal(model.means_, means)
    assert model.n_batches_ == 2


def test_a_component_that_loses_its_rows_is_said():
    rng = np.random.default_rng(17)
    model = followed([batch(rng, TWO)], em.GaussianMixture(2, random_state=0, reg_covar=0.0))
    quick = em.Online(window=5.0)
    batches = [batch(rng, TWO[:1]) for _ in range(10)]
    with pytest.raises(em.FitFailed, match=r"the one before it was kept.*Online\(death=True\)"):
        followed(batches, model, quick)
    assert model.n_components_ == 2
    assert np.isfinite(model.score(batch(rng, TWO)))


def test_a_long_stream_keeps_the_last_batches():
    nothing = np.zeros(1)
    report = StreamReport(())
    for number in range(KEPT + 5):
        one = BatchReport(number, 1, 1.0, 0.5, -1.0, -1.0, 0.0, 0.0, nothing, (), (), 1)
        report = report.after(one)
    assert len(report.batches) == KEPT
    assert report.batches[-1].number == KEPT + 4
    assert not report.drifted


def test_first_batches_that_do_not_converge_warn_as_fits_do():
    (rows,) = stream(18, 1)
    with pytest.warns(ConvergenceWarning):
        em.GaussianMixture(2, max_iter=1, tol=0.0, random_state=0).partial_fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        followed(stream(19, 2))


def test_statistics_of_rows():
    first, second = stream(20, 2)
    model = em.GaussianMixture(2, random_state=0).fit(first)
    weight = np.random.default_rng(0).uniform(0.0, 2.0, len(second))
    sums = model.statistics(second, sample_weight=weight)
    expected = naive.e_step(model.mixture_.potentials, second, weight)
    for name in ("n", "s1", "s2", "loglik"):
        np.testing.assert_allclose(
            getattr(sums, name), getattr(expected, name), rtol=1e-9, atol=1e-9
        )
    assert np.array_equal(sums.center, model.means_)
    with pytest.raises(AttributeError, match="with a prior"):
        em.GaussianMixture(1, prior="default").fit(first).statistics_  # noqa: B018
