"""What the commands do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ellimix import datasets
from ellimix.cli.summary import Summary, print_summary
from ellimix.covariance import parse
from ellimix.density.mixture import Mixture
from ellimix.engines import choose
from ellimix.engines.numpy_engine import normalise
from ellimix.errors import DataError
from ellimix.persist import load, save, write_beside
from ellimix.records import Array, Factor
from ellimix.selection.by_components import best_components
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import Table, read_table

TRIED = range(1, 10)
# k-means alone looks at distances in the columns' units; single rows see more of the likelihood
STARTS_EACH = ("kmeans",) * 2 + ("k-means++",) * 3 + ("random_from_data",) * 3
TOL, MAX_ITER = 1e-7, 2000
FLOOR = 1e-6  # variance floor, relative to the smallest variance of a column: free of its unit


@dataclass(frozen=True)
class FitOptions:
    """The options of ``ellimix fit``."""

    data: Path
    components: int | None = None
    covariance: str = "VVV"
    columns: tuple[str, ...] | None = None
    weights: str | None = None
    out: Path | None = None
    plot: Path | None = None
    seed: int = 0
    json: bool = False


def fit_file(options: FitOptions, console: Console) -> Summary:
    """Read, fit, write, print: in this order, so that a refusal writes nothing."""
    _check_places(options.out, options.plot)
    if options.components is not None and options.components < 1:
        raise DataError(f"--components must be at least 1, but is {options.components}.")
    table = read_table(options.data, options.columns, options.weights)
    summary = _fit(table, options)
    figure = None
    if options.plot is not None:
        figure = _drawn(summary.mixture, table.rows, options.plot)
    if options.out is not None:
        save(summary.mixture, options.out)
    if figure is not None and options.plot is not None:
        from ellimix.plots.canvas import save_figure

        save_figure(figure, options.plot)
    if options.json:
        print(json.dumps(summary.as_dict(), indent=2))
    else:
        print_summary(summary, console)
    return summary


def predict_file(model: Path, data: Path, out: Path | None) -> None:
    """Labels, responsibilities and log-densities of a file's rows, as CSV."""
    _check_places(out)
    mixture = load(model)
    table = _columns_of(mixture, data, model)
    log_joint = mixture.log_joint(table.rows)
    log_density, shares = normalise(log_joint.T)
    k = mixture.n_components
    header = ["label", *(f"responsibility_{j}" for j in range(k)), "log_density"]
    lines = iter(zip(log_joint.argmax(axis=1), shares.T, log_density, strict=True))
    empty = [""] * (k + 2)

    def cells() -> Iterable[Sequence[str]]:
        for kept in table.kept:
            if not kept:
                yield empty
                continue
            label, share, density = next(lines)
            yield [str(label), *(repr(float(r)) for r in share), repr(float(density))]

    if missing := int((~table.kept).sum()):
        print(f"{missing} row(s) with missing values have empty cells.", file=sys.stderr)
    _write_csv(out, header, cells())


def sample_file(model: Path, n: int, seed: int | None, out: Path | None) -> None:
    """New rows from a model, as CSV."""
    _check_places(out)
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
    fit_file(FitOptions(data, out=model, plot=picture), console)
    predict_file(model, data, labels)
    console.print("\nThe same on your own file:")
    console.print("  ellimix fit YOUR.csv --out model.json --plot clusters.png", highlight=False)
    console.print("\nWritten:")
    for path, what in (
        (data, "the data: two columns, 272 eruptions"),
        (picture, "the clusters, with 1, 2 and 3 sigma ellipses"),
        (labels, "each row's component, responsibilities and log-density"),
        (model, "the model, for ellimix predict and ellimix sample"),
    ):
        console.print(f"  {path}  ({what})", highlight=False, soft_wrap=True)


def _fit(table: Table, options: FitOptions) -> Summary:
    source = MemorySource(table.rows, table.weight)
    tried = list(TRIED) if options.components is None else [options.components]
    if options.components is not None and options.components > source.n_rows:
        raise DataError(
            f"{options.components} components need at least as many rows; there are "
            f"{source.n_rows}."
        )
    family = parse(options.covariance, source.n_features)
    floor = _floor(table)
    full = family.structure.factor is not Factor.DIAGONAL
    components = sum(tried) * len(STARTS_EACH)
    engine = choose("auto", source.n_rows, source.n_features, components, full)
    source = source.placed(engine)
    cells = best_components(
        source,
        engine,
        family,
        tried,
        reg_covar=floor,
        tol=TOL,
        max_iter=MAX_ITER,
        starts=STARTS_EACH,
        random=np.random.RandomState(options.seed),
        feature_names=table.names,
    )
    places = {"model": options.out, "plot": options.plot}
    files = {what: str(path) for what, path in places.items() if path is not None}
    return Summary.of(cells, table, source, str(options.data), files, floor)


def _floor(table: Table) -> float:
    variances = np.var(table.rows, axis=0)
    positive = variances[variances > 0.0]
    return FLOOR * float(positive.min()) if positive.size else 0.0


def _drawn(mixture: Mixture, rows: Array, path: Path) -> Any:
    """The figure, before any file is written: a missing matplotlib or format is said first."""
    from ellimix.plots import clusters
    from ellimix.plots.canvas import check_format, use_files_only

    use_files_only()
    check_format(path)
    return clusters(mixture, rows).figure


def _columns_of(mixture: Mixture, data: Path, model: Path) -> Table:
    """The model's columns of a file, in the model's order."""
    if mixture.feature_names is not None:
        return read_table(data, mixture.feature_names)
    table = read_table(data)
    if len(table.names) != mixture.n_features:
        raise DataError(
            f"{model} is a model of {mixture.n_features} unnamed columns, but {data} has "
            f"{len(table.names)} numeric ones."
        )
    return table


def _check_places(*paths: Path | None) -> None:
    """Before any work: the folders of the files to write exist."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise DataError(f"There is no folder {path.parent} to write {path.name} to.")
        if path is not None and path.is_dir():
            raise DataError(f"{path} is a folder: name a file in it.")


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
