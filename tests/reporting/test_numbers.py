"""The report says the numbers of the summary, the search, the fits and the rows."""

from __future__ import annotations

import re

import numpy as np
import pytest

import ellimix as em
from ellimix.reporting.looking import MOST_DOUBTS
from ellimix.selection import criteria, table
from ellimix.summary import numbers
from report_problems import FAITHFUL, IRIS, MODELS, holey, mixture_of, page_of, quietly, search

ALWAYS = {"choice", "pictures", "model", "clusters", "doubtful", "again", "versions"}


@pytest.fixture(scope="module")
def made():
    found = {}
    for name, make in MODELS.items():
        model, X, known = make()
        found[name] = model, X, known, page_of(model, X, **known)
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_each_kind_of_model_has_its_sections(kind, made):
    *_, page = made[kind]
    sections = set(page.texts) - {"", "first"}
    expected = set(ALWAYS)
    if kind != "bare":
        expected.add("starts")
    if kind in ("search", "auto"):
        expected.add("degenerate")
    assert sections == expected
    links = {found["href"] for found in page.named("a")}
    assert links == {f"#{key}" for key in sections}
    headings = [tag for tag, _ in page.elements if tag in ("h1", "h2")]
    assert headings == ["h1"] + ["h2"] * (len(page.texts) - 1)


@pytest.mark.parametrize("kind", MODELS)
def test_the_summary_is_in_the_report(kind, made):
    model, X, known, page = made[kind]
    summary, text = model.summary(X, **known), page.texts["model"]
    assert summary.words in page.texts[""]
    rows = summary.rows
    assert f"{rows.n_rows:,} row" in page.texts[""]
    for value in (rows.log_likelihood, rows.bic, rows.aic, rows.icl):
        assert value is None or numbers.nats(value) in text
    for part in summary.components[:40]:
        if summary.posterior is None or part.count >= 1.0:
            for mean, deviation in zip(part.means, part.standard_deviations, strict=True):
                assert numbers.spread(mean, deviation) in text
    assert set(summary.warnings) <= {*page_sentences(page, "first")}


def page_sentences(page, section):
    items = re.findall(rf'<section id="{section}".*?</section>', page.source, re.DOTALL)
    found = re.findall("<li>(.*?)</li>", "".join(items))
    return [text.replace("&#39;", "'").replace("&#34;", '"') for text in found]


@pytest.mark.parametrize("kind", MODELS)
def test_the_least_certain_rows_are_those_of_the_model(kind, made):
    model, X, known, page = made[kind]
    given = {name: value for name, value in known.items() if name != "sample_weight"}
    shares = model.predict_proba(X, **given)
    counts = ~np.isnan(X).all(axis=1) & (np.asarray(known.get("sample_weight", 1.0)) > 0.0)
    certainty = np.where(counts, shares.max(axis=1), 2.0)
    order = np.argsort(certainty, kind="stable")
    expected = order[certainty[order] < 0.999][:MOST_DOUBTS]
    if not expected.size:
        assert "No row is in doubt" in page.texts["doubtful"]
        assert "doubtful" not in page.tables
        return
    head, *rows = page.tables["doubtful"][0]
    assert [int(row[0]) for row in rows] == expected.tolist()
    names = [str(k) for k in range(shares.shape[1])]
    if model.mixture_.box is not None:
        names[-1] = "noise"
    for row, at in zip(rows, expected, strict=True):
        first, second = np.argsort(-shares[at], kind="stable")[:2]
        for cell, k in ((row[1], first), (row[2], second)):
            assert cell == f"{names[k]} ({numbers.share(shares[at, k])})"
        values = ["missing" if np.isnan(v) else numbers.mean(v) for v in X[at]]
        shown = [values[model.mixture_.names.index(name)] for name in head[3:]]
        assert row[3:] == shown
    total = int((certainty < 0.999).sum())
    assert f"Of {counts.sum()} rows, {total} have no component" in page.texts["doubtful"]


def test_the_table_of_models_is_that_of_the_search():
    found = search(IRIS, ("EEE", "VVV", "VEV", "EII"), most=6)
    page = page_of(found, IRIS)
    _, *shown = page.tables["choice"][0]
    cells = found.cells_
    best = criteria.order(cells, "bic")[:10]
    assert len(shown) == 10
    rows = table.rows(cells, "bic")
    for line, at in zip(shown, best, strict=True):
        row = rows[at]
        assert line[1:4] == [row["family"], str(row["n_components"]), str(row["n_parameters"])]
        for cell, name in ((4, "log_likelihood"), (5, "bic"), (6, "difference")):
            assert line[cell] == numbers.nats(row[name])
        assert line[8:] == [f"{row['n_agreed']}/{row['n_starts']}", row["status"]]
    gap = rows[best[1]]["bic"] - rows[best[0]]["bic"]
    assert f"is {numbers.nats(gap)} behind" in page.texts["choice"]
    assert f"of {len(cells)} models" in page.texts["choice"]


def test_a_close_runner_up_and_an_edge_are_warned_of():
    close = search(IRIS, ("VEV",), most=4)
    gap = close.summary().choice.gap
    assert gap < 2.0
    page = page_of(close, IRIS)
    assert "The runner-up is within 2" in page.texts["choice"]
    assert "weak evidence" in page.texts["choice"]
    assert "the data hardly tell the two apart" in page.texts["first"]
    edge = page_of(search(FAITHFUL, ("EEE",), most=3), FAITHFUL)
    assert "K = 3 is the largest that was tried" in edge.texts["choice"]
    inner = page_of(search(FAITHFUL, ("EEE",), most=5), FAITHFUL)
    assert "largest" not in inner.texts["choice"]
    assert "within 2" not in inner.texts["choice"]


def test_degenerate_models_come_with_their_sentences():
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(24, 3)), 3)
    found = search(X, ("VVV", "EEE"), most=8)
    noted = [cell for cell in found.cells_ if cell.reason]
    assert any(not cell.ok for cell in noted)
    page = page_of(found, X)
    _, *rows = page.tables["degenerate"][0]
    assert {tuple(row) for row in rows} == {
        (cell.name, str(cell.n_components), cell.verdict.value, cell.reason) for cell in noted
    }
    ok = sum(cell.ok for cell in found.cells_)
    assert f"{ok} of {len(found.cells_)} models are ok" in page.texts["degenerate"]


def test_starts_are_those_of_the_fit():
    model = quietly(lambda: mixture_of(4, n_init=8, init_params="random", tol=1e-6).fit(IRIS))
    page = page_of(model, IRIS)
    _, *rows = page.tables["starts"][0]
    assert len(rows) == 8
    starts = model.summary().fit.starts
    assert sum(row[-1] == "yes" for row in rows) == starts.agreed
    assert starts.agreed < 8
    for row, report in zip(rows, model.reports_, strict=True):
        assert row[1:4] == [report.start, report.status.value, f"{report.n_iter:,}"]
        assert row[4] == numbers.nats(report.objective)
    behind = [float(row[5].replace(",", "")) for row in rows]
    best = model.score(IRIS) * len(IRIS)
    ends = [report.objective * len(IRIS) for report in model.reports_]
    np.testing.assert_allclose(behind, max(ends) - np.array(ends), atol=6e-4)
    assert max(ends) == pytest.approx(best, abs=0.1)
    assert f"{starts.agreed} of 8 starts ended within" in page.texts["starts"]


def test_clusters_are_told_apart_by_the_features_that_do():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 5))
    X[:100, 3] += 9.0
    model = mixture_of(2, covariance_type="diag", order="weight").fit(X)
    _, first, second = page_of(model, X).tables["clusters"][0]
    assert second[:3] == ["1", "0.333", "100.0"]
    deviation = np.sqrt(model.mixture_.total_covariance()[3, 3])
    middle = model.weights_ @ model.means_[:, 3]
    for row, mean in zip((first, second), model.means_[:, 3], strict=True):
        assert row[3].startswith(f"x3 {(mean - middle) / deviation:+.1f} (")


def test_intervals_of_a_posterior_are_in_the_report(made):
    model, X, _, page = made["bayes"]
    component = model.summary(X).components[0]
    assert numbers.interval(component.weight_interval) in page.texts["model"]
    assert "Of at most 5 components, 2 have at least one row" in page.texts["choice"]


def test_rows_of_another_sample_are_noticed():
    model = mixture_of(2).fit(FAITHFUL)
    assert "not those of the fit" not in page_of(model, FAITHFUL).words
    page = page_of(model, FAITHFUL[:100])
    assert "The rows of this report are not those of the fit" in page.texts["first"]
    assert numbers.nats(model.bic(FAITHFUL[:100])) in page.texts["model"]


def test_a_fit_that_did_not_converge_is_warned_of():
    model = quietly(lambda: mixture_of(3, max_iter=1).fit(IRIS))
    assert model.report_.message in page_of(model, IRIS).texts["first"]


def test_rows_without_values_of_their_own_are_not_drawn():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 2)) + 5.0 * rng.integers(0, 2, (120, 1))
    views = rng.normal(size=(120, 1, 2))
    seen = np.einsum("npd,nd->np", views, X)
    model = quietly(lambda: mixture_of(2).fit(seen, projections=views))
    page = page_of(model, seen, projections=views)
    assert page.tables["doubtful"][0][0] == ["row", "most probable", "second"]
    assert "Their values are projections" in page.texts["doubtful"]
    assert page.texts["pictures"].count("No rows by x0 and x1") == 1


def test_the_same_rows_give_the_same_page():
    X = holey(IRIS)
    first, second = (mixture_of(3, n_init=2).fit(X).to_report(X) for _ in range(2))
    assert first == second


def test_versions_are_those_that_run():
    import scipy
    import sklearn

    page = page_of(mixture_of(2).fit(FAITHFUL), FAITHFUL)
    found = dict(map(tuple, page.tables["versions"][0][1:]))
    assert found["ellimix"] == em.__version__
    assert found["numpy"] == np.__version__
    assert (found["scipy"], found["scikit-learn"]) == (scipy.__version__, sklearn.__version__)
    assert {"numba", "Python", "platform"} <= set(found)
