"""What the commands do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from ellimix import datasets
from ellimix.cli.choice import Asked, chosen
from ellimix.cli.outside import Outside, check_outside, fit_outside, is_plain, table_of
from ellimix.cli.places import check_picture, check_places, picture_of, write_picture
from ellimix.cli.summary import FileSummary, print_summary
from ellimix.density.mixture import Mixture
from ellimix.engines.numpy_engine import normalise
from ellimix.errors import DataError
from ellimix.labelling import header, write_labels
from ellimix.persist import load, save, write_beside
from ellimix.selection.grid import ALL, COMPONENTS
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import rows
from ellimix.sources.tables import Table, read_table

AUTO: Final = "auto"  # all families
BLANK: Final = "{} row(s) with nothing observed have empty cells."


@dataclass(frozen=True)
class FitOptions:
    """The options of ``ellimix fit``."""

    data: Path | str
    components: int | None = None
    covariance: str = AUTO
    columns: tuple[str, ...] | None = None
    weights: str | None = None
    out: Path | None = None
    plot: Path | None = None
    seed: int = 0
    json: bool = False
    engine: str = "auto"
    noise: bool = False
    prior: str = "none"
    outside: Outside = field(default_factory=Outside)


def fit_file(options: FitOptions, console: Console) -> None:
    """Read, fit, write, print: in this order, so that a refusal writes nothing."""
    check_places(options.out, options.plot)
    check_components(options.components)
    check_outside(options)
    if options.plot is not None:
        check_picture(options.plot)
    if is_plain(options):
        table = read_table(Path(options.data), options.columns, options.weights)
    else:
        few = table_of(options)
        if few is None:
            fit_outside(options, console)
            return
        table = few
    summary = fit_table(table, options)
    if options.plot is not None:
        from ellimix.plots import clusters

        write_picture(picture_of(lambda: clusters(summary.mixture, table.rows)), options.plot)
    if options.out is not None:
        save(summary.mixture, options.out)
    if options.json:
        print(json.dumps(summary.as_dict(), indent=2, allow_nan=False))
    else:
        print_summary(summary, console)


def predict_file(model: Path, data: str, out: Path | None) -> None:
    """Labels, responsibilities and log-densities of files' rows: in files, or as CSV to be read."""
    if out is not None and out.suffix:
        check_places(out)
    mixture = load(model)
    if out is None:
        _print_labels(mixture, columns_of(mixture, Path(data), model))
        return
    if not isinstance(mixture.feature_names, tuple):
        columns_match(mixture, data, model)
    blank = write_labels(mixture, data, out).blank
    if blank:
        print(BLANK.format(blank), file=sys.stderr)


def columns_match(mixture: Mixture, data: str, model: Path) -> None:
    """Raise `DataError` where data without names has another number of columns."""
    found = rows(data).n_features
    if found != mixture.n_features:
        raise DataError(
            f"{model} is a model of {mixture.n_features} unnamed columns, but {data} has {found} "
            "numeric ones."
        )


def _print_labels(mixture: Mixture, table: Table) -> None:
    log_joint = mixture.log_joint(table.rows)
    log_density, shares = normalise(log_joint.T)
    labels = log_joint.argmax(axis=1)
    labels[labels == mixture.n_components] = -1
    names = header(mixture)
    lines = iter(zip(labels, shares.T, log_density, strict=True))
    empty = [""] * len(names)

    def cells() -> Iterable[Sequence[str]]:
        for kept in table.kept:
            if not kept:
                yield empty
                continue
            label, share, density = next(lines)
            yield [str(label), *(repr(float(r)) for r in share), repr(float(density))]

    if missing := int((~table.kept).sum()):
        print(BLANK.format(missing), file=sys.stderr)
    _write_csv(None, names, cells())


def sample_file(model: Path, n: int, seed: int | None, out: Path | None) -> None:
    """New rows from a model, as CSV."""
    check_places(out)
    if n < 1:
        raise DataError(f"-n must be at least 1, but is {n}.")
    mixture = load(model)
    rows, labels = mixture.sample(n, seed)
    header = [*mixture.names, "label"]
    pairs = zip(rows, labels, strict=True)
    _write_csv(out, header, ([*(repr(float(x)) for x in row), str(k)] for row, k in pairs))


def demonstrate(folder: Path, console: Console) -> None:
    """The main job on Old Faithful."""
    folder.mkdir(parents=True, exist_ok=True)
    data, model, picture, labels = (
        folder / name for name in ("faithful.csv", "model.json", "clusters.png", "labels.csv")
    )
    text = datasets.path("faithful").read_text(encoding="utf-8")
    write_beside(data, lambda name: Path(name).write_text(text, encoding="utf-8"))
    console.print("Old Faithful: minutes that eruptions last, and minutes waited for the next.\n")
    # one family and NumPy: nothing is compiled, and the demonstration takes seconds
    options = FitOptions(data, covariance="VVV", out=model, plot=picture, engine="numpy")
    fit_file(options, console)
    predict_file(model, str(data), labels)
    console.print("\nThe same on your own file:")
    console.print("  ellimix fit YOUR.csv --out model.json --plot clusters.png", highlight=False)
    console.print("And all covariance families compared:")
    console.print("  ellimix select YOUR.csv", highlight=False)
    console.print("\nWritten:")
    for path, what in (
        (data, "the data: two columns, 272 eruptions"),
        (picture, "the clusters, with 1, 2 and 3 sigma ellipses"),
        (labels, "each row's component, responsibilities and log-density"),
        (model, "the model, for ellimix predict and ellimix sample"),
    ):
        console.print(f"  {path}  ({what})", highlight=False, soft_wrap=True)


def check_components(components: int | None) -> None:
    """Raise `DataError` for a number of components below 1."""
    if components is not None and components < 1:
        raise DataError(f"--components must be at least 1, but is {components}.")


def asked_for(components: int | None, covariance: str, seed: int) -> Asked:
    """What a search is asked for where some of it may be left open."""
    return Asked(
        ALL if covariance == AUTO else covariance,
        COMPONENTS if components is None else (components,),
        seed=seed,
    )


def fit_table(table: Table, options: FitOptions) -> FileSummary:
    """The search over a table's rows, and what it found."""
    source = MemorySource(table.rows, table.weight)
    asked = asked_for(options.components, options.covariance, options.seed)
    asked = replace(asked, engine=options.engine, noise=options.noise, prior=options.prior)
    found = chosen(table, source, asked)
    places = {"model": options.out, "plot": options.plot}
    files = {what: str(path) for what, path in places.items() if path is not None}
    return FileSummary.of(found, table, source, str(options.data), files, found.reg_covar)


def columns_of(mixture: Mixture, data: Path, model: Path) -> Table:
    """The model's columns of a file, in the model's order."""
    if mixture.feature_names is not None:
        return read_table(data, mixture.feature_names, empty=True)
    table = read_table(data, empty=True)
    if len(table.names) != mixture.n_features:
        raise DataError(
            f"{model} is a model of {mixture.n_features} unnamed columns, but {data} has "
            f"{len(table.names)} numeric ones."
        )
    return table


def _write_csv(out: Path | None, header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    import csv

    if out is None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)
        return

    def write(name: str) -> None:
        with Path(name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(lines)

    write_beside(out, write)
