"""`ellimix.animate`: a fit as a film."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

from ellimix.errors import DataError
from ellimix.estimators.recorder import record_of
from ellimix.persist import write_beside
from ellimix.plots.motion.film import film_of
from ellimix.plots.motion.formats import FORMATS
from ellimix.plots.views import Features
from ellimix.trajectories import Record

FASTEST = 60.0  # frames a second


def animate(
    model: Any,
    X: Any,
    path: str | PathLike[str],
    *,
    features: Features = None,
    start: int | None = None,
    frames: int = 120,
    fps: float = 6.0,
) -> Record:
    """Play a fit: ellipses that move, rows that change colour, the objective that grows beside.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or Record
        A record is played. So is that of an estimator's `Recorder`, if it holds the fit that the
        estimator has. Otherwise a clone of the estimator, fitted or not, is fitted to `X` to record
        it; the estimator itself stays as it is. With ``random_state=None`` that is another fit.
        Fits with row weights, or with more that is known of rows, are recorded by a `Recorder`.
    X : array-like of shape (n, d)
        The rows to draw, with NaN for missing values. Of more than 5,000, a random subset is drawn.
    path : path-like
        A name that ends in ``.gif``, ``.mp4`` (by ffmpeg) or ``.html`` (one file with a player,
        which needs no network). The file is written beside and then renamed.
    features : one or two numbers or names of features, or "plane", optional
        What is shown of rows of more than two features. By default the plane of their first two
        principal components; "plane" is that which separates the last components best. One feature
        is shown as a histogram with densities.
    start : int, optional
        Which of several starts; by default the one that was kept.
    frames : int, default 120
        At most so many, 2 or more. Of longer fits the first iterations are shown, then fewer and
        fewer, and the last.
    fps : float, default 6
        Frames a second, 60 at most.

    Returns
    -------
    Record
        What was played.

    Raises
    ------
    DataError
        The path has another ending; the model, rows or options are not sound; or there is nothing
        to play.
    MissingExtra
        A package that the format takes is not installed.
    OSError
        The file cannot be written.

    Warns
    -----
    FitWarning
        The estimator is fitted, and the fit that was made to record it is another one.

    Notes
    -----
    A frame shows the mixture that an iteration left, beside the objective up to this mixture; that
    of the last one is computed in no pass of the fit. Frame 0 is what the start gave. Where a start
    is bad, it shows how EM stops at a local optimum: the dashed line is where the best start ended.

    Examples
    --------
    >>> import ellimix as em, os, tempfile
    >>> X, _ = em.datasets.faithful()
    >>> path = os.path.join(tempfile.mkdtemp(), "em.html")
    >>> record = em.animate(em.GaussianMixture(2, random_state=0), X, path)
    >>> record.best.n_iter, os.path.getsize(path) < 100_000
    (4, True)
    """
    place = Path(path)
    write = FORMATS.get(place.suffix.lower())
    if write is None:
        raise DataError(
            f"A film cannot be written as {place.name!r}: the name must end in "
            f"{', '.join(FORMATS)}."
        )
    if not isinstance(frames, Integral) or frames < 2:
        raise DataError(f"frames is {frames!r}: it must be a whole number of 2 or more.")
    if not isinstance(fps, Real) or not 0.0 < fps <= FASTEST:
        raise DataError(f"fps is {fps!r}: it must be above 0, and {FASTEST:g} at most.")
    record = model if isinstance(model, Record) else record_of(model, X)
    film = film_of(record, X, features, start, int(frames), float(fps))
    write_beside(place, lambda beside: write(film, beside))
    return record
