"""The search behind ``ellimix fit`` and ``ellimix select``, with a bar of its progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ellimix.covariance import Family
from ellimix.engines import choose
from ellimix.errors import DataError
from ellimix.inference.priors import DEFAULT, Prior
from ellimix.records import Factor
from ellimix.selection.grid import ALL, COMPONENTS, families_of
from ellimix.selection.search import Found, Tell, search
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import Table

MOST: Final = 1000  # components
RUNS: Final = 30  # about so many fits for one model


@dataclass(frozen=True)
class Asked:
    """What a search is asked for.

    Parameters
    ----------
    families : str or tuple of str
        As in `ellimix.selection.grid.families_of`.
    components : tuple of int
    criterion : str
    seed : int
    time_budget : float or None
        Seconds.
    engine : str
    noise : bool
        Whether each model has a noise component besides.
    prior : str
        "none" or "default".
    """

    families: str | tuple[str, ...] = ALL
    components: tuple[int, ...] = COMPONENTS
    criterion: str = "bic"
    seed: int = 0
    time_budget: float | None = None
    engine: str = "auto"
    noise: bool = False
    prior: str = "none"


def chosen(table: Table, source: MemorySource, asked: Asked) -> Found:
    """The search over a table's rows."""
    if asked.time_budget is not None and not asked.time_budget > 0.0:
        raise DataError(f"--time-budget must be above 0 seconds, but is {asked.time_budget:g}.")
    prior = _prior(asked.prior)
    families = families_of(asked.families, source.n_features)
    if min(asked.components) > source.n_rows:
        raise DataError(
            f"{min(asked.components)} components need at least as many rows; there are "
            f"{source.n_rows}."
        )
    with progress_bar() as tell:
        return search(
            source,
            families=families,
            components=asked.components,
            random=np.random.RandomState(asked.seed),
            criterion=asked.criterion,
            engine=_engine(asked, source, families),
            time_budget=asked.time_budget,
            tell=tell,
            feature_names=table.names,
            noise=asked.noise,
            prior=prior,
        )


def _prior(name: str) -> Prior | None:
    if name not in ("none", DEFAULT):
        raise DataError(f"--prior is {name!r}: expected none or {DEFAULT}.")
    return Prior() if name == DEFAULT else None


def _engine(asked: Asked, source: MemorySource, families: tuple[Family, ...]) -> str:
    """For one model of few rows, compiling takes longer than fitting."""
    if asked.engine != "auto" or len(families) * len(asked.components) > 1:
        return asked.engine
    full = families[0].structure.factor is not Factor.DIAGONAL
    work = RUNS * asked.components[0]
    return choose("auto", source.n_rows, source.n_features, work, full).name


@contextmanager
def progress_bar() -> Iterator[Tell | None]:
    """Something to tell the steps of a search: a bar on a terminal, else nobody."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("search", total=1.0)

        def tell(step: str, share: float) -> None:
            progress.update(task, description=step, completed=share)

        yield tell


def parsed_components(text: str) -> tuple[int, ...]:
    """Numbers of components from text such as ``1-9`` or ``2,4-6``.

    Examples
    --------
    >>> from ellimix.cli.choice import parsed_components
    >>> parsed_components("1-3,6")
    (1, 2, 3, 6)
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (not dash or last.isdecimal())):
            raise DataError(
                f"--components is {text!r}: expected numbers from 1, such as 1-9 or 2,4-6."
            )
        end = int(last if dash else first)
        if end > MOST:
            raise DataError(f"--components is {text!r}: {MOST:,} components at most.")
        found |= set(range(int(first), end + 1))
    if not found or min(found) < 1:
        raise DataError(f"--components is {text!r}: it must name numbers of at least 1.")
    return tuple(sorted(found))
