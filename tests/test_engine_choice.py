"""Which engine serves: a rule on the shape of the data, and NumPy where numba is not installed."""

from __future__ import annotations

import inspect
import itertools
import subprocess
import sys

import numpy as np
import pytest

import ellimix as em
from ellimix.engines import ENGINES, NAMES, choice, choose

# a path finder that does not see the packages: find_spec then says None, and imports fail
HIDDEN = """
import importlib.util, importlib.machinery, sys
class Hidden(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)
where = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[where] = Hidden
"""


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# the rule


def test_the_registry():
    assert list(ENGINES) == list(NAMES) == ["numpy", "numba"]
    assert len(ENGINES) == 2
    for name in NAMES:
        assert ENGINES[name].name == name
        assert ENGINES[name] is ENGINES[name]
    with pytest.raises(KeyError):
        ENGINES["abacus"]


def test_the_rule_knows_the_shape_and_nothing_else():
    names = list(inspect.signature(choose).parameters)
    assert names == ["name", "n_rows", "d", "components", "full", "passes", "patterns"]
    sizes = itertools.product((10, 1000, 10**5, 10**7), (1, 4, 30), (1, 5, 50), (False, True))
    for shape in sizes:
        chosen = choose("auto", *shape)
        assert chosen is choose("auto", *shape)
        for name in NAMES:
            assert choose(name, *shape) is ENGINES[name]


def test_more_work_never_means_the_slower_engine():
    """Monotone in rows, features, components, full matrices and passes."""
    sizes = [10**p for p in range(1, 8)]
    for d, k, full in itertools.product((1, 4, 30), (1, 5, 50), (False, True)):
        chosen = [choose("auto", n, d, k, full).name for n in sizes]
        assert chosen == sorted(chosen, reverse=True)  # numpy, then numba
        assert choose("auto", 10, d, k, full).name == "numpy"
        assert choose("auto", 10**8, d, k, full).name == "numba"
    for n in sizes:
        by_d = [choose("auto", n, d, 5, True).name for d in (1, 4, 10, 50)]
        by_k = [choose("auto", n, 4, k, True).name for k in (1, 4, 10, 50)]
        by_passes = [choose("auto", n, 4, 5, True, passes).name for passes in (1, 10, 1000)]
        for names in (by_d, by_k, by_passes):
            assert names == sorted(names, reverse=True)
        if choose("auto", n, 4, 5, False).name == "numba":
            assert choose("auto", n, 4, 5, True).name == "numba"


def test_an_unknown_engine_is_named():
    with pytest.raises(KeyError, match="abacus"):
        choose("abacus", 10, 2, 2, True)
    model = em.GaussianMixture(2, engine="abacus")
    with pytest.raises(ValueError, match=r"'engine' parameter.*'numba'.*'abacus'"):
        model.fit(np.zeros((5, 2)))


@pytest.mark.parametrize("engine", ["auto", *NAMES])
def test_the_report_names_the_engine(engine):
    rows = em.datasets.iris()[0]
    model = em.GaussianMixture(3, engine=engine, random_state=0).fit(rows)
    assert model.report_.engine == ("numpy" if engine == "auto" else engine)


def test_engines_agree_on_a_fit():
    rows = em.datasets.iris()[0]
    ours, other = (
        em.GaussianMixture(3, engine=name, random_state=0, reg_covar=0.0).fit(rows)
        for name in NAMES
    )
    assert ours.n_iter_ == other.n_iter_
    np.testing.assert_allclose(ours.means_, other.means_, rtol=1e-9)
    np.testing.assert_allclose(ours.report_.trace, other.report_.trace, rtol=1e-11)
    np.testing.assert_array_equal(ours.labels_, other.labels_)


def test_large_data_get_the_compiled_engine(monkeypatch):
    monkeypatch.setattr(choice, "COMPILED_FROM", 1.0)
    model = em.GaussianMixture(3, random_state=0).fit(em.datasets.iris()[0])
    assert model.report_.engine == "numba"


# what is imported


def test_small_data_never_import_numba():
    out = python(
        "import sys, ellimix as em\n"
        "X = em.datasets.iris()[0]\n"
        "model = em.GaussianMixture(3, random_state=0).fit(X)\n"
        "model.predict(X); model.score(X); model.sample(5); model.bic(X)\n"
        "print(model.report_.engine, {'numba', 'llvmlite'} & set(sys.modules) or 'none')"
    )
    assert out.split() == ["numpy", "none"]


def test_asked_for_it_is_imported():
    out = python(
        "import sys, ellimix as em\n"
        "model = em.GaussianMixture(3, engine='numba', random_state=0).fit(em.datasets.iris()[0])\n"
        "print(model.report_.engine, 'numba' in sys.modules)"
    )
    assert out.split() == ["numba", "True"]


@pytest.mark.parametrize("gone", [HIDDEN, "import sys; sys.modules['numba'] = None\n"])
def test_without_numba(gone):
    """``auto`` falls back on any shape; what was asked for by name is refused with a remedy."""
    out = python(
        gone + "import ellimix as em\n"
        "from ellimix.engines import choice, choose\n"
        "assert not choice.has_numba()\n"
        "assert choose('auto', 10**9, 100, 100, True).name == 'numpy'\n"
        "choice.COMPILED_FROM = 1.0\n"
        "X = em.datasets.iris()[0]\n"
        "print(em.GaussianMixture(3, random_state=0).fit(X).report_.engine)\n"
        "for ask in (lambda: choose('numba', 10, 2, 2, True),\n"
        "            lambda: em.GaussianMixture(3, engine='numba').fit(X)):\n"
        "    try:\n        ask()\n"
        "    except em.MissingExtra as error:\n        print(error)\n"
        "    else:\n        raise SystemExit('no error')"
    )
    engine, *sentences = out.splitlines()
    assert engine == "numpy"
    assert len(sentences) == 2
    for sentence in sentences:
        assert "'numba', which is not installed" in sentence
        assert sentence.endswith("pip install numba")


REFUSED = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name == "numba":
            raise ImportError("Numba needs another NumPy")

sys.meta_path.insert(0, Refused())
from ellimix.engines import choice

print(choice.choose("auto", 10**9, 10, 10, True).name)
try:
    choice.choose("numba", 10, 1, 1, True)
except ImportError as error:
    print(error)
"""


def test_a_numba_that_does_not_import_is_as_good_as_none():
    assert python(REFUSED).splitlines() == ["numpy", "Numba needs another NumPy"]


NOWHERE = """
import numba

real = numba.njit

def njit(*args, **options):
    if options.get("cache"):
        raise RuntimeError("cannot cache function: no locator available")
    return real(*args, **options)

numba.njit = njit
import numpy as np
import ellimix as em

rows = np.random.default_rng(0).normal(size=(100, 2))
print(em.GaussianMixture(2, engine="numba", random_state=0).fit(rows).report_.engine)
"""


def test_compiled_code_that_can_be_kept_nowhere_still_runs():
    assert python(NOWHERE).split() == ["numba"]
