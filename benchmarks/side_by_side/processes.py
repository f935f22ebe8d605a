"""Processes that answer a line with a line, one at a time.

A process whose turn it is not is stopped (SIGSTOP): threads that wait in a spin take no core.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Self, final

from side_by_side.environment import last_line


class ToolFailed(Exception):
    """A process that ended, or did not answer in time; the message is the reason."""


@final
class Process:
    """A worker, as `workers/protocol.py` says, stopped between requests.

    `limit` is how many seconds it may take to answer.
    """

    def __init__(self, command: list[str], limit: float) -> None:
        self._limit = limit
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._errors.close()

    def ready(self) -> dict[str, str]:
        """Wait until imports and data are there: the packages' versions."""
        return dict(self._answer()["ready"])

    def ask(self, line: str) -> dict[str, Any]:
        """Its answer to a line."""
        assert self._process.stdin is not None
        os.kill(self._process.pid, signal.SIGCONT)
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ToolFailed(self._last_words()) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line, until = b"", time.monotonic() + self._limit
        while not line.endswith(b"\n"):
            left = max(until - time.monotonic(), 0.0)
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise ToolFailed(f"over {self._limit:g} s")
            part = os.read(self._process.stdout.fileno(), 1 << 16)
            if not part:
                raise ToolFailed(self._last_words())
            line += part
        os.kill(self._process.pid, signal.SIGSTOP)
        return dict(json.loads(line))

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        return last_line(self._errors.read())
