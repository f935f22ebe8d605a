"""``ellimix impute``: a file with its missing values filled in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from ellimix.cli.choice import chosen
from ellimix.cli.jobs import AUTO, asked_for, check_components, columns_of
from ellimix.cli.places import check_places
from ellimix.cli.summary import model_of
from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.persist import load, write_beside
from ellimix.records import Array, Rows
from ellimix.sources.files import File, check_writable, read_file, same_kind, write_filled
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import ASSUMED, Table, percent, read_table

MOST_DRAWS = 10_000


@dataclass(frozen=True)
class ImputeOptions:
    """The options of ``ellimix impute``."""

    data: Path
    out: Path
    model: Path | None = None
    components: int | None = None
    covariance: str = AUTO
    columns: tuple[str, ...] | None = None
    draws: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Filler:
    """A mixture for filling in, and what is said of it."""

    mixture: Mixture
    reg_covar: float
    words: str
    notes: tuple[str, ...] = ()


def impute_file(options: ImputeOptions, console: Console) -> None:
    """Read, fit, fill, write, print: in this order, so that a refusal writes nothing."""
    _check(options)
    mixture = None if options.model is None else load(options.model)
    table = _table(options, mixture)
    file, rows = read_file(options.data), table.whole()
    places = _places(options)
    holes = np.isnan(rows).sum(axis=0)

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if not holes.any():
        for place in places:
            _write(file, {}, place)
        named = ", ".join(table.names)
        say(f"{options.data}: nothing is missing in {named}; written as it is.")
    else:
        filler = _filler(options, table, mixture)
        for place, values in zip(places, _filled(filler, rows, options), strict=True):
            columns = zip(table.names, holes, values.T.astype(np.float64), strict=True)
            _write(file, {name: column for name, count, column in columns if count}, place)
        _print(options, file, table, filler, console)
    for place in places:
        say(f"Wrote {place}")


def _check(options: ImputeOptions) -> None:
    """Before any work."""
    check_writable(options.out)
    places = _places(options)
    check_places(*places[:1])
    check_components(options.components)
    given = {
        "--components": options.components is not None,
        "--covariance": options.covariance != AUTO,
        "--columns": options.columns is not None,
    }
    if options.model is not None and any(given.values()):
        named = ", ".join(name for name, is_given in given.items() if is_given)
        raise DataError(f"--model says what {named} would: give the one or the other.")


def _places(options: ImputeOptions) -> list[Path]:
    """The files to write: one, or one a draw with its number before the suffixes."""
    if options.draws is None:
        return [options.out]
    if not 1 <= options.draws <= MOST_DRAWS:
        raise DataError(f"--draws must be from 1 to {MOST_DRAWS:,}, but is {options.draws}.")
    out = options.out
    zipped = out.suffix if out.suffix.lower() == ".gz" else ""
    name = out.name.removesuffix(zipped)
    stem, suffix = Path(name).stem, Path(name).suffix
    return [out.with_name(f"{stem}-{i}{suffix}{zipped}") for i in range(1, options.draws + 1)]


def _table(options: ImputeOptions, mixture: Mixture | None) -> Table:
    if mixture is None or options.model is None:
        return read_table(options.data, options.columns)
    return columns_of(mixture, options.data, options.model)


def _filler(options: ImputeOptions, table: Table, mixture: Mixture | None) -> Filler:
    """The mixture that was given, or one fitted to the rows."""
    if mixture is not None:
        return Filler(mixture, 0.0, f"{mixture.words}, of {options.model}")
    asked = asked_for(options.components, options.covariance, options.seed)
    found = chosen(table, MemorySource(table.rows), asked)
    if found.best.mixture is None:
        raise AssertionError("the best cell has a mixture")
    return Filler(found.best.mixture, found.reg_covar, model_of(found), found.said)


def _filled(filler: Filler, rows: Array, options: ImputeOptions) -> Iterator[Rows]:
    """Filled copies of the rows, (n, d) each: one after another, so that many fit into memory."""
    from ellimix.estimators.gaussian_mixture import GaussianMixture

    model = GaussianMixture.from_mixture(replace(filler.mixture, feature_names=None))
    model.reg_covar = filler.reg_covar
    if options.draws is None:
        yield model.impute(rows)
        return
    needed, there = filler.mixture.n_parameters, int((~np.isnan(rows).all(axis=1)).sum())
    if there < needed:
        raise DataError(
            f"Each draw fits the mixture's {needed} parameters to the rows anew, but only {there} "
            "have something observed: leave out --draws, or use a mixture with fewer parameters."
        )
    rng = np.random.default_rng(options.seed)
    for _ in range(options.draws):
        yield model.impute(rows, n_draws=1, rng=rng)[0]


def _write(file: File, filled: Mapping[str, Array], place: Path) -> None:
    if not filled and same_kind(file, place):
        write_beside(place, lambda name: shutil.copyfile(file.path, name))
    else:
        write_beside(place, lambda name: write_filled(file, filled, place, name))


def _print(
    options: ImputeOptions,
    file: File,
    table: Table,
    filler: Filler,
    console: Console,
) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    holes = np.isnan(table.whole()).sum(axis=0)
    n, d = table.kept.size, len(table.names)
    share = percent(holes.sum() / (n * d))
    say(
        f"{options.data}: {n:,} rows, {d} columns; {holes.sum():,} of {n * d:,} cells ({share}) "
        f"are missing, {ASSUMED}"
    )
    say(f"{filler.words}\n")
    shown = RichTable("column", box=None, pad_edge=False, header_style="bold")
    for heading in ("filled", "share"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for name, count in zip(table.names, holes, strict=True):
        if count:
            shown.add_row(name, f"{count:,}", percent(count / n))
    console.print(shown)
    if options.draws is None:
        say("\nEach value is what the mixture expects, given the rest of its row.")
    else:
        say(
            "\nThe values of each table are draws, under parameters of its own: those of a fit to "
            "the rows with random weights. Analyse each table and combine (Rubin 1987)."
        )
    if not table.kept.all():
        lost = int((~table.kept).sum())
        what = "means of the mixture" if options.draws is None else "draws from the mixture"
        say(f"Note: {lost} row(s) have nothing observed and got {what}.")
    if others := [name for name in file.columns if name not in table.names]:
        say(f"Note: Not used, and written as they are: {', '.join(others)}.")
    for note in filler.notes:
        say(f"Note: {note}")
