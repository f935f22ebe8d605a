"""Files that commands write: checked before any work, written after all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ellimix.errors import DataError


def check_places(*paths: Path | None) -> None:
    """Before any work: the folders of the files to write exist."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise DataError(f"There is no folder {path.parent} to write {path.name} to.")
        if path is not None and path.is_dir():
            raise DataError(f"{path} is a folder: name a file in it.")


def check_picture(path: Path) -> None:
    """Before any work: matplotlib is there and knows the format."""
    from ellimix.plots.canvas import check_format, use_files_only

    use_files_only()
    check_format(path)


def picture_of(draw: Callable[[], Any]) -> Any:
    """The figure of the axes that `draw` returns."""
    return draw().figure


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure to a file."""
    from ellimix.plots.canvas import save_figure

    save_figure(figure, path)
