"""The formats of films by the ending of a file's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ellimix.plots.motion.film import Film
from ellimix.plots.motion.gif import write_gif
from ellimix.plots.motion.page import write_page
from ellimix.plots.motion.video import write_mp4

FORMATS: Final[Mapping[str, Callable[[Film, str], None]]] = MappingProxyType(
    {".gif": write_gif, ".mp4": write_mp4, ".html": write_page}
)
