"""Reports on rows that are not in memory: from passes over them, which are counted."""

from __future__ import annotations

import numpy as np
import pytest
from pyarrow import parquet

import ellimix as em
from ellimix.summary import numbers
from outside_rows import blobs, table
from report_problems import Page, page_of, quietly

ROWS = 30_000


@pytest.fixture
def place(tmp_path):
    X = blobs(ROWS)
    X[::50, 1] = np.nan
    weight = np.random.default_rng(1).integers(0, 3, ROWS).astype(float)
    for part in range(3):
        own = slice(part * ROWS // 3, (part + 1) * ROWS // 3)
        parquet.write_table(table(X[own], weight[own]), tmp_path / f"x{part}.parquet")
    return tmp_path / "x*.parquet", X, weight


def test_it_says_what_a_report_on_the_rows_in_memory_says(place):
    path, X, weight = place
    stream = em.rows(str(path), weights="w", memory=0)
    model = quietly(lambda: em.GaussianMixture(3, random_state=0).fit(stream))
    outside = page_of(model, em.rows(str(path), weights="w", memory=0))
    text = outside.texts
    assert f"of {ROWS:,} rows and 3 features (total weight" in text[""]
    summary = model.summary(em.rows(str(path), weights="w", memory=0))
    assert numbers.nats(summary.rows.bic) in text["model"]
    assert f"two passes were made over all {ROWS:,} rows" in text["first"]
    assert f"passes were made over all {ROWS:,} rows: one to look at" in text["first"]
    assert "5,000 of 30,000 rows, chosen at random, by" in outside.captions("svg")[0]
    assert "not those of the fit" not in outside.words
    inside = em.GaussianMixture.from_mixture(
        em.Mixture(model.mixture_.parameters, model.mixture_.family)
    )
    known = Page(inside.to_report(X, sample_weight=weight))
    assert outside.tables["doubtful"][0][1:] == known.tables["doubtful"][0][1:]
    assert [row[1:3] for row in outside.tables["clusters"][0]] == [
        row[1:3] for row in known.tables["clusters"][0]
    ]


def test_the_rows_are_passed_twice(place):
    _, X, _ = place
    model = em.GaussianMixture(3, random_state=0).fit(np.nan_to_num(X[:2000]))
    calls = []

    def blocks():
        calls.append(1)
        yield from np.array_split(X, 7)

    stream = em.rows(blocks, memory=0)
    opened = len(calls)
    model.to_report(stream)
    assert len(calls) - opened == 2


def test_a_search_over_files(place):
    path, _, _ = place
    stream = em.rows(str(path), columns=["a", "b"], memory=0)
    found = quietly(
        lambda: em.GaussianMixtureSearch("VVV", [2, 3], random_state=0, engine="numpy").fit(stream)
    )
    page = page_of(found, stream)
    assert len(page.tables["choice"][0]) == 3
    assert "degenerate" in page.texts
    assert f"of {ROWS:,} rows and 2 features" in page.texts[""]
    assert {"a", "b"} <= set(page.tables["doubtful"][0][0])


def test_few_rows_of_a_file_are_loaded(place):
    path, X, _ = place
    stream = em.rows(str(path), columns=["a", "b", "c"])
    model = em.GaussianMixture(3, random_state=0).fit(X)
    page = Page(model.to_report(stream) if not model.mixture_.feature_names else "")
    assert "passes were made" not in page.words
    assert numbers.nats(model.bic(X)) in page.texts["model"]
