"""How far a pass is, what is printed of it, and how much memory a fit takes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

import ellimix as em
from broken_fits import fitted, model, rows, write
from ellimix.cli.watching import kept, pass_bar, said
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.estimators.verbose import PassPrinter
from ellimix.records import Block
from ellimix.sources.reading import Chunk
from ellimix.sources.watching import Meter, PassProgress

X = rows()


def blocks(sizes):
    return [Block(np.zeros((size, 1)), None) for size in sizes]


@pytest.mark.parametrize("total", [10, None])
def test_a_meter_counts_rows_as_blocks_are_taken(total):
    seen = []
    meter = Meter(seen.append, every=0.0)
    for number in (1, 2):
        taken = list(meter.over(blocks([4, 4, 2]), total))
        assert [block.rows.shape[0] for block in taken] == [4, 4, 2]
        mine = [p for p in seen if p.number == number]
        assert [(p.done, p.ended) for p in mine] == [
            (4, False),
            (8, False),
            (10, False),
            (10, True),
        ]
        assert all(p.total == total for p in mine)
        assert [p.share for p in mine[:3]] == ([0.4, 0.8, 1.0] if total else [None] * 3)
        seconds = [p.seconds for p in mine]
        assert seconds == sorted(seconds)
        assert (mine[-1].share, mine[-1].left) == (1.0, 0.0)


def test_it_speaks_now_and_then():
    seen = []
    assert len(list(Meter(seen.append, every=1e3).over(blocks([1] * 50), 50))) == 50
    assert [p.ended for p in seen] == [True]


def test_seconds_left():
    assert PassProgress(1, 250, 1_000, 5.0).left == 15.0
    assert PassProgress(1, 250, None, 5.0).left is None
    assert PassProgress(1, 0, 1_000, 0.0).left is None
    assert PassProgress(1, 1_200, 1_000, 5.0).left == 0.0  # more than there were said to be
    assert PassProgress(1, 1_200, 1_000, 5.0).share == 1.0


@pytest.mark.parametrize("threads", [1, 2])
def test_passes_of_a_fit(threads, tmp_path):
    source = em.rows(write(tmp_path / "x.parquet", X), memory=0, threads=threads)
    seen, other = [], []
    watched = fitted(model("squarem"), source.watched(seen.append).watched(other.append))
    ends = [p for p in seen if p.ended]
    assert [p.number for p in ends] == list(
        range(1, watched.n_iter_ + 3)
    )  # a look, iterations, scores
    assert {p.done for p in ends} == {len(X)}
    assert {p.total for p in ends} == {len(X)}
    assert other == seen
    alone = fitted(model("squarem"), source)
    assert alone.lower_bounds_ == watched.lower_bounds_
    assert np.array_equal(alone.means_, watched.means_)


def test_the_number_of_rows_is_known_after_the_look():
    seen = []
    source = em.rows(lambda: iter(np.array_split(X, 3)), memory=0).watched(seen.append)
    fitted(model("plain", max_iter=2), source)
    totals = {p.number: p.total for p in seen}
    assert totals == {1: None, 2: len(X), 3: len(X), 4: len(X)}


def test_what_is_printed(tmp_path, capsys):
    path = write(tmp_path / "x.parquet", X)
    fit = fitted(model("em", verbose=1), em.rows(path, memory=0))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        rf"Rows of 3 columns from {path}, read anew in every pass: about \d+ MiB of memory, "
        "however many rows there are.",
        lines[0],
    )
    pattern = r"Pass (\d+): 1,500 rows in \d+\.\d s \([0-9,]+ rows/s\)"
    assert re.fullmatch(pattern, lines[1])
    assert len(lines) == 2 + fit.n_iter_ + 2
    assert re.fullmatch(pattern, lines[-1])  # that scores the rows
    for number, line in enumerate(lines[2:-2]):
        found = re.fullmatch(pattern + r", objective (-\d+\.\d{6})(, change \S+)?", line)
        assert found is not None, line
        assert int(found[1]) == number + 2
        assert float(found[2]) == pytest.approx(fit.lower_bounds_[number], abs=1e-6)
    assert lines[-2].startswith("Initialization 0: ")


def test_a_long_pass_is_told_while_it_runs(capsys):
    printer = PassPrinter(patience=5.0)
    for seconds in (1.0, 4.9, 5.0, 6.0, 9.9, 10.1):
        printer.tell(PassProgress(3, int(seconds * 1e6), 100_000_000, seconds))
    printer.tell(PassProgress(4, 7_000_000, None, 7.0))
    assert capsys.readouterr().out.splitlines() == [
        "Pass 3: 5% of 100,000,000 rows, 1,000,000 rows/s, 1 min 35 s left",
        "Pass 3: 10% of 100,000,000 rows, 1,000,000 rows/s, 1 min 30 s left",
        "Pass 4: 7,000,000 rows so far, 1,000,000 rows/s",
    ]


def test_nothing_is_printed_unasked(tmp_path, capsys):
    fitted(model("em"), em.rows(write(tmp_path / "x.parquet", X), memory=0))
    assert capsys.readouterr().out == ""


# -- on the command line -------------------------------------------------------------------------


def test_a_bar_on_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with pass_bar(console) as tell:
        tell(PassProgress(2, 40, 100, 2.0))
    assert "pass 2" in console.file.getvalue()
    assert "40 of 100 rows, 20 rows/s, 3 s left" in console.file.getvalue()


def test_no_bar_elsewhere():
    with pass_bar(Console(file=io.StringIO())) as tell:
        assert tell is None


def test_what_a_bar_says_of_unknown_rows():
    assert said(PassProgress(1, 500, None, 2.0)) == "500 rows, 250 rows/s"


def test_options_of_the_command_line():
    assert kept(None, False) == {}
    assert kept(Path("run.json"), True) == {"checkpoint": Path("run.json"), "resume": True}
    with pytest.raises(DataError, match="--resume needs --checkpoint"):
        kept(None, True)


# -- memory --------------------------------------------------------------------------------------


class Endless:
    """A reader of as many rows as one likes."""

    where, names, dtype, weighted, most_bytes, working_bytes = (
        "x",
        None,
        np.dtype(float),
        False,
        0,
        0,
    )
    n_features = 4

    def __init__(self, n_rows):
        self.n_rows = n_rows

    def chunks(self, size):
        yield Chunk(np.zeros((self.n_rows, 4)))


def test_the_bound_does_not_grow_with_the_rows():
    from ellimix.sources.stream import StreamSource

    engine = ENGINES["numpy"]
    few, many = (StreamSource(reader=Endless(n), threads=2) for n in (10, 10**12))
    assert few.pass_bytes(engine, 3, 1_000) == many.pass_bytes(engine, 3, 1_000)
    assert few.pass_bytes(engine, 3, 2_000) > few.pass_bytes(engine, 3, 1_000)
    assert few.pass_bytes(engine, 30, 1_000) > few.pass_bytes(engine, 3, 1_000)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="says how much memory")
@pytest.mark.parametrize(("n", "d", "k"), [(1_000_000, 8, 4), (250_000, 24, 6)])
def test_it_is_what_a_process_takes(n, d, k, tmp_path):
    path = str(tmp_path / "x.parquet")
    rng, column = np.random.default_rng(0), [str(j) for j in range(d)]
    with parquet.ParquetWriter(path, pa.schema([(name, pa.float64()) for name in column])) as out:
        for _ in range(10):
            part = rng.normal(size=(d, n // 10))
            out.write_table(pa.table(list(part), names=column))
    script = Path(__file__).with_name("memory_of_a_fit.py")
    source = str(Path(em.__file__).parents[1])
    out = subprocess.run(
        [sys.executable, script, path, str(k)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    taken, told = map(int, out.split())
    assert taken < 2.5 * told, out
    assert told < 2.5 * taken, out
