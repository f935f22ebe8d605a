"""Displays: a kind of picture, and the picture once it is drawn, as in scikit-learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ellimix.errors import DataError
from ellimix.plots.canvas import draw
from ellimix.plots.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Display(ABC):
    """Abstract base of the kinds of picture: a scene, and the axes that it was drawn on.

    A concrete class gives the kind's `name` and its function `scene`. Its keyword-only parameters
    are the kind's options.

    Attributes
    ----------
    scene_ : Scene
        What is drawn, as a record.
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
        The first panel's.
    axes_ : tuple of matplotlib Axes
        One for each panel.
    """

    name: ClassVar[str]
    figure_: Figure
    ax_: Axes
    axes_: tuple[Axes, ...]

    def __init__(self, scene: Scene) -> None:
        self.scene_ = scene

    @staticmethod
    @abstractmethod
    def scene(model: Any, X: Any = None) -> Scene:
        """The picture of a model and rows."""

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """The names of the kind's options."""
        found = signature(cls.scene).parameters.values()
        return tuple(p.name for p in found if p.kind is Parameter.KEYWORD_ONLY)

    @classmethod
    def of(cls, model: Any, X: Any = None, **options: Any) -> Scene:
        """The scene of a model and rows.

        Raises
        ------
        DataError
            The kind has no such option, or what it raises of its own.
        """
        unknown = [name for name in options if name not in cls.options()]
        if unknown:
            known = ", ".join(cls.options()) or "none"
            raise DataError(
                f"The kind '{cls.name}' has no option '{unknown[0]}'; its options are: {known}."
            )
        return cls.scene(model, X, **options)

    @classmethod
    def from_estimator(cls, model: Any, X: Any = None, *, ax: Any = None, **options: Any) -> Self:
        """Draw a fitted estimator or a mixture with matplotlib.

        Parameters
        ----------
        model : fitted estimator, search or Mixture
        X : array-like of shape (n, d), optional
            The rows, with NaN for missing values.
        ax : matplotlib Axes, or a sequence of them, optional
            One for each panel; by default those of a new figure.
        **options
            Those of the kind.

        Returns
        -------
        Display

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        DataError
            The model is not fitted, `X` does not fit it, or an option is wrong.
        """
        return cls(cls.of(model, X, **options)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the scene, on given axes or a new figure. Returns the display itself."""
        self.axes_ = draw(self.scene_, ax)
        self.ax_ = self.axes_[0]
        figure = self.ax_.get_figure(root=True)
        if figure is None:
            raise DataError("ax stands in no figure any more: pass axes of one.")
        self.figure_ = figure
        return self
