"""A mixture's answers as a column of a Spark DataFrame: a pandas UDF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql.pandas.functions import pandas_udf

from ellimix.records import Rows

Answer = Callable[[Rows], NDArray[Any]]
TYPES: Final = {"i": "bigint", "f4": "float", "f8": "double"}


def column_function(answer: Answer, one: NDArray[Any]) -> Any:
    """A pandas UDF of columns of numbers.

    Parameters
    ----------
    answer : callable
        From rows (n, d).
    one : ndarray
        What it says of one row.
    """
    kind = TYPES.get(one.dtype.kind) or TYPES[one.dtype.str[1:]]
    several = one.ndim == 2

    def scored(*columns: Any) -> Any:
        single = all(column.dtype == np.float32 for column in columns)
        dtype = np.float32 if single else np.float64
        rows = np.empty((len(columns[0]), len(columns)), dtype)
        for j, column in enumerate(columns):
            rows[:, j] = column
        found = answer(rows)
        return pd.Series(list(found) if several else found)

    scored.__annotations__ = {"columns": pd.Series, "return": pd.Series}  # which Spark looks at
    made: Any = pandas_udf  # its overloads know no such function
    return made(scored, returnType=f"array<{kind}>" if several else kind)
