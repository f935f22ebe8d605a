"""The package itself: lazy imports, missing extras, public names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ellimix as em


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_import_is_lazy():
    done = python(
        "import sys, ellimix\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'matplotlib', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    for name in em.__all__:
        assert getattr(em, name) is not None
    assert set(dir(em)) == set(em.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        em.nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("package", "extra", "code"),
    [
        ("matplotlib", "plots", "em.plots.clusters(m, [[0.0, 0.0], [1.0, 1.0]])"),
        (
            "plotly",
            "interactive",
            "em.plot(m, [[0.0, 0.0], [1.0, 1.0]], backend='plotly')",
        ),
        (
            "pyarrow",
            "cli",
            "from ellimix.sources.tables import read_table as read; read(em.datasets.path('iris'))",
        ),
    ],
)
def test_a_missing_package_names_its_extra(package, extra, code):
    done = python(
        f"import sys; sys.modules[{package!r}] = None\n"
        "import ellimix as em\n"
        "m = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], 'VII')\n"
        f"try:\n    {code}\n"
        f"except em.MissingExtra as error:\n    assert 'ellimix[{extra}]' in str(error), error\n"
        "else:\n    raise SystemExit('no error')"
    )
    assert done.returncode == 0, done.stderr


def test_plotly_draws_without_matplotlib():
    done = python(
        "import sys; sys.modules['matplotlib'] = None\n"
        "import ellimix as em\n"
        "m = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], 'VII')\n"
        "for kind in em.plots.KINDS:\n"
        "    if kind in ('clusters', 'density', 'pairs'):\n"
        "        assert em.plot(m, [[0.0, 0.0]], kind, backend='plotly').data\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["cyclopts", "rich"])
def test_the_command_without_its_packages(package):
    done = python(
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['ellimix', 'demo']\n"
        "from ellimix.cli import main; main()"
    )
    assert done.returncode == 2
    assert "pip install 'ellimix[cli]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_unknown_data_set():
    with pytest.raises(ValueError, match="there are faithful, iris"):
        em.datasets.path("titanic")
