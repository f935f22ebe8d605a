"""The section on a stream, of any record with the attributes of `reporting.streams`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest

import ellimix as em
from ellimix.reporting import report_page
from ellimix.reporting.streams import stream_of
from ellimix.reporting.subject import of_estimator
from ellimix.sources.memory import MemorySource
from ellimix.summary import numbers
from report_problems import FAITHFUL, Page, code_of, mixture_of, page_of, quietly


@dataclass(frozen=True, eq=False)
class Batch:
    number: int
    rows: int = 100
    step: float = 0.5
    fit: float = -4.0
    expected: float | None = -4.1
    z: float | None = 0.5
    misfits: float | None = 0.02
    moved: np.ndarray = field(default_factory=lambda: np.array([0.1, 0.25, np.nan]))
    births: tuple[int, ...] = ()
    deaths: tuple[int, ...] = ()
    components: int = 2


@dataclass(frozen=True)
class Record:
    batches: tuple[Batch, ...]
    limit: float = 3.0
    total: float = -0.4
    drifted: bool = False

    @property
    def strange(self):
        return tuple(b for b in self.batches if b.z is not None and abs(b.z) > self.limit)


def page_with(record):
    model = mixture_of(2).fit(FAITHFUL)
    subject = of_estimator(model, MemorySource(FAITHFUL), model.summary(FAITHFUL))
    return Page(report_page(replace(subject, stream=record)))


def test_a_model_that_followed_a_stream(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    model, batches = mixture_of(2), []
    for middle in (0.0, 0.0, 0.0, 4.0):
        X = np.concatenate([rng.normal(middle, 1.0, (200, 2)), rng.normal(12.0, 1.0, (200, 2))])
        batches.append(X)
        quietly(partial(model.partial_fit, X))
    record, page = model.stream_, page_of(model, X)
    assert record.drifted
    rows = page.tables["drift"][0][1:]
    assert [row[0] for row in rows] == [str(batch.number) for batch in record.batches]
    for row, batch in zip(rows[1:], record.batches[1:], strict=True):
        mark = "*" if batch in record.strange else ""
        assert row[3:6] == [f"{batch.fit:.3f}", f"{batch.expected:.3f}", f"{batch.z:.1f}{mark}"]
        assert row[7] == f"{batch.moved.max():.2f}"
    named = ", ".join(str(batch.number) for batch in record.strange)
    assert f"of the batches {named} " in page.texts["drift"]
    assert numbers.nats(model.bic(X)) in page.texts["model"]
    assert page.texts["first"] == f"Read this first {model.report_.notes[-1]}"
    (code,) = code_of(page)
    monkeypatch.chdir(tmp_path)
    quietly(lambda: exec(code, {"batches": batches, "X": X}))
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page.source
    assert "batches are the 4 batches" in page.texts["again"]


def test_a_posterior_of_several_batches(tmp_path, monkeypatch):
    model = em.BayesianGaussianMixture(2, max_iter=500, random_state=0)
    for batch in (FAITHFUL[:150], FAITHFUL[150:]):
        model.partial_fit(batch)
    page = page_of(model, FAITHFUL[150:])
    assert "drift" not in page.texts
    (code,) = code_of(page)
    monkeypatch.chdir(tmp_path)
    exec(code, {"batches": [FAITHFUL[:150], FAITHFUL[150:]], "X": FAITHFUL[150:]})
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page.source


def test_a_stream_without_drift():
    first = Batch(1, 272, 1.0, -4.15, None, None, None, np.zeros(2))
    page = page_with(Record((first, Batch(2))))
    head, *rows = page.tables["drift"][0]
    assert head[:6] == ["batch", "rows", "step", "fit", "expected", "z"]
    assert rows == [
        ["1", "272", "1.000", "-4.150", "-", "-", "-", "0.00", "2", ""],
        ["2", "100", "0.500", "-4.000", "-4.100", "0.5", "2.0%", "0.25", "2", ""],
    ]
    assert (
        "There is no sign of drift over 2 batches: all z together are -0.4, and no batch is strange"
        in page.texts["drift"]
    )
    assert "* marks |z| above 3.00" in page.texts["drift"]


def test_a_stream_that_drifted():
    late = Batch(3, z=-8.25, births=(2,), deaths=(0, 1), components=1)
    page = page_with(Record((Batch(2), late), drifted=True, total=-6.0))
    rows = page.tables["drift"][0][1:]
    assert rows[1][5] == "-8.2*"
    assert rows[1][8:] == ["1", "2 is born, 0 died, 1 died"]
    assert "The stream drifted over 2 batches" in page.texts["drift"]
    assert "of the batches 3 is strange" in page.texts["drift"]


def test_of_many_batches_the_last_are_shown():
    page = page_with(Record(tuple(Batch(j) for j in range(1, 81))))
    rows = page.tables["drift"][0][1:]
    assert [row[0] for row in rows] == [str(j) for j in range(31, 81)]
    assert "30 earlier batches are not shown" in page.texts["drift"]


def test_a_model_without_a_stream_has_no_section():
    model = mixture_of(2).fit(FAITHFUL)
    if stream_of(model) is not None:
        pytest.fail("fit leaves no stream")
    assert "drift" not in page_of(model, FAITHFUL).texts
