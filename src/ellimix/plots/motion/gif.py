"""Films as GIF, by Pillow, which matplotlib brings."""

from __future__ import annotations

from ellimix.plots.canvas import film as shoot
from ellimix.plots.motion.film import Film

STILL = 2.0  # seconds for which the last frame stays


def write_gif(film: Film, path: str) -> None:
    """Write a film that begins anew when it is over.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    shoot(film.scenes, path, "pillow", film.fps, round(STILL * film.fps))
