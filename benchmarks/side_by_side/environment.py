"""Virtual environments of the peers' own, made on first use under benchmarks/.peers."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final


class Unavailable(Exception):
    """A tool that cannot be run here; the message is the reason."""


def last_line(text: str) -> str:
    """What a failed program said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"


@final
@dataclass(frozen=True)
class Environments:
    """Environments below a folder. A requirement is installed once and noted in installed.json."""

    folder: Path

    def python(self, name: str, requirements: Sequence[str]) -> Path:
        """The interpreter of an environment that has the requirements, in their order."""
        home = self.folder / name
        python, notes = home / "bin" / "python", home / "installed.json"
        if not python.exists():
            self._call([sys.executable, "-m", "venv", str(home)], f"environment {name}")
        done = json.loads(notes.read_text()) if notes.exists() else []
        for requirement in requirements:
            if requirement not in done:
                install = [str(python), "-m", "pip", "install", "-q", *shlex.split(requirement)]
                self._call(install, f"{requirement} into {home}")
                done.append(requirement)
                notes.write_text(json.dumps(done))
        return python

    def _call(self, command: list[str], what: str) -> None:
        print(f"installing {what}", file=sys.stderr, flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise Unavailable("not installed: " + last_line("\n".join(errors) or done.stderr))
