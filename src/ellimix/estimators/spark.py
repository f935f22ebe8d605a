"""Mixtures in Spark's queries."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ellimix.density.mixture import Mixture
from ellimix.errors import MissingExtra
from ellimix.estimators.answers import ANSWERS
from ellimix.estimators.methods import MixtureMethods


def spark_udf(
    model: MixtureMethods | Mixture,
    method: Literal["predict", "predict_proba", "score_samples"] = "predict",
    level: Literal["component", "cluster"] = "component",
) -> Any:
    """A pandas UDF of Spark that says what a mixture says of each row.

    Parameters
    ----------
    model : estimator or Mixture
        Fitted.
    method : {"predict", "predict_proba", "score_samples"}, default="predict"
        The most probable component (bigint; -1 for noise), the responsibilities (array of double),
        or the log-density (double, natural logarithm).
    level : {"component", "cluster"}, default="component"
        As for the methods: ``"cluster"`` after `combine`.

    Returns
    -------
    function
        Of d columns of numbers, in the order of the model's. NULL and NaN are missing values.
        ``sdf.withColumn("label", function("x", "y"))`` computes nothing before the column is
        asked for. It can be registered for SQL, too: ``spark.udf.register("label", function)``.

    Raises
    ------
    MissingExtra
        pyspark, pandas or pyarrow is not installed (``pip install 'ellimix[spark]'``).
    NotFittedError
        The model is not fitted, or `level` is ``"cluster"`` before `combine`.
    ValueError
        `method` is none of these.

    Examples
    --------
    >>> import ellimix as em
    >>> mixture = em.Mixture.from_parameters([0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], family="V")
    >>> em.spark_udf(mixture, "score").returnType
    Traceback (most recent call last):
    ...
    ValueError: method is 'score': expected one of predict, predict_proba, score_samples.
    """
    if method not in ANSWERS:
        raise ValueError(f"method is {method!r}: expected one of {', '.join(ANSWERS)}.")
    tree = None
    if isinstance(model, Mixture):
        if level != "component":
            raise ValueError("A Mixture has no clusters: pass the estimator that was combined.")
        mixture = model
    else:
        check_is_fitted(model)
        tree, mixture = model._clusters(level), model.mixture_
    try:
        from ellimix.sources.spark.columns import column_function
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "spark") from error
    answer = ANSWERS[method](mixture, tree)
    return column_function(answer, np.asarray(answer(np.zeros((1, mixture.n_features)))))
