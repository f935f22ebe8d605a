"""Summary: a model in numbers, in one record that prints in several formats."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, final

from ellimix.errors import DataError
from ellimix.summary import latex, markdown, page, text
from ellimix.summary.contents import document
from ellimix.summary.parts import Layout
from ellimix.summary.records import (
    Choice,
    Component,
    Estimation,
    FitNumbers,
    Noise,
    PosteriorNumbers,
    RowNumbers,
)

WIDTH, LEAST = 80, 40  # columns of a terminal
LETTERS: Final = 100  # of a row in LaTeX


@final
@dataclass(frozen=True, repr=False)
class Summary:
    """A fitted mixture in numbers.

    `print` shows it as text of 80 columns, a notebook as HTML. Logarithms are natural.

    Parameters
    ----------
    title : str
        What kind of model it is.
    words : str
        The model in words.
    family : str
        Three letters; E or V for one feature.
    n_components : int
    feature_names : tuple of str
    n_parameters : int
        Free parameters, that were estimated.
    estimation : Estimation
    components : tuple of Component
    noise : Noise or None
    rows : RowNumbers or None
        None where no rows are known.
    fit : FitNumbers or None
        None where it is not known how the model was fitted.
    posterior : PosteriorNumbers or None
        Of a variational fit.
    choice : Choice or None
        Of a search.
    warnings : tuple of str
        What a careful reader should know, in sentences.
    lacking : tuple of str
        What cannot be said, and what to do, in sentences.

    Examples
    --------
    >>> from ellimix import GaussianMixture, datasets
    >>> X, _ = datasets.faithful()
    >>> summary = GaussianMixture(2, random_state=0).fit(X).summary()
    >>> round(summary.rows.bic, 3), summary.components[0].number
    (2322.192, 0)
    >>> summary.to_dict()["fit"]["status"]
    'converged'
    """

    title: str
    words: str
    family: str
    n_components: int
    feature_names: tuple[str, ...]
    n_parameters: int
    estimation: Estimation
    components: tuple[Component, ...]
    noise: Noise | None = None
    rows: RowNumbers | None = None
    fit: FitNumbers | None = None
    posterior: PosteriorNumbers | None = None
    choice: Choice | None = None
    warnings: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_text(
        self,
        width: int = WIDTH,
        max_features: int | None = 12,
        max_components: int | None = 20,
    ) -> str:
        """As text.

        Parameters
        ----------
        width : int, default 80
            Columns of the terminal, at least 40. Tables that are wider go on below.
        max_features, max_components : int or None
            Shown at most, with a sentence on the rest: features along which components lie apart,
            and components with the largest weights. None shows all.

        Raises
        ------
        DataError
            An argument is out of range.
        """
        if width < LEAST:
            raise DataError(f"width is {width}, expected at least {LEAST} columns.")
        layout = _layout(width, min(24, width // 3), max_features, max_components)
        return text.render(document(self, layout), width)

    def to_html(
        self,
        style: bool = True,
        max_features: int | None = 60,
        max_components: int | None = 60,
    ) -> str:
        """As a fragment of HTML: one ``section``, which refers to nothing outside.

        Parameters
        ----------
        style : bool, default True
            Whether rules of style come before it. They take the page's colours, light or dark.
        max_features, max_components : int or None
            As for `to_text`.
        """
        layout = _layout(None, 60, max_features, max_components)
        return page.render(document(self, layout), style)

    def to_markdown(self, max_features: int | None = 60, max_components: int | None = 60) -> str:
        """As Markdown with tables. The arguments are as for `to_text`."""
        return markdown.render(document(self, _layout(None, 40, max_features, max_components)))

    def to_latex(self, max_features: int | None = 60, max_components: int | None = 60) -> str:
        r"""As LaTeX, for a document that uses the package booktabs.

        What every LaTeX can set is ASCII and letters with accents: others, as in names, come out as
        their number, ``U+03B1``. The arguments are as for `to_text`.
        """
        return latex.render(document(self, _layout(LETTERS, 40, max_features, max_components)))

    def to_dict(self) -> dict[str, Any]:
        """All numbers as dictionaries, lists, numbers and text, for JSON.

        None stands for what is not known, and for numbers that are not finite.
        """
        found: dict[str, Any] = _plain(self)
        return found


def _layout(
    width: int | None, name_width: int, max_features: int | None, max_components: int | None
) -> Layout:
    for name, value in (("max_features", max_features), ("max_components", max_components)):
        if value is not None and value < 1:
            raise DataError(f"{name} is {value}, expected a number from 1, or None for all.")
    return Layout(width, name_width, max_features, max_components)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
