"""What ``ellimix fit --bayes`` does: a variational posterior in place of a search."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from ellimix.cli.places import check_picture, check_places, picture_of, write_picture
from ellimix.cli.summary import missing_of, notes_of, print_missing
from ellimix.errors import DataError
from ellimix.estimators.bayesian_mixture import BayesianGaussianMixture
from ellimix.persist import save
from ellimix.sources.tables import Table, read_table
from ellimix.summary.records import Ends, PosteriorNumbers
from ellimix.summary.summary import Summary

MOST: Final = 10  # components to begin with; those without rows let go
ITERATIONS, TOL = 2000, 1e-3


@dataclass(frozen=True)
class BayesOptions:
    """The options of ``ellimix fit --bayes``.

    Parameters
    ----------
    data : Path
    components : int or None
        At most so many.
    covariance : str
    concentration : float or None
        Of the Dirichlet process.
    columns, weights, out, plot, seed, json
        As in ``ellimix fit``.
    """

    data: Path
    components: int | None = None
    covariance: str = "auto"
    concentration: float | None = None
    columns: tuple[str, ...] | None = None
    weights: str | None = None
    out: Path | None = None
    plot: Path | None = None
    seed: int = 0
    json: bool = False


def fit_posterior(options: BayesOptions, console: Console) -> BayesianGaussianMixture:
    """Read, fit, write, print: in this order, so that a refusal writes nothing."""
    check_places(options.out, options.plot)
    _check(options)
    if options.plot is not None:
        check_picture(options.plot)
    table = read_table(options.data, options.columns, options.weights)
    model = _fitted(table, options)
    if options.plot is not None:
        from ellimix.plots import clusters

        mixture = model.mixture_
        write_picture(picture_of(lambda: clusters(mixture, table.rows)), options.plot)
    if options.out is not None:
        save(model.mixture_, options.out)
    if options.json:
        print(json.dumps(_as_dict(model, table, options), indent=2, allow_nan=False))
    else:
        _print(model, table, options, console)
    return model


def _check(options: BayesOptions) -> None:
    if options.components is not None and options.components < 1:
        raise DataError(f"--components must be at least 1, but is {options.components}.")
    if options.concentration is not None and not 0.0 < options.concentration < np.inf:
        raise DataError(f"--concentration must be above 0, but is {options.concentration:g}.")


def _fitted(table: Table, options: BayesOptions) -> BayesianGaussianMixture:
    n = table.rows.shape[0]
    if options.components is not None and options.components > n:
        raise DataError(f"{options.components} components need as many rows; there are {n}.")
    model: BayesianGaussianMixture = BayesianGaussianMixture(
        n_components=min(MOST, n) if options.components is None else options.components,
        covariance_type="full" if options.covariance == "auto" else options.covariance,
        weight_concentration_prior=options.concentration,
        max_iter=ITERATIONS,
        tol=TOL,
        random_state=options.seed,
    )
    model.fit(table.rows, sample_weight=table.weight)
    model.feature_names_in_ = np.array(table.names, dtype=object)
    model.mixture_ = replace(model.mixture_, feature_names=table.names)
    return model


def _alive(model: BayesianGaussianMixture) -> list[int]:
    """Components that have rows, by descending weight."""
    weights = model.weights_
    order = np.argsort(-weights, kind="stable")
    return [int(k) for k in order[: max(1, int(model.n_components_effective_))]]


def _print(
    model: BayesianGaussianMixture, table: Table, options: BayesOptions, console: Console
) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    n, d = table.rows.shape
    say(f"{options.data}: {n:,} rows, {d} columns")
    if table.missing.any():
        print_missing(table, console)
    posterior = _posterior(model.summary())
    alive = posterior.with_rows
    plural = "" if alive == 1 else "s"
    say(
        f"Posterior of a mixture of at most {model.n_components} Gaussian components, "
        f"{model.mixture_.family.words} ({model.mixture_.family.name}): {alive} component{plural} "
        f"with rows, concentration {_concentration(model):.4g}\n"
    )
    say(f"  evidence lower bound {posterior.lower_bound:,.3f} nats\n")
    say(model.posterior_.summary(posterior.level, _alive(model)))
    say("")
    for note in (*table.ignored, *model.report_.warnings()):
        say(f"Note: {note}")
    for what, path in _files(options).items():
        say(f"Wrote the {what} to {path}")


def _as_dict(model: BayesianGaussianMixture, table: Table, options: BayesOptions) -> dict[str, Any]:
    mixture, numbers = model.mixture_, model.summary()
    posterior = _posterior(numbers)
    return {
        "data": str(options.data),
        "n_rows": int(table.rows.shape[0]),
        "n_features": mixture.n_features,
        "feature_names": list(table.names),
        "family": mixture.family.name,
        "most_components": mixture.n_components,
        "n_components_effective": posterior.with_rows,
        "concentration": _concentration(model),
        "evidence_lower_bound": posterior.lower_bound,
        "level": posterior.level,
        "status": model.report_.status.value,
        "n_iter": model.report_.n_iter,
        "components": [
            {
                "component": k,
                "weight": numbers.components[k].weight,
                "weight_interval": _ends(numbers.components[k].weight_interval),
                "mean": list(numbers.components[k].means),
                "mean_interval": [*map(_ends, numbers.components[k].mean_intervals or ())],
            }
            for k in _alive(model)
        ],
        "missing": missing_of(table),
        "notes": [*notes_of(table), *model.report_.warnings()],
        "files": _files(options),
    }


def _concentration(model: BayesianGaussianMixture) -> float:
    given = model.weight_concentration_prior_
    if isinstance(given, tuple):
        raise AssertionError("a number was asked for")
    return float(given)


def _posterior(numbers: Summary) -> PosteriorNumbers:
    found = numbers.posterior
    if found is None:
        raise AssertionError("the fit has a posterior")
    return found


def _files(options: BayesOptions) -> dict[str, str]:
    places = {"model": options.out, "plot": options.plot}
    return {what: str(path) for what, path in places.items() if path is not None}


def _ends(ends: Ends | None) -> list[float | None]:
    """Ends as JSON has them; none for a point estimate's interval."""
    return [None, None] if ends is None else [*ends]
