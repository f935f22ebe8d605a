"""The commands and their options. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from ellimix import __version__
from ellimix.errors import DataError, EllimixError

app = App(
    name="ellimix",
    help="Gaussian mixture models: the groups in a table of numbers.",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


@app.command
def fit(
    data: str,
    /,
    *,
    components: Annotated[int | None, Parameter(name=["--components", "-k"])] = None,
    covariance: str = "auto",
    columns: str | None = None,
    weights: str | None = None,
    noise: Annotated[bool, Parameter(negative="")] = False,
    prior: str = "none",
    bayes: Annotated[bool, Parameter(negative="")] = False,
    concentration: float | None = None,
    out: Path | None = None,
    plot: Path | None = None,
    seed: int = 0,
    json: Annotated[bool, Parameter(negative="")] = False,
    where: str | None = None,
    memory: str | None = None,
    engine: str = "auto",
    scheduler: str | None = None,
    checkpoint: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Fit a mixture to a file, or to many, and print what it found.

    Empty cells are missing values: such rows count with what is observed of them.

    Parameters
    ----------
    data
        A .csv, .tsv, .parquet, .feather or .npy file, a pattern such as 'data/*.parquet', or a
        folder. What is larger than --memory is read anew in every pass.
    components
        Number of components. Without it, 1 to 9 are tried and BIC chooses.
    covariance
        Covariance family: three letters (EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV),
        or full, tied, diag, spherical; for one column also E, V. With auto all are tried and BIC
        chooses.
    columns
        Names of the columns to use, with commas between; by default all numeric ones.
    weights
        A column of row weights.
    noise
        Add a uniform noise component for rows that belong to no group; their label is -1.
    prior
        none, or default: a weak prior that keeps components from collapsing onto a few rows.
    bayes
        A variational posterior in place of a search: of at most 10 components (or --components)
        those without rows let go. Prints credible intervals.
    concentration
        With --bayes, that of the Dirichlet process: the larger, the more components.
    out
        Write the model to this JSON file.
    plot
        Draw the clusters to this file (.png, .svg, .pdf).
    seed
        Seed of the starts.
    json
        Print JSON in place of the tables.
    where
        Which rows count, such as "year >= 2020 and kind == 'a'".
    memory
        Rows that take no more are read into memory once; by default 256 MiB.
    engine
        auto, numpy or numba; or dask: the rows stay on the workers of a cluster.
    scheduler
        With --engine dask, the address of its scheduler; without it one is started here.
    checkpoint
        Keep in this file how far the fit is, every minute.
    resume
        Go on from --checkpoint, if the file is there.
    """
    from ellimix.cli.jobs import FitOptions, fit_file
    from ellimix.cli.outside import Outside

    names = _names(columns)
    if bayes:
        from ellimix.cli.bayesian import BayesOptions, fit_posterior

        others = {"--where": where, "--memory": memory, "--scheduler": scheduler,
                  "--checkpoint": checkpoint, "--resume": resume or None}  # fmt: skip
        given = {name: value is not None for name, value in others.items()}
        given["--engine"] = engine != "auto"
        _alone("--bayes", {"--noise": noise, "--prior": prior != "none", **given})
        asked = BayesOptions(
            Path(data), components, covariance, concentration, names, weights, out, plot, seed, json
        )
        fit_posterior(asked, Console())
        return
    if concentration is not None:
        raise DataError("--concentration is that of a Dirichlet process: it needs --bayes.")
    options = FitOptions(
        data,
        components,
        covariance,
        names,
        weights,
        out,
        plot,
        seed,
        json,
        engine=engine,
        noise=noise,
        prior=prior,
        outside=Outside(where, memory, scheduler, checkpoint, resume),
    )
    fit_file(options, Console())


@app.command
def select(
    data: Path,
    /,
    *,
    families: str = "all",
    components: str = "1-9",
    criterion: str = "bic",
    time_budget: float | None = None,
    top: int = 10,
    columns: str | None = None,
    weights: str | None = None,
    noise: Annotated[bool, Parameter(negative="")] = False,
    prior: str = "none",
    out: Path | None = None,
    plot: Path | None = None,
    seed: int = 0,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Compare covariance families and numbers of components, best first.

    Ctrl-C ends the search and shows the best so far.

    Parameters
    ----------
    data
        A .csv, .tsv, .parquet or .npy file.
    families
        Covariance families, with commas between; all, or sklearn (full,tied,diag,spherical).
    components
        Numbers of components, such as 1-9 or 2,4-6.
    criterion
        What chooses: bic, aic, aicc, sabic, icl, nec, cv (cross-validation) or slope.
    time_budget
        Seconds after which no further fit is begun.
    top
        Models to show at most.
    columns
        Names of the columns to use, with commas between; by default all numeric ones.
    weights
        A column of row weights.
    noise
        Add a uniform noise component for rows that belong to no group; their label is -1.
    prior
        none, or default: a weak prior that keeps components from collapsing onto a few rows.
    out
        Write the best model to this JSON file.
    plot
        Draw the criterion over the number of components to this file (.png, .svg, .pdf).
    seed
        Seed of the starts.
    json
        Print JSON, with all models, in place of the table.
    """
    from ellimix.cli.choice import Asked, parsed_components
    from ellimix.cli.selecting import SelectOptions, select_file

    named = _names(families) or ("all",)
    asked = Asked(
        named[0] if len(named) == 1 else named,
        parsed_components(components),
        criterion,
        seed,
        time_budget,
        noise=noise,
        prior=prior,
    )
    select_file(
        SelectOptions(data, asked, _names(columns), weights, top, out, plot, json), Console()
    )


@app.command
def report(
    data: str,
    /,
    *,
    components: Annotated[int | None, Parameter(name=["--components", "-k"])] = None,
    covariance: str = "auto",
    columns: str | None = None,
    weights: str | None = None,
    noise: Annotated[bool, Parameter(negative="")] = False,
    prior: str = "none",
    out: Path = Path("report.html"),
    seed: int = 0,
) -> None:
    """Fit a mixture to a file, as fit does, and write all that is known of it to one HTML page.

    The page needs no other file and no network.

    Parameters
    ----------
    data
        A .csv, .tsv, .parquet, .feather or .npy file, a pattern such as 'data/*.parquet', or a
        folder. What is larger than 256 MiB is read anew in every pass.
    components
        Number of components. Without it, 1 to 9 are tried and BIC chooses.
    covariance
        Covariance family, as for fit; with auto all are tried and BIC chooses.
    columns
        Names of the columns to use, with commas between; by default all numeric ones.
    weights
        A column of row weights.
    noise
        Add a uniform noise component for rows that belong to no group; their label is -1.
    prior
        none, or default: a weak prior that keeps components from collapsing onto a few rows.
    out
        Write the page to this file.
    seed
        Seed of the starts.
    """
    from ellimix.cli.jobs import FitOptions
    from ellimix.cli.reporting import report_file

    options = FitOptions(
        data,
        components,
        covariance,
        _names(columns),
        weights,
        out,
        seed=seed,
        noise=noise,
        prior=prior,
    )
    report_file(options, Console())


@app.command
def predict(model: Path, data: str, /, *, out: Path | None = None) -> None:
    """Label the rows of files: component, responsibilities, log-density.

    Rows with missing values are labelled by what is observed of them; those with nothing observed
    keep their place, with empty cells. The label of noise is -1.

    Parameters
    ----------
    model
        A file that `fit --out` wrote.
    data
        A file with the model's columns, a pattern such as 'data/*.parquet', or a folder.
    out
        Write .csv, .tsv or .parquet here, or to a folder a Parquet file for each file that is
        read; by default CSV to the terminal. Files are read and written block by block.
    """
    from ellimix.cli.jobs import predict_file

    predict_file(model, data, out)


@app.command
def impute(
    data: Path,
    /,
    *,
    out: Path,
    model: Path | None = None,
    components: int | None = None,
    covariance: str = "auto",
    columns: str | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> None:
    """Fill in the missing values of a file by a mixture.

    All columns are written as they are, with what the mixture expects in the empty cells of those
    that are used.

    Parameters
    ----------
    data
        A .csv, .tsv, .parquet or .npy file.
    out
        Write the filled table here (.csv, .tsv, .parquet).
    model
        A file that `fit --out` wrote; without it a mixture is fitted to the data.
    components
        Number of components. Without it, 1 to 9 are tried and BIC chooses.
    covariance
        Covariance family, as for fit; with auto all are tried and BIC chooses.
    columns
        Names of the columns to use and fill, with commas between; by default all numeric ones.
    draws
        Write so many tables, OUT-1, OUT-2, ..., with values drawn at random, for multiple
        imputation: each from a fit to the rows with random weights.
    seed
        Seed of the starts and draws.
    """
    from ellimix.cli.imputing import ImputeOptions, impute_file

    options = ImputeOptions(data, out, model, components, covariance, _names(columns), draws, seed)
    impute_file(options, Console())


@app.command
def sample(
    model: Path,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--rows"])] = 1,
    seed: int | None = None,
    out: Path | None = None,
) -> None:
    """Draw new rows from a model, as CSV.

    Parameters
    ----------
    model
        A file that `fit --out` wrote.
    n
        Number of rows.
    seed
        Seed; by default the rows are new at each call.
    out
        Write CSV here; by default to the terminal.
    """
    from ellimix.cli.jobs import sample_file

    sample_file(model, n, seed, out)


@app.command
def demo(folder: Path = Path("ellimix-demo"), /) -> None:
    """Fit the eruptions of Old Faithful and write the model, the labels and a picture.

    Parameters
    ----------
    folder
        Where the files go; made if it does not exist.
    """
    from ellimix.cli.jobs import demonstrate

    demonstrate(folder, Console())


def run(arguments: Sequence[str]) -> int:
    """Run a command; its exit code."""
    try:
        app(list(arguments), exit_on_error=False, print_error=False, result_action="return_none")
        sys.stdout.flush()
    except CycloptsError as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        return _refuse(f"{text[0]} (ellimix --help shows the options)")
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (EllimixError, OSError, ValueError) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        return _refuse(" ".join(text))
    except KeyboardInterrupt:
        return _refuse("interrupted before there was a result") + 128
    return 0


def _names(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _alone(what: str, others: dict[str, bool]) -> None:
    """Raise DataError for options that do not go with another one."""
    for name, given in others.items():
        if given:
            raise DataError(f"{name} does not go with {what}: leave one of the two out.")


def _refuse(message: str) -> int:
    print(f"ellimix: {message}", file=sys.stderr)
    return 2
