"""The pictures of a report, each with a caption that says what is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, final

import numpy as np

from ellimix.density.mixture import UNCERTAIN
from ellimix.errors import DataError
from ellimix.plots.canvas import as_svg
from ellimix.plots.clusters import clusters_scene
from ellimix.plots.convergence import convergence_scene
from ellimix.plots.labels import short
from ellimix.plots.pairs import pairs_scene
from ellimix.plots.profile import profile_scene
from ellimix.plots.scene import Scene
from ellimix.plots.selection import selection_scene
from ellimix.plots.uncertainty import LIMIT, uncertainty, uncertainty_scene
from ellimix.plots.views import separation, view
from ellimix.reporting.parts import Figure, Part, Prose
from ellimix.reporting.subject import Subject
from ellimix.reporting.svg import inline
from ellimix.summary.names import visible
from ellimix.summary.numbers import nats

SHARPNESS: Final = 90.0  # dots an inch of what is drawn point by point
ROOM: Final = 780_000  # bytes of all pictures together: the page has at most 1 MB
MOST_PAIRED: Final = 4  # features; one less of many components, whose ellipses take room
MANY: Final = 6  # components
MOST_PAIRED_ROWS: Final = 1000  # in each of the panels of pairs


@final
@dataclass(frozen=True)
class Picture:
    """A kind of picture in a report.

    Parameters
    ----------
    wanted : callable
        Whether there is anything to see of a subject.
    scene : callable
    caption : callable
        What is seen, in a sentence.
    """

    wanted: Callable[[Subject], bool]
    scene: Callable[[Subject], Scene]
    caption: Callable[[Subject], str]


def pictures(subject: Subject) -> Mapping[str, Part]:
    """The pictures of a subject by name: a figure, or a sentence where there is none.

    Those that come last in `PICTURES` are left out where all would make the page too large.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    out: dict[str, Part] = {}
    room = ROOM
    for name, picture in PICTURES.items():
        if not picture.wanted(subject):
            continue
        try:
            scene, caption = picture.scene(subject), visible(picture.caption(subject))
        except DataError as error:
            out[name] = Prose(f"There is no picture here. {error}")
            continue
        svg = inline(as_svg(scene, SHARPNESS), name, caption)
        size = len(svg.encode("utf-8"))
        if size > room:
            out[name] = Prose(f"There is no picture here: {caption} It would take too much room.")
            continue
        room -= size
        out[name] = Figure(svg, caption)
    return out


def _untitled(scene: Scene) -> Scene:
    """Without the title of a scene of one panel: the caption says more."""
    panels = tuple(None if panel is None else replace(panel, title="") for panel in scene.panels)
    return replace(scene, panels=panels, title="")


def _components(subject: Subject) -> str:
    k = subject.mixture.n_components
    noise = " and noise" if subject.mixture.box is not None else ""
    return (f"{k} components" if k > 1 else "component") + noise


def _clusters(subject: Subject) -> Scene:
    return _untitled(clusters_scene(subject.mixture, subject.look.drawn))


def _clusters_caption(subject: Subject) -> str:
    labels, found = view(subject.mixture).labels, subject.look
    rows = found.said if found.n_drawn else "No rows"
    if len(labels) == 1:
        return (
            f"{rows} by {labels[0]} as a histogram, with the weighted densities of the "
            f"{_components(subject)}."
        )
    d = subject.mixture.n_features
    which = "" if d == 2 else f", of {d} features the two that tell the components apart best"
    return (
        f"{rows} by {labels[0]} and {labels[1]}{which}, in the colours of the "
        f"{_components(subject)}, with ellipses of 1, 2 and 3 standard deviations."
    )


def _doubtful(subject: Subject) -> bool:
    mixture = subject.mixture
    return bool(subject.look.n_drawn) and mixture.n_components + (mixture.box is not None) > 1


def _uncertainty(subject: Subject) -> Scene:
    scene = uncertainty_scene(subject.mixture, subject.look.drawn)
    return replace(scene, title="")


def _uncertainty_caption(subject: Subject) -> str:
    rows = subject.look.drawn
    if rows is None:
        raise AssertionError("there are rows to draw")
    below = int((uncertainty(subject.mixture, rows) > LIMIT).sum())
    labels = " and ".join(view(subject.mixture).labels)
    return (
        f"Where rows are uncertain, by {labels}, and how many: of the {len(rows):,} rows drawn, "
        f"{below:,} have no component of a probability of {UNCERTAIN:g} or more."
    )


def _profile(subject: Subject) -> Scene:
    return _untitled(profile_scene(subject.mixture, subject.look.drawn))


def _profile_caption(subject: Subject) -> str:
    d = subject.mixture.n_features
    shown = f"{d} features" if d <= 30 else f"30 of {d} features"
    return (
        f"Means of the {_components(subject)} over {shown}, as lines, with bands of one standard "
        "deviation; in standard deviations of the whole mixture from its mean."
    )


def _selection(subject: Subject) -> Scene:
    criterion = subject.criterion
    return selection_scene(subject.cells, criterion=criterion)


def _selection_caption(subject: Subject) -> str:
    best = subject.best
    if best is None:
        raise AssertionError("there is a search")
    families = len({cell.name for cell in subject.cells})
    word = "family" if families == 1 else "families"
    return (
        f"{subject.criterion.upper()} of {len(subject.cells)} models over the number of "
        f"components, of {families} covariance {word}: {best.name} with {best.n_components} is the "
        "smallest, and so the best, of those that may be chosen."
    )


def _traced(subject: Subject) -> bool:
    return subject.fitted is not None and len(subject.fitted.report_.trace) > 1


def _convergence(subject: Subject) -> Scene:
    return replace(convergence_scene(subject.fitted), notes=())


def _convergence_caption(subject: Subject) -> str:
    report, n = subject.fitted.report_, len(subject.reports)
    plural = "" if n == 1 else "s"
    return (
        f"The objective by iteration, of {n} start{plural}: the fit that was kept began at "
        f"{nats(report.trace[0])} and ended at {nats(report.objective)} nats per unit of row "
        f"weight after {len(report.trace)} iterations."
    )


def _paired(subject: Subject) -> tuple[int, ...]:
    """The features that tell the components apart best, in their order."""
    most = MOST_PAIRED - (subject.mixture.n_components > MANY)
    best = np.argsort(-separation(subject.mixture), kind="stable")[:most]
    return tuple(sorted(int(j) for j in best))


def _pairs(subject: Subject) -> Scene:
    return replace(pairs_scene(subject.mixture, _few(subject), features=_paired(subject)), title="")


def _few(subject: Subject) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    """Evenly spaced ones of the rows that are drawn."""
    rows = subject.look.drawn
    if rows is None or len(rows) <= MOST_PAIRED_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_PAIRED_ROWS).astype(np.intp)]


def _pairs_caption(subject: Subject) -> str:
    rows, names = _few(subject), [short(subject.mixture.names[j]) for j in _paired(subject)]
    n, total = 0 if rows is None else len(rows), subject.look.total
    drawn = f"{n:,} rows" if n == total else f"{n:,} of {total:,} rows"
    return (
        f"{drawn} by each pair of {', '.join(names[:-1])} and {names[-1]}, with the ellipses of "
        f"the {_components(subject)}; on the diagonal each feature's histogram."
    )


PICTURES: Final[Mapping[str, Picture]] = MappingProxyType(
    {
        "clusters": Picture(lambda _: True, _clusters, _clusters_caption),
        "selection": Picture(
            lambda subject: len(subject.cells) > 1, _selection, _selection_caption
        ),
        "uncertainty": Picture(_doubtful, _uncertainty, _uncertainty_caption),
        "profile": Picture(
            lambda subject: subject.mixture.n_features > 1, _profile, _profile_caption
        ),
        "convergence": Picture(_traced, _convergence, _convergence_caption),
        "pairs": Picture(lambda subject: subject.mixture.n_features > 2, _pairs, _pairs_caption),
    }
)
