"""The tools that choose a model, each in a process of its own.

A worker's first line out is {"ready": {package: version}}. To a line

    choose FILE n d MOST SEED EXTRA

it answers with one line of JSON: {"seconds", "cpu", "family", "n_components", "bic", "cells",
"labels"}, or {"error": reason}. FILE is a .npy of float64 rows; MOST is the largest number of
components; EXTRA is n_init of scikit-learn and the time budget of ellimix; "-" is the tool's
default. "cpu" is the processor's seconds, of all threads. A cell is [family, components, BIC or
null, status, reason]. BIC: smaller is better, of every tool.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

import numpy as np

from side_by_side.environment import Environments, Unavailable
from side_by_side.processes import Process, ToolFailed
from side_by_side.tools import WORKERS, InR

# mclust's names of one component and of one feature
LETTERS: Final = {
    "X": "EII", "E": "EII", "V": "VII", "XII": "EII", "XXI": "EEI", "XXX": "EEE",
}  # fmt: skip
PROTOCOL: Final = "choosing_protocol.py"
PYTHON: Final = {"ellimix": "choose_ellimix.py", "sklearn": "choose_sklearn.py"}


def letters(family: str, d: int) -> str:
    """A family's three letters; with one feature there are two, EII and VII."""
    name = LETTERS.get(family, family)
    return name if d > 1 else {"E": "EII", "V": "VII"}[name[0]]


@final
@dataclass(frozen=True)
class Setting:
    """A tool as it is called; `extra` is its own setting."""

    tool: str
    extra: str | None = None

    @property
    def words(self) -> str:
        """The tool's own setting; empty for its default."""
        kinds = {"sklearn": "n_init {}", "ellimix": "{} s"}
        return "" if self.extra is None else kinds[self.tool].format(self.extra)

    def __str__(self) -> str:
        name = {"sklearn": "scikit-learn"}.get(self.tool, self.tool)
        return f"{name}, {self.words}" if self.words else name


@final
@dataclass(frozen=True)
class Cell:
    """A family with a number of components; BIC (smaller is better) is None without a fit."""

    family: str
    n_components: int
    bic: float | None
    status: str
    reason: str

    @property
    def ok(self) -> bool:
        """Whether the tool itself would choose it."""
        return self.bic is not None and self.status == "ok"

    @property
    def rank(self) -> float:
        """The BIC, or infinity."""
        return np.inf if self.bic is None else self.bic


@final
@dataclass(frozen=True)
class Choice:
    """What a tool chose for the rows, and its table."""

    seconds: float
    cpu: float
    family: str
    n_components: int
    bic: float
    cells: dict[tuple[str, int], Cell]
    labels: np.ndarray

    @classmethod
    def of(cls, answer: dict[str, Any], d: int) -> Choice:
        """The answer, with families in three letters; of equal ones the better cell is kept."""
        cells: dict[tuple[str, int], Cell] = {}
        for family, k, *rest in answer["cells"]:
            cell = Cell(letters(family, d), k, *rest)
            at = cell.family, k
            if at not in cells or cells[at].rank > cell.rank:
                cells[at] = cell
        return cls(
            answer["seconds"],
            answer["cpu"],
            letters(answer["family"], d),
            answer["n_components"],
            answer["bic"],
            cells,
            np.array(answer["labels"]),
        )

    @property
    def model(self) -> str:
        """As VEV,2."""
        return f"{self.family},{self.n_components}"


@final
@dataclass
class Chooser:
    """A tool's process, started when it is needed and again after it failed.

    `cache` is a folder where answers are kept, keyed by rows, request, worker and versions; without
    it every call is run.
    """

    setting: Setting
    command: list[str]
    limit: float
    cache: Path | None = None
    versions: dict[str, str] = field(default_factory=dict)
    _worker: bytes = b""
    _process: Process | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        if self._folder is not None:
            self._folder.cleanup()

    def choose(self, rows: np.ndarray, most: int | None = None, seed: int = 0) -> Choice:
        """Its choice; raises `ToolFailed` where it has none."""
        n, d = rows.shape
        asked = f"{n} {d} {most or '-'} {seed} {self.setting.extra or '-'}"
        kept = None if self.cache is None else self.cache / self._key(rows, asked)
        if kept is not None and kept.exists():
            answer = json.loads(kept.read_text())
        else:
            answer = self._ask(rows, asked)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(answer))
        if "error" in answer:
            raise ToolFailed(answer["error"])
        return Choice.of(answer, d)

    def _ask(self, rows: np.ndarray, asked: str) -> dict[str, Any]:
        assert self._folder is not None
        path = Path(self._folder.name) / "rows.npy"
        np.save(path, np.ascontiguousarray(rows, dtype=np.float64))
        if self._process is None:
            self._start()
        assert self._process is not None
        try:
            return self._process.ask(f"choose {path} {asked}")
        except ToolFailed:
            self._stop()
            raise

    def _key(self, rows: np.ndarray, asked: str) -> str:
        parts = [np.ascontiguousarray(rows, dtype=np.float64).tobytes(), self._worker]
        words = [asked, json.dumps(self.versions, sort_keys=True)]
        content = b"\0".join([*parts, *(word.encode() for word in words)])
        return f"{self.setting.tool}/{hashlib.sha256(content).hexdigest()[:32]}.json"

    def _start(self) -> None:
        files = Path(self.command[-1]), WORKERS / PROTOCOL
        self._worker = b"".join(file.read_bytes() for file in files)
        self._process = Process(self.command, self.limit)
        try:
            self.versions = self._process.ready()
        except ToolFailed:
            self._stop()
            raise

    def _stop(self) -> None:
        if self._process is not None:
            self._process.__exit__(None, None, None)
        self._process = None


@final
@dataclass(frozen=True)
class Tools:
    """How the tools are called: the interpreter of the two in Python, a limit, a cache.

    Ours is never taken from the cache: it is what is being worked on.
    """

    environments: Environments
    python: Path
    limit: float
    cache: Path | None

    def chooser(self, setting: Setting, *, cached: bool = True) -> Chooser:
        """A tool, not yet started. Raises `Unavailable`."""
        kept = self.cache if cached and setting.tool != "ellimix" else None
        return Chooser(setting, self._command(setting.tool), self.limit, kept)

    def _command(self, tool: str) -> list[str]:
        if tool in PYTHON:
            return [str(self.python), str(WORKERS / PYTHON[tool])]
        return InR("choose_mclust.R", "mclust").prepare(self.environments)


__all__ = ["Cell", "Choice", "Chooser", "Setting", "ToolFailed", "Tools", "Unavailable"]
