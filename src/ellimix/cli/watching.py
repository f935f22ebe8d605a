"""Long fits on the command line: a bar for each pass over the rows, and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ellimix.errors import DataError
from ellimix.estimators.verbose import as_time
from ellimix.sources.watching import PassProgress, Tell


@contextmanager
def pass_bar(console: Console | None = None) -> Iterator[Tell | None]:
    """Someone to tell how far passes are: a bar on a terminal, else nobody.

    Parameters
    ----------
    console : Console, optional
        By default standard error.
    """
    console = Console(stderr=True) if console is None else console
    if not console.is_terminal:
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rest]}")
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("pass 1", total=1.0, rest="")

        def tell(seen: PassProgress) -> None:
            share = 0.0 if seen.share is None else seen.share
            progress.update(
                task, description=f"pass {seen.number}", completed=share, rest=said(seen)
            )

        yield tell


def said(seen: PassProgress) -> str:
    """Rows a second, and how long a pass still takes.

    Examples
    --------
    >>> from ellimix.cli.watching import said
    >>> from ellimix.sources.watching import PassProgress
    >>> said(PassProgress(2, 40_000_000, 100_000_000, 20.0))
    '40,000,000 of 100,000,000 rows, 2,000,000 rows/s, 30 s left'
    """
    of = "" if seen.total is None else f" of {seen.total:,}"
    rest = "" if seen.left is None or seen.ended else f", {as_time(seen.left)} left"
    return f"{seen.done:,}{of} rows, {seen.rate:,.0f} rows/s{rest}"


def kept(checkpoint: Path | None, resume: bool) -> dict[str, Any]:
    """Arguments of `fit` from the options ``--checkpoint`` and ``--resume``.

    Raises
    ------
    DataError
        There is nothing to go on from.
    """
    if resume and checkpoint is None:
        raise DataError("--resume needs --checkpoint, the file to go on from.")
    return {} if checkpoint is None else {"checkpoint": checkpoint, "resume": resume}
