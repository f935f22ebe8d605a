"""Jobs of Spark: cancelled when this process is interrupted, and failures told in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from uuid import uuid4

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from ellimix.errors import DataError

WHERE: Final = "the Spark DataFrame"


@contextmanager
def asked_of(frame: Any, what: str = "") -> Iterator[None]:
    """Context of Spark's answers: interrupts cancel its jobs, and errors become a sentence."""
    context = frame.sparkSession.sparkContext
    tag = f"ellimix-{uuid4().hex}"
    try:
        context.addJobTag(tag)
        yield
    except KeyboardInterrupt:
        context.cancelJobsWithTag(tag)
        raise
    except (Py4JError, PySparkException) as error:
        named = f"{what} {WHERE}".strip()
        raise DataError(f"Spark failed on {named}: {cause_of(str(error))}") from None
    finally:
        if context._jsc is not None:
            with suppress(Py4JError):
                context.removeJobTag(tag)


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
    python = re.search(r"Traceback \(most recent call last\):\n((?:[ \t].*\n|\n)*)(\S.*)", text)
    if python is not None and "\nTraceback" not in text[python.end() :]:
        cause = python[2]
    else:
        blocks = re.findall(r"\n(?!Traceback)(\w[\w.]*(?:Error|Exception|Interrupt)\b.*)", text)
        caused = re.findall(r"Caused by: (?:[\w.$]+: )?(.+)", text)
        lines = [line for line in text.splitlines() if line.strip()]
        cause = (caused or blocks or lines or ["it gave no reason"])[-1 if caused else 0]
    cause = cause.strip().rstrip(".")
    remedy = ""
    if "No module named" in cause:
        remedy = " Spark's workers need ellimix with its extra 'spark': see PYSPARK_PYTHON."
    return f"{cause}.{remedy}"
