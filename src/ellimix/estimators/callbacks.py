"""scikit-learn's callback interface. The only module that touches it.

The tasks of a fit are one ``fit`` with an ``iteration`` each; all starts advance in the same
iteration, and the estimator that a callback gets holds the best of them so far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.callback import CallbackSupportMixin, with_callbacks

from ellimix.em import Fits

__all__ = ["CallbackSupport", "FitCallbacks", "with_callbacks"]

# what makes a copy of the estimator a fitted one, from the fits in flight
Attributes = Callable[[Fits], dict[str, Any]]


class CallbackSupport(CallbackSupportMixin):
    """``set_callbacks`` for an estimator whose `fit` uses `FitCallbacks`."""


class FitCallbacks:
    """The hooks of one fit.

    Parameters
    ----------
    estimator : CallbackSupport
    arguments : dict
        ``X``, ``y`` and ``metadata`` of the fit, as callbacks may ask for them.
    max_iter : int
    attributes : callable
        From the fits in flight to the attributes of a fitted estimator.
    """

    def __init__(
        self,
        estimator: CallbackSupport,
        arguments: dict[str, Any],
        max_iter: int,
        attributes: Attributes,
    ) -> None:
        self._estimator, self._arguments, self._attributes = estimator, arguments, attributes
        self._root = estimator._init_callback_context(max_subtasks=max_iter)
        self._root.call_on_fit_task_begin(estimator=estimator, **arguments)
        self._iteration = self._begin() if max_iter > 0 else None

    @property
    def listening(self) -> bool:
        """Whether any callback is registered: without one an iteration need not be announced."""
        return bool(getattr(self._estimator, "_skl_callbacks", ()))

    def observe(self, fits: Fits) -> bool:
        """End an iteration; whether a callback asks to stop."""
        stop = self._end(self._iteration, lambda: self._attributes(fits))
        more = not stop and fits.running
        self._iteration = self._begin() if more else None
        return stop

    def finish(self) -> None:
        """End the fit, and the iteration that an interrupt cut short."""
        if self._iteration is not None:
            self._end(self._iteration, None)
        self._end(self._root, dict)

    def _begin(self) -> Any:
        context = self._root.subcontext(task_name="iteration")
        context.call_on_fit_task_begin(estimator=self._estimator, **self._arguments)
        return context

    def _end(self, context: Any, attributes: Callable[[], dict[str, Any]] | None) -> bool:
        return bool(
            context.call_on_fit_task_end(
                estimator=self._estimator,
                reconstruction_attributes=attributes,
                **self._arguments,
            )
        )
