"""The calls of a report make the same model, and the same report, again."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

import ellimix as em
from ellimix.cli.app import run
from ellimix.errors import DataError
from ellimix.reporting.calls import Unwritten, changed, command_call, literal, python_call
from ellimix.selection.guard import Guard
from ellimix.summary import numbers
from report_problems import FAITHFUL, IRIS, MODELS, Page, code_of, mixture_of, quietly, search

PLAIN, BAYES = "ellimix report DATA.csv", "ellimix fit DATA.csv --bayes"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def file_of(X, path, names=None, **columns):
    table = {name: X[:, j] for j, name in enumerate(names or [f"x{j}" for j in range(X.shape[1])])}
    table |= columns
    lines = [",".join(table)]
    lines += [
        ",".join(repr(float(value)) for value in row) for row in zip(*table.values(), strict=True)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "bare"])
def test_python_makes_the_same_report_again(kind, here):
    model, X, known = MODELS[kind]()
    page = model.to_report(X, **known)
    code = code_of(Page(page))[0]
    quietly(lambda: exec(code, {"X": X, **known}))
    assert (here / "report.html").read_text(encoding="utf-8") == page


def test_a_model_from_a_file_is_opened_again(here):
    model, X, _ = MODELS["bare"]()
    model.save("model.json")
    page = model.to_report(X)
    exec(code_of(Page(page))[0], {"X": X})
    assert (here / "report.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    "model",
    [
        em.GaussianMixture(
            3, covariance_type="VEV", tol=1e-5, means_init=np.eye(3, 4), n_init=2, random_state=7,
            weights_init=[0.5, 0.25, 0.25],
        ),
        em.GaussianMixture(2, prior=em.Prior(mean=[1.0] * 4, shrinkage=20.0), random_state=1),
        em.BayesianGaussianMixture(
            3, weight_concentration_prior=np.float64(0.5), mean_prior=np.ones(4), random_state=3
        ),
        em.GaussianMixtureSearch(
            ("EEE", "VVV"), [1, 3], criterion="icl", guard=Guard(thin=1e-4),
            random_state=np.int64(5),
        ),
    ],
)  # fmt: skip
def test_parameters_are_written_as_code(model, here):
    quietly(lambda: model.fit(IRIS))
    call = python_call(model)
    assert not [note for note in call.notes if "not written out" in note]
    space = {"X": IRIS}
    quietly(lambda: exec("\n".join(call.lines), space))
    again = space["model"]
    assert again is not model
    assert {*changed(again)} == {*changed(model)}
    np.testing.assert_array_equal(again.mixture_.means, model.mixture_.means)
    assert (here / "report.html").is_file()


def test_what_cannot_be_written_has_to_be_there():
    model = mixture_of(2)
    model.set_params(random_state=np.random.RandomState(0), means_init=np.zeros((101, 2)))
    call = python_call(model)
    assert any("random_state=random_state" in line for line in call.lines)
    assert [note for note in call.notes if "not written out" in note] == [
        "means_init, of type ndarray, of shape (101, 2), has to be there: it is not written out.",
        "random_state, of type RandomState, has to be there: it is not written out.",
    ]
    assert "random_state was None" in " ".join(python_call(em.GaussianMixture(2)).notes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (float("inf"), 'float("inf")'),
        ((1,), "(1,)"),
        (np.array([1.5, 2.0]), "np.array([1.5, 2.0])"),
        (range(1, 5), "range(1, 5)"),
        (em.Prior(), "em.Prior()"),
        (Guard(chance=6), "Guard(chance=6)"),
        ("a'b\n", repr("a'b\n")),
        (np.bool_(True), "True"),
    ],
)
def test_literals(value, text):
    assert literal(value) == text


def test_what_no_code_gives_is_refused():
    with pytest.raises(Unwritten, match="object"):
        literal(object())


def test_the_command_of_a_search_finds_the_same_model(here):
    model = search(FAITHFUL, ("EEE",), most=4)
    file_of(FAITHFUL, here / "DATA.csv")
    call = command_call(model)
    assert call.lines == ("ellimix report DATA.csv --components 3 --covariance EEE",)
    assert run(shlex.split(call.lines[0])[1:]) == 0
    page = Page((here / "report.html").read_text(encoding="utf-8"))
    assert numbers.nats(model.bic(FAITHFUL)) in page.texts["model"]


@pytest.mark.parametrize(
    ("model", "given", "line", "said"),
    [
        (
            lambda: mixture_of(2, noise=True, tol=1e-5).fit(FAITHFUL),
            ["sample_weight", "errors"],
            f"{PLAIN} --components 2 --covariance full --noise --weights WEIGHT_COLUMN",
            "The command has no option for tol, errors: it has values of its own.",
        ),
        (
            lambda: em.GaussianMixtureSearch(random_state=4, prior="default"),
            [],
            "ellimix report DATA.csv --prior default --seed 4",
            "",
        ),
        (
            lambda: em.BayesianGaussianMixture(
                4, weight_concentration_prior=0.5, max_iter=9, random_state=2
            ),
            [],
            f"{BAYES} --components 4 --covariance full --concentration 0.5 --seed 2",
            "The command has no option for max_iter: it has values of its own.",
        ),
        (
            lambda: em.GaussianMixture("auto", covariance_type="auto", n_init=1),
            [],
            "ellimix report DATA.csv",
            "",
        ),
    ],
)
def test_commands(model, given, line, said):
    made = model()
    if isinstance(made, em.GaussianMixtureSearch):
        made.best_params_ = {"n_components": 1, "covariance_type": "EII"}
    call = command_call(made, given)
    assert call.lines == (line,)
    assert said in " ".join(call.notes)
    assert said or "no option" not in " ".join(call.notes)


def test_a_model_that_is_not_fitted_has_no_report():
    with pytest.raises(ValueError, match="not fitted"):
        em.GaussianMixture(2).to_report(FAITHFUL)


def test_a_folder_that_is_not_there_is_refused_before_any_work(here):
    model = mixture_of(2).fit(FAITHFUL)
    with pytest.raises(DataError, match="There is no folder"):
        model.to_report("no rows at all", here / "none" / "report.html")
    with pytest.raises(DataError, match="is a folder: name a file in it"):
        model.to_report(FAITHFUL, here)
    assert [*here.iterdir()] == []


def test_a_page_is_written_beside_and_renamed(here):
    model = mixture_of(2).fit(FAITHFUL)
    place = here / "r.html"
    place.write_text("old", encoding="utf-8")
    assert model.to_report(FAITHFUL, str(place)) is None
    assert place.read_text(encoding="utf-8") == model.to_report(FAITHFUL)
    assert [*here.iterdir()] == [place]
