"""The method `to_report` of estimators."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from sklearn.utils.validation import check_is_fitted

from ellimix.persist import write_beside
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

if TYPE_CHECKING:
    from ellimix.summary.summary import Summary


class Reported:
    """Mixin: an estimator's report."""

    @abstractmethod
    def _source(self, X: Any, sample_weight: Any, known: Known) -> MemorySource | OutsideSource:
        """Rows of the fitted columns, with weights."""

    @abstractmethod
    def summary(self, X: Any = None, sample_weight: Any = None, **known: Unpack[Known]) -> Summary:
        """The model in numbers."""

    def to_report(
        self,
        X: Any,
        path: str | PathLike[str] | None = None,
        sample_weight: Any = None,
        **known: Unpack[Known],
    ) -> str | None:
        """All that is known of the model, as one HTML page that needs no other file and no network.

        The choice and why, pictures, the summary, what sets each component apart, the least certain
        rows, which starts agreed, the degenerate models of a search, the drift of a stream, the
        calls that make it again, and versions. The page has at most 1 MB: at most 5,000 rows are
        drawn, at random, and the captions say how many.

        Parameters
        ----------
        X : array-like of shape (n, d), or rows outside of memory
            The rows to speak of, as a rule those of `fit`.
        path : path-like, optional
            Write the page to this file, beside and then renamed.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights of the rows.
        **known
            What else is known of them, as for `fit`.

        Returns
        -------
        str or None
            The page, where no `path` is given.

        Raises
        ------
        MissingExtra
            jinja2 or matplotlib is not installed: ``pip install 'ellimix[report]'``.
        DataError
            `X` or what goes with it is wrong, or there is no folder for `path`.

        Examples
        --------
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> page = GaussianMixture(2, random_state=0).fit(X).to_report(X)
        >>> page.startswith("<!doctype html>"), len(page) < 1e6
        (True, True)
        """
        check_is_fitted(self)
        reporting: Any = import_module("ellimix.reporting")  # which stands above the estimators
        reporting.check_wanted(path)
        source = self._source(X, sample_weight, known)
        summary = self.summary(X, sample_weight, **known)
        given = ["sample_weight"] * (sample_weight is not None)
        given += [name for name, value in known.items() if value is not None]
        page: str = reporting.estimator_page(self, source, summary, given)
        if path is None:
            return page
        write_beside(Path(path), lambda name: Path(name).write_text(page, encoding="utf-8"))
        return None
