"""Films as MP4, by ffmpeg: the system's, or that of the package imageio-ffmpeg, imported here."""

from __future__ import annotations

import shutil

from ellimix.errors import MissingExtra
from ellimix.plots.canvas import film as shoot
from ellimix.plots.motion.film import Film

STILL = 2.0  # seconds for which the last frame stays


def write_mp4(film: Film, path: str) -> None:
    """Write a film by H.264.

    Raises
    ------
    MissingExtra
        matplotlib is not installed, or there is no ffmpeg.
    DataError
        ffmpeg failed.
    """
    hold = round(STILL * film.fps)
    shoot(film.scenes, path, "ffmpeg", film.fps, hold, ffmpeg_path=program(), codec="h264")


def program() -> str:
    """Where ffmpeg is.

    Raises
    ------
    MissingExtra
        Nowhere: neither on the path nor in the package imageio-ffmpeg.
    """
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise MissingExtra("imageio-ffmpeg", "video") from None
