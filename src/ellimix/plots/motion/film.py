"""A film: one scene a frame, from a fit's trajectory and the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError, Status
from ellimix.plots.labels import counted
from ellimix.plots.motion.curve import Curve
from ellimix.plots.motion.stage import Stage
from ellimix.plots.scene import Scene
from ellimix.plots.subject import rows_of
from ellimix.plots.views import Features
from ellimix.trajectories import Record, Trajectory

PANEL = 5.0, 4.2  # inches


@final
@dataclass(frozen=True, eq=False)
class Film:
    """The frames of a film.

    Parameters
    ----------
    scenes : tuple of Scene
        Of the same panels, title and notes. Marks that do not change are the same objects.
    iterations : tuple of int
        Which iteration each frame shows; 0 is what the start gave.
    fps : float
        Frames a second.
    """

    scenes: tuple[Scene, ...]
    iterations: tuple[int, ...]
    fps: float


def film_of(
    record: Record,
    X: Any,
    features: Features,
    start: int | None,
    frames: int,
    fps: float,
) -> Film:
    """The film of a recorded fit. Parameters and errors as for `animate`."""
    fit = _fit(record, start)
    if not fit.n_iter:
        raise DataError("The fit made no iteration: there is nothing to play. Raise max_iter.")
    shown = iterations_shown(fit.n_iter, frames)
    rows = rows_of(fit.mixtures[-1], X)
    stage, curve = Stage.of(fit, rows, features), Curve.of(record, fit)
    title, notes = _title(record, fit, start), _notes(stage, curve, fit.n_iter, len(shown))
    ended = "" if fit.status is Status.RUNNING else f", {fit.status.value.replace('_', ' ')}"
    scenes = []
    for i in shown:
        words = f"iteration {i} of {fit.n_iter}{ended if i == fit.n_iter else ''}"
        panels = stage.panel(i, words if i else "the start"), curve.panel(i)
        scenes.append(Scene(panels, 2, title, notes, PANEL))
    return Film(tuple(scenes), tuple(shown), fps)


def iterations_shown(n_iter: int, frames: int) -> list[int]:
    """Iterations from 0 to n_iter, all or so many, with gaps that grow: EM moves most at first.

    Parameters
    ----------
    n_iter : int
    frames : int
        At most, and at least 2.

    Examples
    --------
    >>> iterations_shown(4, 10)
    [0, 1, 2, 3, 4]
    >>> iterations_shown(1000, 10)
    [0, 1, 4, 9, 21, 45, 99, 215, 464, 1000]
    """
    if n_iter < frames:
        return list(range(n_iter + 1))
    points = frames
    while _spread(n_iter, points + 1).size <= frames:
        points += 1
    return [int(i) for i in _spread(n_iter, points)]


def _spread(n_iter: int, points: int) -> NDArray[np.intp]:
    return np.unique(np.rint(np.geomspace(1, n_iter + 1, points)).astype(np.intp)) - 1


def _fit(record: Record, start: int | None) -> Trajectory:
    count = len(record.trajectories)
    if start is None:
        return record.best
    if not 0 <= start < count:
        raise DataError(
            f"start is {start}, and {count} fit(s) are recorded: pass a number from 0 to "
            f"{count - 1}, or None for the best."
        )
    return record.trajectories[start]


def _title(record: Record, fit: Trajectory, start: int | None) -> str:
    words = counted(fit.mixtures[-1])
    if start is None or len(record.trajectories) == 1:
        return words
    return f"{words}; start {start}"


def _notes(stage: Stage, curve: Curve, n_iter: int, shown: int) -> tuple[str, ...]:
    cut = f"{shown} of {n_iter + 1:,} states shown, the first ones all and then fewer"
    second = [words for words in (cut if shown <= n_iter else "", curve.note) if words]
    return (stage.note, "; ".join(second)) if second else (stage.note,)
