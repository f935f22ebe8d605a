"""scikit-learn's callback interface. The only module that touches it.

The tasks of a fit are one ``fit`` with an ``iteration`` each; all starts advance in the same
iteration. The estimator that a callback gets when an iteration begins or ends holds the best of
them so far, and all of them in ``reports_``.
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


def callbacks_of(estimator: object) -> tuple[Any, ...]:
    """Those that `set_callbacks` was given."""
    return tuple(getattr(estimator, "_skl_callbacks", ()))


class FitCallbacks:
    """The hooks of one fit.

    Parameters
    ----------
    estimator : CallbackSupport
    arguments : dict
        ``X``, ``y`` and ``metadata`` of the fit, as callbacks may ask for them.
    max_iter : int
    """

    def __init__(
        self, estimator: CallbackSupport, arguments: dict[str, Any], max_iter: int
    ) -> None:
        self._estimator, self._arguments = estimator, arguments
        self._root = estimator._init_callback_context(max_subtasks=max_iter)
        self._root.call_on_fit_task_begin(estimator=estimator, **arguments)
        self._iteration: Any = None

    @property
    def listening(self) -> bool:
        """Whether any callback is registered: without one an iteration need not be announced."""
        return bool(callbacks_of(self._estimator))

    def begin(self, attributes: Attributes, fits: Fits) -> None:
        """Begin an iteration, if there is to be one, of fits as they stand."""
        if not fits.running:
            return
        self._iteration = self._root.subcontext(task_name="iteration")
        self._iteration.call_on_fit_task_begin(
            estimator=self._estimator,
            reconstruction_attributes=lambda: attributes(fits),
            **self._arguments,
        )

    def observe(self, attributes: Attributes, fits: Fits) -> bool:
        """End an iteration, and begin the next; whether a callback asks to stop."""
        stop = self._end(self._iteration, lambda: attributes(fits))
        self._iteration = None
        if not stop:
            self.begin(attributes, fits)
        return stop

    def finish(self) -> None:
        """End the fit, and the iteration that an interrupt cut short."""
        if self._iteration is not None:
            self._end(self._iteration, None)
        self._end(self._root, dict)

    def _end(self, context: Any, attributes: Callable[[], dict[str, Any]] | None) -> bool:
        return bool(
            context.call_on_fit_task_end(
                estimator=self._estimator,
                reconstruction_attributes=attributes,
                **self._arguments,
            )
        )
