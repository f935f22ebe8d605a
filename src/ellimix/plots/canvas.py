"""matplotlib, imported here and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ellimix.errors import MissingExtra
from ellimix.persist import write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette: told apart with any kind of colour vision
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8B6F00", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_axes() -> Axes:
    """Axes of a new figure."""
    return new_row(1)[0]


def new_row(count: int) -> tuple[Axes, ...]:
    """Axes of a new figure, side by side."""
    return new_grid(1, count)


def new_grid(rows: int, columns: int) -> tuple[Axes, ...]:
    """Axes of a new figure, row after row."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtra("matplotlib", "plots") from None
    height = 4.2 if rows == 1 else 3.2 * rows
    size = (6.4, 4.8) if rows == columns == 1 else (4.8 * columns, height)
    figure = pyplot.figure(figsize=size, layout="constrained")
    return tuple(figure.subplots(rows, columns, squeeze=False).ravel())


def ellipse(center: tuple[float, float], width: float, height: float, angle: float) -> Any:
    """An outline; `angle` in degrees."""
    from matplotlib.patches import Ellipse

    return Ellipse(center, width, height, angle=angle, fill=False)


def integer_ticks(ax: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))


def check_format(path: Path) -> str:
    """The picture format of a file name. Raises ValueError where matplotlib does not know it."""
    from matplotlib.backend_bases import FigureCanvasBase

    name = path.suffix.lstrip(".").lower() or "png"
    if name not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(f"Pictures cannot be written as '.{name}': use .png, .svg or .pdf.")
    return name


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file, beside and then renamed, and close it."""
    from matplotlib import pyplot

    name = check_format(path)
    write_beside(path, lambda beside: figure.savefig(beside, dpi=150, format=name))
    pyplot.close(figure)


def use_files_only() -> None:
    """Draw without a screen (for the command line)."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtra("matplotlib", "plots") from None
    mpl.use("Agg")
