"""Jobs of Spark: cancelled when this process is interrupted, and failures told in a sentence."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from uuid import uuid4

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger

from ellimix.errors import DataError, RowsLost

WHERE: Final = "the Spark DataFrame"
LOGGERS: Final = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")


@contextmanager
def asked_of(frame: Any, what: str = "", during_fit: bool = False) -> Iterator[None]:
    """Context of Spark's answers: interrupts cancel its jobs, and errors become a sentence.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
    what : str
        What of it is asked, for messages.
    during_fit : bool
        Whether the rows were read before, so that what fails now is the cluster.

    Raises
    ------
    DataError
        Spark failed.
    RowsLost
        It failed during a fit, which then ends with the best parameters so far.
    """
    context = frame.sparkSession.sparkContext
    tag = f"ellimix-{uuid4().hex}"
    try:
        with _quiet():
            context.addJobTag(tag)
            yield
    except KeyboardInterrupt:
        context.cancelJobsWithTag(tag)
        raise
    except (Py4JError, PySparkException) as error:
        sentence = f"Spark failed on {f'{what} {WHERE}'.strip()}: {cause_of(str(error))}"
        raise (RowsLost if during_fit else DataError)(sentence) from None
    finally:
        if context._jsc is not None:
            with suppress(Py4JError):
                context.removeJobTag(tag)


@contextmanager
def _quiet() -> Iterator[None]:
    """Context without records of errors by pyspark and py4j, which hold all of Java's stack."""
    loggers = [PySparkLogger.getLogger(name) for name in LOGGERS]
    before = [logger.disabled for logger in loggers]
    logging.root.addFilter(_not_of_py4j)
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        logging.root.removeFilter(_not_of_py4j)
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in record.pathname


def cause_of(text: str) -> str:
    r"""What failed, in a sentence, from the text of Spark's error with its stack traces.

    Examples
    --------
    >>> from ellimix.sources.spark.jobs import cause_of
    >>> cause_of('''Job aborted: PythonException: Traceback (most recent call last):
    ...   File "worker.py", line 1, in main
    ... ZeroDivisionError: division by zero
    ...
    ... \tat org.apache.spark.Task.run(Task.java:1)''')
    'ZeroDivisionError: division by zero.'
    """
    _, found, trace = text.partition("Traceback (most recent call last):")
    if found:  # of a task's Python; what follows in Java only carries it
        told = [line for line in trace.partition("\n\tat ")[0].splitlines() if line[:1].strip()]
    else:
        told = re.findall(r"Caused by: (?:[\w.$]+: )?(.+)", text)
        told = (
            told or [line for line in text.splitlines() if "occurred while calling" not in line][:1]
        )
    cause = told[-1] if told else "it gave no reason"
    cause = re.sub(r"[;,]? *line \d+ pos \d+;?$", "", cause.strip(": ")).rstrip(" .;")
    remedy = ""
    if "No module named" in cause:
        remedy = " Spark's workers need ellimix with its extra 'spark': see PYSPARK_PYTHON."
    return f"{cause}.{remedy}"
