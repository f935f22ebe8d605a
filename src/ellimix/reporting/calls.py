"""The calls that make a model again: in Python and on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from inspect import signature
from types import NoneType
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.estimators.bayesian_mixture import BayesianGaussianMixture
from ellimix.estimators.gaussian_mixture import GaussianMixture
from ellimix.estimators.search import GaussianMixtureSearch
from ellimix.inference.priors import DEFAULT, Prior
from ellimix.selection.guard import Guard

WIDTH: Final = 88  # of a line of code
MOST_NUMBERS: Final = 200  # of an array that is written out
DATA: Final = "DATA.csv"
AUTO: Final = "auto"
OWN_STARTS: Final = "It makes starts of its own, and so may find a better optimum than this fit's."
NO_MATTER: Final = ("verbose", "verbose_interval", "order", "engine")  # the model is the same


@final
@dataclass(frozen=True)
class Call:
    """How to run something again.

    Parameters
    ----------
    caption : str
    lines : tuple of str
    notes : tuple of str
        What the lines leave open, in sentences.
    """

    caption: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Unwritten(ValueError):
    """A value that no line of code can write out."""


def changed(estimator: Any) -> dict[str, Any]:
    """The parameters of an estimator that are not the defaults, in the constructor's order."""
    given = estimator.get_params(deep=False)
    return {
        name: given[name]
        for name, parameter in signature(type(estimator)).parameters.items()
        if not _same(given[name], parameter.default)
    }


def _same(value: Any, default: Any) -> bool:
    return value is default or (
        type(value) is type(default) and isinstance(value, str | int | float) and value == default
    )


def literal(value: Any) -> str:
    """A value as Python code, with ``em`` for ellimix and ``np`` for NumPy.

    Raises
    ------
    Unwritten
        No code of a reasonable length gives this value.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.reporting.calls import literal
    >>> literal(["EEE", None]), literal(np.float64(0.5)), literal(np.eye(2))
    ("['EEE', None]", '0.5', 'np.array([[1.0, 0.0], [0.0, 1.0]])')
    """
    for kinds, write in WRITERS:
        if isinstance(value, kinds):
            return write(value)
    raise Unwritten(type(value).__name__)


def _float(value: float) -> str:
    return repr(value) if np.isfinite(value) else f'float("{value}")'


def _tuple(value: tuple[Any, ...]) -> str:
    return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"


def _array(value: NDArray[Any]) -> str:
    if value.size > MOST_NUMBERS:
        raise Unwritten(f"ndarray, of shape {value.shape}")
    return f"np.array({literal(value.tolist())})"


def _fields(value: Any) -> str:
    parts = []
    for field in fields(value):
        own = getattr(value, field.name)
        if not _same(own, field.default):
            parts.append(f"{field.name}={literal(own)}")
    return ", ".join(parts)


WRITERS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (np.generic, lambda value: literal(value.item())),  # first: NumPy's float64 is a float
    (float, _float),
    ((NoneType, bool, int, str, range), repr),
    (list, lambda value: f"[{', '.join(map(literal, value))}]"),
    (tuple, _tuple),
    (np.ndarray, _array),
    (Prior, lambda value: f"em.Prior({_fields(value)})"),
    (Guard, lambda value: f"Guard({_fields(value)})"),
)


def python_call(estimator: Any, given: Sequence[str] = (), data: str = "") -> Call:
    """The lines of Python that fit an estimator again and make its report.

    Parameters
    ----------
    estimator : fitted estimator
    given : sequence of str
        Arguments of `fit` besides the rows.
    data : str
        Code that gives the rows; by default ``X``, which has to be there.
    """
    lines, notes = _made(estimator)
    arguments = "".join(f", {name}={name}" for name in given)
    if data:
        lines.append(f"X = {data}")
    lines += [f"model.fit(X{arguments})", f'model.to_report(X, "report.html"{arguments})']
    open_names = [*(["X"] if not data else []), *given]
    if open_names:
        verb = "is" if len(open_names) == 1 else "are"
        notes.append(f"{', '.join(open_names)} {verb} what this report was made of.")
    notes += _about_seed(estimator.random_state)
    return Call("In Python", tuple(lines), tuple(notes))


def stream_call(estimator: Any, n_batches: int) -> Call:
    """The lines of Python that follow a stream again.

    Parameters
    ----------
    estimator : fitted estimator
    n_batches : int
    """
    lines, notes = _made(estimator)
    lines += ["for batch in batches:", "    model.partial_fit(batch)"]
    lines.append('model.to_report(X, "report.html")')
    notes.append(
        f"batches are the {n_batches:,} batches of rows that the model saw, in their order, with "
        "what else was passed of each; X is what this report was made of."
    )
    return Call("In Python", tuple(lines), (*notes, *_about_seed(estimator.random_state)))


def _made(estimator: Any) -> tuple[list[str], list[str]]:
    """The lines that make an estimator with its parameters, and what they leave open."""
    notes, written = [], []
    for name, value in changed(estimator).items():
        try:
            written.append(f"{name}={literal(value)}")
        except Unwritten as error:
            written.append(f"{name}={name}")
            notes.append(f"{name}, of type {error}, has to be there: it is not written out.")
    code = " ".join(written)
    lines = ["import ellimix as em"]
    lines += ["import numpy as np"] * ("np.array(" in code)
    lines += ["from ellimix.selection.guard import Guard"] * ("Guard(" in code)
    return [*lines, "", *_assigned(type(estimator).__name__, written)], notes


def _about_seed(seed: Any) -> tuple[str, ...]:
    if seed is not None:
        return ()
    text = (
        "random_state was None: starts are drawn anew in each run, so that another one may end "
        "elsewhere. Set a number for runs that repeat."
    )
    return (text,)


def _assigned(name: str, written: Sequence[str]) -> list[str]:
    """``model = em.NAME(...)``, on one line or one for each parameter."""
    line = f"model = em.{name}({', '.join(written)})"
    if len(line) <= WIDTH:
        return [line]
    return [f"model = em.{name}(", *(f"    {text}," for text in written), ")"]


def restored_call(estimator: Any) -> Call:
    """The lines for a model whose parameters were given."""
    name = type(estimator).__name__
    lines = (
        "import ellimix as em",
        "",
        f'model = em.{name}.load("model.json")',
        'model.to_report(X, "report.html")',
    )
    note = (
        "The parameters were given, or come from a file: how they were found is not known here. "
        'model.json is what model.save("model.json") wrote.'
    )
    return Call("In Python", lines, (note,))


def command_call(estimator: Any, given: Sequence[str] = ()) -> Call:
    """The command that fits such a model to a file.

    Parameters
    ----------
    estimator : fitted estimator
    given : sequence of str
        Arguments of `fit` besides the rows.
    """
    find = {
        GaussianMixture: _command_of_mixture,
        GaussianMixtureSearch: _command_of_search,
        BayesianGaussianMixture: _command_of_posterior,
    }[type(estimator)]
    words, covered, notes = find(estimator)
    if "sample_weight" in given:
        words += ["--weights", "WEIGHT_COLUMN"]
    rest = [
        name for name in changed(estimator) if name not in covered and name not in NO_MATTER
    ]  # fmt: skip
    rest += [name for name in given if name != "sample_weight"]
    if rest:
        notes.append(f"The command has no option for {', '.join(rest)}: it has values of its own.")
    notes.append(f"{DATA} is a file of the same rows.")
    return Call("On the command line", (shlex.join(words),), tuple(notes))


def _seeded(estimator: Any) -> list[str]:
    seed = estimator.random_state
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    return ["--seed", str(int(seed))] if whole and seed != 0 else []


def _assuming(estimator: Any) -> tuple[list[str], set[str]]:
    """Options for noise and a prior, and which parameters they stand for."""
    words, covered = [], {"random_state"}
    if estimator.noise is True:
        words.append("--noise")
        covered.add("noise")
    if isinstance(estimator.prior, str) and estimator.prior == DEFAULT:
        words += ["--prior", DEFAULT]
        covered.add("prior")
    return [*words, *_seeded(estimator)], covered


def _command_of_mixture(estimator: GaussianMixture) -> tuple[list[str], set[str], list[str]]:
    words = ["ellimix", "report", DATA]
    if estimator.n_components != AUTO:
        words += ["--components", str(estimator.n_components)]
    if estimator.covariance_type != AUTO:
        words += ["--covariance", str(estimator.covariance_type)]
    more, covered = _assuming(estimator)
    covered |= {"n_components", "covariance_type"}
    chosen = AUTO in (estimator.n_components, estimator.covariance_type)
    return [*words, *more], covered, [] if chosen else [OWN_STARTS]


def _command_of_search(search: GaussianMixtureSearch) -> tuple[list[str], set[str], list[str]]:
    more, covered = _assuming(search)
    best = search.best_params_
    asked = changed(search)
    if not {"families", "n_components", "criterion", "time_budget"} & set(asked):
        return ["ellimix", "report", DATA, *more], covered, []
    words = ["ellimix", "report", DATA, "--components", str(best["n_components"])]
    words += ["--covariance", str(best["covariance_type"])]
    covered |= {"families", "n_components", "criterion", "time_budget"}
    tell = "This fits the model that was chosen alone; `ellimix select` compares models."
    return [*words, *more], covered, [tell]


def _command_of_posterior(
    model: BayesianGaussianMixture,
) -> tuple[list[str], set[str], list[str]]:
    words = ["ellimix", "fit", DATA, "--bayes", "--components", str(model.n_components)]
    covered = {"n_components", "covariance_type", "random_state"}
    words += ["--covariance", str(model.covariance_type)]
    given = model.weight_concentration_prior
    if isinstance(given, int | float):
        words += ["--concentration", f"{given:g}"]
        covered.add("weight_concentration_prior")
    said = "It prints the posterior's intervals; a report of a posterior is made in Python."
    return [*words, *_seeded(model)], covered, [said]
