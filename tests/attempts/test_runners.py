"""The compiled loop gives what the plain one gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ellimix as em
from ellimix.attempts.base import Attempts
from ellimix.attempts.plain import PlainRunner, whole_start
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.engines.choice import has_numba
from ellimix.errors import Status
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection.beginnings import cuts, of_labels
from ellimix.sources.memory import MemorySource
from ellimix.starts.hierarchical import tree

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")


def iris(weighted=False):
    rows = em.datasets.iris()[0]
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(rows)) if weighted else None
    return MemorySource(rows, weight)


def runners(source, reg_covar=0.0):
    from ellimix.attempts.compiled import CompiledRunner

    weight = float(source.n_rows if source.weight is None else source.weight.sum())
    engine = ENGINES["numpy"]
    plain = PlainRunner(source.placed(engine), engine, reg_covar, weight)
    return CompiledRunner.of(source, reg_covar), plain


def starts(source, family, components=(1, 2, 3, 5)):
    rows = np.asarray(source.rows)
    weight = np.ones(len(rows)) if source.weight is None else source.weight
    found = cuts(rows, weight, tree(rows, source.weight), components)
    return [Attempts(FAMILIES[family], *(p[None] for p in s), ("tree",)) for s in found.values()]


@needs_numba
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("weighted", [False, True])
def test_both_end_in_the_same_place(family, weighted):
    source = iris(weighted)
    compiled, plain = runners(source)
    for group in starts(source, family):
        (one,) = compiled.run([group], tolerance=1e-7, max_iter=3000)
        (other,) = plain.run([group], tolerance=1e-7, max_iter=3000)
        if other.status[0].failed or one.status[0].failed:
            assert one.status == other.status
            continue
        # slow ends stop a little apart
        np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, atol=2e-4)
        np.testing.assert_allclose(one.weights, other.weights, atol=2e-3)
        np.testing.assert_allclose(one.center, other.center, atol=2e-2)


@needs_numba
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"EVE", "VVE"}))
def test_each_pass_is_the_same(family):
    source = iris()
    compiled, _ = runners(source)
    (group,) = starts(source, family, [3])
    task = Task(MaximumLikelihood(FAMILIES[family], 0.0), whole_start(group, 0), 0.0, 6)
    (report,) = run(source, ENGINES["numpy"], [task])
    for passes, value in enumerate(report.trace, start=1):
        (ended,) = compiled.run([group], tolerance=0.0, max_iter=passes)
        np.testing.assert_allclose(ended.log_likelihood[0], value * 150, rtol=1e-9)
        assert ended.passes[0] == passes


@needs_numba
@pytest.mark.parametrize("family", FAMILIES)
def test_statistics_and_models_of_an_end_are_those_of_its_last_pass(family):
    source = iris(weighted=True)
    compiled, _ = runners(source)
    (group,) = starts(source, family, [3])
    (ended,) = compiled.run([group], tolerance=1e-3, max_iter=40)
    mixture = em.Mixture(ended.model(0), FAMILIES[family])
    rows, weight = source.rows, source.weight
    joint = mixture.log_joint(rows)
    share = mixture.responsibilities(rows) * weight[:, None]
    density = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(ended.log_likelihood[0], weight @ density, rtol=1e-10)
    np.testing.assert_allclose(ended.n[0], share.sum(axis=0), rtol=1e-9)
    means = (share.T @ rows) / share.sum(axis=0)[:, None]
    np.testing.assert_allclose(ended.means[0], means, rtol=1e-9)
    for k in range(3):
        apart = rows - means[k]
        scatter = (apart * share[:, k, None]).T @ apart
        np.testing.assert_allclose(ended.scatter[0, k], scatter, atol=1e-8)
    np.testing.assert_allclose(ended.statistics(0).n, ended.n[0])


@needs_numba
def test_threads_and_company_change_no_bit():
    source = iris()
    compiled, _ = runners(source)
    groups = [group for family in FAMILIES for group in starts(source, family)]
    alone = [replace(compiled, threads=1).run([g], tolerance=1e-3, max_iter=50)[0] for g in groups]
    together = replace(compiled, threads=3).run(groups * 4, tolerance=1e-3, max_iter=50)
    for one, other in zip(alone * 4, together, strict=True):
        np.testing.assert_array_equal(one.log_likelihood, other.log_likelihood)
        np.testing.assert_array_equal(one.scatter, other.scatter)


@needs_numba
def test_singular_components_fail_alone_and_a_floor_helps():
    rows = np.repeat(np.array([[0.0, 0.0], [5.0, 5.0], [5.0, 6.0], [6.0, 5.0]]), 5, axis=0)
    source = MemorySource(rows)
    labels = np.array([0] * 5 + [1] * 15)
    start = of_labels(rows, np.ones(20), labels, 2)
    group = Attempts(FAMILIES["VVV"], *(p[None] for p in start), ("labels",))
    easy = Attempts(FAMILIES["EEE"], *(p[None] for p in start), ("labels",))
    for runner in runners(source):
        first, second = runner.run([group, easy], tolerance=1e-3, max_iter=100)
        assert first.status[0] is Status.COLLAPSED
        assert first.log_likelihood[0] == -np.inf
        assert np.isfinite(second.log_likelihood[0])
        assert np.isfinite(second.model(0).covariance.values).all()
    for runner in runners(source, 1e-3):
        (ended,) = runner.run([group], tolerance=1e-3, max_iter=100)
        assert np.isfinite(ended.log_likelihood[0])


@needs_numba
def test_a_hopeless_run_is_given_up_and_a_stopped_one_is_not_begun():
    source = iris()
    compiled, plain = runners(source)
    (group,) = starts(source, "VVV", [3])
    far = replace(group, target=1e6)
    (ended,) = compiled.run([far], tolerance=1e-9, max_iter=500, judged=3)
    assert ended.given_up[0]
    assert ended.passes[0] == 3
    (ended,) = compiled.run([group], tolerance=1e-9, max_iter=500, judged=3)
    assert not ended.given_up[0]
    many = [group] * 400
    stopped = compiled.run(many, tolerance=1e-9, max_iter=5000, stop=lambda: True)
    assert any(e.passes[0] == 0 for e in stopped)
    (ended,) = plain.run([group], tolerance=1e-9, max_iter=500, stop=lambda: True)
    assert ended.passes[0] == 1
