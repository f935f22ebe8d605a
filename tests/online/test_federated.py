"""Federated fits: the numbers of a pooled fit, and nothing but sums on the way."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
from ellimix.errors import Status
from ellimix.federated import Coordinator, Reply, Request, Site
from ellimix.federated.starting import from_clusters
from ellimix.records import Moment
from stream_problems import batch

THREE = [[0.0, 0.0], [6.0, 0.0], [3.0, 6.0]]
every_family = pytest.mark.parametrize("name", list(em.FAMILIES))


def hospitals(seed=0, sizes=(150, 400, 80), holes=0.0):
    rng = np.random.default_rng(seed)
    out = [batch(rng, THREE, n, w) for n, w in zip(sizes, np.eye(3) * 0.5 + 1 / 6, strict=True)]
    for rows in out:
        rows[rng.random(rows.shape) < holes] = np.nan
    return out


def begun(k=3, **arguments):
    """An estimator with a given start."""
    rng = np.random.default_rng(9)
    return em.GaussianMixture(
        k, weights_init=np.full(k, 1 / k), means_init=np.array(THREE) + rng.normal(size=(3, 2)),
        acceleration=None, **arguments,
    )  # fmt: skip


def precisions(name):
    shape = {"EII": (3,), "VII": (3,), "EEI": (3, 2), "VEI": (3, 2), "EVI": (3, 2), "VVI": (3, 2)}
    if name in shape:
        return np.ones(shape[name])
    return np.eye(2) if name == "EEE" else np.stack([np.eye(2)] * 3)


def compare(one, other, rtol=1e-12):
    for name in ("weights_", "means_", "covariances_"):
        got, expected = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * 10, err_msg=name)
    assert one.n_iter_ == other.n_iter_
    np.testing.assert_allclose(one.lower_bounds_, other.lower_bounds_, rtol=rtol)
    assert one.converged_ == other.converged_


@every_family
def test_a_federated_fit_is_the_pooled_fit(name):
    sites = hospitals(1)
    rng = np.random.default_rng(2)
    weights = [rng.uniform(0.2, 3.0, len(rows)) for rows in sites]
    model = begun(covariance_type=name, precisions_init=precisions(name), tol=1e-6, max_iter=200)
    together = em.federate(sites, model, sample_weight=weights)
    pooled = model.fit(np.concatenate(sites), sample_weight=np.concatenate(weights))
    compare(together, pooled, 1e-11 if name in ("VEI", "VEE", "VEV", "EVE", "VVE") else 1e-12)
    assert together.report_.n_rows == 630
    np.testing.assert_allclose(together.report_.counts, pooled.report_.counts, rtol=1e-11)


def test_with_missing_values_too():
    sites = hospitals(3, holes=0.2)
    model = begun(precisions_init=precisions("VVV"), tol=1e-5)
    together = em.federate(sites, model)
    observed = np.concatenate(sites)
    pooled = model.fit(observed)
    compare(together, pooled, 1e-11)


def test_the_start_is_that_of_the_sites_clusters_as_labels():
    """The sums of clusters of clusters are those of all rows with the labels that this gives."""
    sites = hospitals(4)
    places = [Site(rows) for rows in sites]
    replies = [place.clusters(3, seed=5) for place in places]
    start = from_clusters(replies, 3, np.random.RandomState(6))
    labels = []
    for rows, reply in zip(sites, replies, strict=True):
        own = ((rows[:, None] - reply.statistics.means()) ** 2).sum(axis=2).argmin(axis=1)
        middle = reply.statistics.means()[:, None] - start.means()
        labels.append((middle**2).sum(axis=2).argmin(axis=1)[own])
    everything, labels = np.concatenate(sites), np.concatenate(labels)
    np.testing.assert_allclose(start.n, np.bincount(labels))
    for k in range(3):
        rows = everything[labels == k]
        np.testing.assert_allclose(start.means()[k], rows.mean(axis=0), rtol=1e-12)
        away = rows - rows.mean(axis=0)
        np.testing.assert_allclose(start.scatter()[k], away.T @ away, rtol=1e-10)
    pooled = em.GaussianMixture(3, init_params=labels, acceleration=None).fit(everything)
    coordinator = Coordinator.begin("VVV", start)
    while not coordinator.done:
        request = coordinator.parameters()
        coordinator = coordinator.update([place.statistics(request) for place in places])
    np.testing.assert_allclose(coordinator.model.means, pooled.means_, rtol=1e-12)
    assert coordinator.trace == pytest.approx(pooled.lower_bounds_, rel=1e-12)


@pytest.mark.parametrize("name", ["EII", "EEE", "VVV", "EVE"])
def test_a_fit_from_the_sites_own_clusters(name):
    sites = hospitals(7, sizes=(300, 200, 2))  # the last has fewer rows than components
    model = em.GaussianMixture(3, covariance_type=name, order="weight", random_state=0, n_init=2)
    together = em.federate(sites, model)
    everything = np.concatenate(sites)
    pooled = em.GaussianMixture(3, covariance_type=name, random_state=0, tol=1e-8).fit(everything)
    assert pooled.score(everything) - together.score(everything) < 2e-3
    assert np.array_equal(together.weights_, np.sort(together.weights_)[::-1])
    np.testing.assert_allclose(together.statistics_.n / 502, together.weights_, rtol=1e-9)
    assert together.get_params()["n_init"] == 2
    assert not hasattr(model, "mixture_")
    again = em.federate(sites, model)
    assert np.array_equal(again.means_, together.means_)


def test_the_sites_answer_in_any_order():
    sites = [Site(rows) for rows in hospitals(8)]
    coordinator = Coordinator.begin("VVV", begun(precisions_init=precisions("VVV")).fit(
        np.concatenate(hospitals(8))).mixture_.parameters)  # fmt: skip
    replies = [site.statistics(coordinator.parameters()) for site in sites]
    one, other = coordinator.update(replies), coordinator.update(replies[::-1])
    np.testing.assert_allclose(one.model.means, other.model.means, rtol=1e-13)


def test_messages_keep_every_digit_and_hold_no_rows():
    rows = hospitals(9)[0]
    site = Site(rows)
    for name in ("EII", "EEE", "VVV"):
        model = em.GaussianMixture(3, covariance_type=name, random_state=0).fit(rows)
        request = Request(4, model.mixture_.potentials)
        read = Request.from_bytes(request.to_bytes())
        for part in ("offset", "center", "factor"):
            got, sent = getattr(read.potentials, part), getattr(request.potentials, part)
            assert np.array_equal(got, sent)
        assert (read.round, read.potentials.shape) == (4, request.potentials.shape)
        reply = site.statistics(request.to_bytes())
        again = Reply.from_bytes(reply.to_bytes()).statistics
        for part in ("n", "s1", "s2", "center", "loglik", "entropy", "weight", "rows", "moment"):
            assert np.array_equal(getattr(again, part), getattr(reply.statistics, part)), part
        assert len(reply.to_bytes()) < 2000  # k d^2 numbers, not n d
    weightless = em.Mixture.from_parameters([1.0, 0.0], [[0.0], [1.0]], [1.0, 1.0], "VII")
    read = Request.from_bytes(Request(1, weightless.potentials).to_bytes())
    assert read.potentials.offset[1] == -np.inf


def message(**changes):
    rows = hospitals(10)[0]
    reply = Site(rows).statistics(
        Request(1, em.GaussianMixture(2, random_state=0).fit(rows).mixture_.potentials)
    )
    document = json.loads(reply.to_bytes())
    document.update(changes)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"\x80\x04.", "not a complete JSON"),
        (b"[1, 2]", "none of a federated fit"),
        (message(schema="other"), "none of a federated fit"),
        (message(version=2), "expected a 'reply' of version 1"),
        (message(kind="request"), "expected a 'reply'"),
        (message(moment="cubic"), "moment is 'cubic'"),
        (message(n=[1.0, float("nan")]), "n is no array of finite numbers"),
        (message(n=["1", "2"]), "not a number"),
        (message(n=[1.0, 2.0, 3.0]), "shapes"),
        (message(s2=[[1.0, 2.0]]), "s2 is no array"),
        (message(s1=[[1.0], [2.0, 3.0]]), "s1 is no array"),
        (message(round=-1), "round is -1"),
        (message(rows=True), "rows is True"),
        (message(loglik=None), "not a number"),
    ],
)
def test_a_message_that_is_not_sound(broken, words):
    with pytest.raises(em.DataError, match=words):
        Reply.from_bytes(broken)


def test_a_request_that_is_not_sound():
    good = json.loads(
        Request(1, em.Mixture.from_parameters([1.0], [[0.0]], [1.0], "V").potentials).to_bytes()
    )
    for change, words in (
        ({"offset": "0"}, "no list"),
        ({"offset": [0.0, 1.0]}, "shapes"),
        ({"factor": [[1e301]]}, "finite"),
        ({"shape": "round"}, "shape is 'round'"),
    ):
        with pytest.raises(em.DataError, match=words):
            Request.from_bytes(json.dumps({**good, **change}).encode())


def test_answers_to_another_round_or_request_are_refused():
    rows = hospitals(11)[0]
    site = Site(rows)
    coordinator = Coordinator.begin("VVV", site.clusters(3).statistics)
    first = site.statistics(coordinator.parameters())
    later = coordinator.update([first])
    assert later.round == 2
    assert coordinator.round == 1
    with pytest.raises(em.DataError, match="round 1, and this is round 2"):
        later.update([first])
    with pytest.raises(em.DataError, match="not about the centers"):
        later.update([Reply(2, first.statistics)])
    with pytest.raises(em.DataError, match="no replies"):
        later.update([])
    with pytest.raises(em.DataError, match="of 2 columns, and the rows have 1"):
        Site(rows[:, :1]).statistics(coordinator.parameters())
    while not later.done:
        later = later.update([site.statistics(later.parameters())])
    assert later.status is Status.CONVERGED
    with pytest.raises(em.DataError, match="has ended"):
        later.update([first])


def test_a_fit_that_collapses_or_runs_out_of_rounds_says_so():
    same = np.zeros((30, 2))
    with pytest.raises(em.FitFailed, match="singular"):
        em.federate([same, same + 9.0], em.GaussianMixture(2, reg_covar=0.0, random_state=0))
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model = em.federate(
            hospitals(12), begun(precisions_init=precisions("VVV"), max_iter=2, tol=0.0)
        )
    assert model.report_.status is Status.MAX_ITER
    assert model.n_iter_ == 2


def test_bad_input_is_refused():
    sites, model = hospitals(13), em.GaussianMixture(3, random_state=0)
    with pytest.raises(em.DataError, match="noise needs all rows"):
        em.federate(sites, em.GaussianMixture(3, noise=True))
    with pytest.raises(em.DataError, match="prior needs all rows"):
        em.federate(sites, em.GaussianMixture(3, prior="default"))
    with pytest.raises(em.DataError, match="init_params needs all rows"):
        em.federate(sites, em.GaussianMixture(3, init_params="hierarchical"))
    with pytest.raises(em.DataError, match="acceleration needs"):
        em.federate(sites, em.GaussianMixture(3, acceleration="squarem"))
    with pytest.raises(em.DataError, match="given number"):
        em.federate(sites, em.GaussianMixture("auto"))
    with pytest.raises(em.DataError, match="at least one round"):
        em.federate(sites, em.GaussianMixture(3, max_iter=0))
    with pytest.raises(em.DataError, match="together, or"):
        em.federate(sites, em.GaussianMixture(3, means_init=THREE))
    with pytest.raises(em.DataError, match="at least one site"):
        em.federate([], model)
    with pytest.raises(em.DataError, match=r"\[1, 2\] columns"):
        em.federate([sites[0], sites[1][:, :1]], model)
    with pytest.raises(em.DataError, match="one for each"):
        em.federate(sites, model, sample_weight=[None])
    with pytest.raises(em.DataError, match="Site has its own"):
        em.federate([Site(sites[0])], model, sample_weight=[np.ones(150)])
    with pytest.raises(em.DataError, match="fewer than 9"):
        em.federate([rows[:2] for rows in sites], em.GaussianMixture(9))
    with pytest.raises(em.DataError, match="array of numbers"):
        Site([["a", "b"]])
    with pytest.raises(em.DataError, match=r"shape \(3,\)"):
        Site([1.0, 2.0, 3.0])
    with pytest.raises(em.DataError, match="infinity"):
        Site([[np.inf, 1.0]])
    with pytest.raises(em.DataError, match="negative"):
        Site([[1.0], [2.0]], [-1.0, 1.0])


def test_fixed_parts_are_held_at_the_coordinator():
    model = begun(precisions_init=precisions("VVV"), fix={"means": [1]})
    together = em.federate(hospitals(14), model)
    assert np.array_equal(together.means_[1], model.means_init[1])
    pooled = model.fit(np.concatenate(hospitals(14)))
    compare(together, pooled, 1e-11)
    assert together.n_parameters_ == pooled.n_parameters_


def test_a_federated_model_merges_and_streams_on():
    sites = hospitals(15)
    together = em.federate(sites, em.GaussianMixture(3, random_state=0))
    assert together.n_batches_ == 3
    together.partial_fit(sites[0])
    assert together.n_seen_ == 780
    assert em.merge(together, together).statistics_.moment is Moment.FULL
