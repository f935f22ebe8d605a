"""Checkpoints: where a fit stands, in a file that is there whole or not at all.

One JSON document. What a person may want to read comes first: the schema, the release that wrote
it, passes, and what the fit is of. Then the state, as `ellimix.freezing` writes it, and last a
SHA-256 of all that stands before it. The file is written beside the place (``NAME.new``), made to
reach the disk, and renamed; the one before is kept as ``NAME.previous``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from ellimix import __version__
from ellimix.errors import CheckpointError, DataError
from ellimix.flights import FitsState
from ellimix.freezing import frozen, thawed
from ellimix.report import FitReport

SCHEMA: Final = "ellimix.checkpoint"
VERSION: Final = 1
TAIL: Final = re.compile(r',"sha256":"([0-9a-f]{64})"}\n\Z')
SHOWN: Final = 12  # characters of a digest
ABSENT: Final = "nothing"


@final
@dataclass(frozen=True)
class Checkpoint:
    """Where a fit keeps how far it is, and how often.

    Parameters
    ----------
    path : path-like
        A file, such as ``"run.json"``, in a folder that exists.
    every_passes : int, optional
        It is written after so many passes over the rows.
    every_minutes : float, default=1.0
        And after the first pass that ends so many minutes after it was written last. None: by
        passes alone.

    Raises
    ------
    DataError
        A number is not positive, or there is no such folder.

    Examples
    --------
    >>> import ellimix as em, os, tempfile
    >>> run = em.Checkpoint(os.path.join(tempfile.mkdtemp(), "run.json"), every_passes=1)
    >>> X, names = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, random_state=0).fit(X, checkpoint=run)
    >>> again = em.GaussianMixture(2, random_state=0).fit(X, checkpoint=run, resume=True)
    >>> bool((again.means_ == model.means_).all())
    True
    """

    path: str | PathLike[str]
    every_passes: int | None = None
    every_minutes: float | None = 1.0

    def __post_init__(self) -> None:
        for name in ("every_passes", "every_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"{name} of a checkpoint is {value!r}: expected more than 0.")
        if self.every_passes is None and self.every_minutes is None:
            raise DataError("A checkpoint needs every_passes or every_minutes.")
        if self.file.is_dir():
            raise DataError(f"The checkpoint {self.file} is a folder: name a file in it.")
        if not self.file.parent.is_dir():
            raise DataError(f"The folder {self.file.parent} of the checkpoint does not exist.")

    @property
    def file(self) -> Path:
        """The file."""
        return Path(self.path)

    @property
    def previous(self) -> Path:
        """The one that was written before it."""
        return self.file.with_name(self.file.name + ".previous")

    @property
    def new(self) -> Path:
        """Where the next one is written before it is renamed."""
        return self.file.with_name(self.file.name + ".new")


@final
@dataclass(frozen=True, eq=False)
class Saved:
    """What a checkpoint holds.

    Parameters
    ----------
    of : mapping
        What the fit is of: see `differences`.
    fits : FitsState
    others : tuple of FitReport
        Of starts that ended on the sample.
    seed : int or None
        Of the sample of rows outside of memory.
    random : tuple or None
        Parts of the state of a random generator that the fit was given.
    origin : Path
        The file that it was read from.
    """

    of: Mapping[str, Any]
    fits: FitsState
    others: tuple[FitReport, ...] = ()
    seed: int | None = None
    random: tuple[Any, ...] | None = None
    origin: Path = field(default_factory=Path)


def write(checkpoint: Checkpoint, saved: Saved) -> None:
    """Write a checkpoint; at any instant the file is whole.

    Raises
    ------
    OSError
        It cannot be written; those that were there are as they were.
    """
    data = text_of(saved).encode("utf-8")
    try:
        with checkpoint.new.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if checkpoint.file.exists():
            _keep_previous(checkpoint)
        os.replace(checkpoint.new, checkpoint.file)
    except OSError:
        checkpoint.new.unlink(missing_ok=True)
        raise
    _reach_disk(checkpoint.file.parent)


def read(checkpoint: Checkpoint) -> Saved | None:
    """The checkpoint, or the one before it where it is damaged; None where there is no file.

    Raises
    ------
    CheckpointError
        There are files, and none is a whole checkpoint.
    """
    if not checkpoint.file.exists():
        return None
    try:
        return read_file(checkpoint.file)
    except CheckpointError as error:
        if checkpoint.previous.exists():
            with suppress(CheckpointError):
                return read_file(checkpoint.previous)
        raise CheckpointError(f"{error} Remove it to begin anew, or choose another name.") from None


def read_file(path: Path) -> Saved:
    """The checkpoint in one file.

    Raises
    ------
    CheckpointError
        It cannot be read, is no checkpoint, was cut short or changed, or is of another version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {error}.") from None
    head = f'{{"schema":"{SCHEMA}"'
    if not text.startswith(head):
        raise CheckpointError(f"{path} is no checkpoint.")
    tail = TAIL.search(text)
    if tail is None or tail[1] != _digest(text[: tail.start()]):
        raise CheckpointError(f"{path} is a checkpoint that was cut short or changed.")
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError(
                f"its version is {document['version']!r}, and this release reads {VERSION}"
            )
        fits, others, random = thawed(document["state"])
        return Saved(document["of"], fits, others, document["seed"], random, path)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a sound checkpoint: {error}.") from None


def text_of(saved: Saved) -> str:
    """The document."""
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "release": __version__,
        "running": saved.fits.running,
        "passes": saved.fits.passes,
        "of": saved.of,
        "seed": saved.seed,
        "state": frozen((saved.fits, saved.others, saved.random)),
    }
    body = json.dumps(document, allow_nan=False, separators=(",", ":"))[:-1]
    return f'{body},"sha256":"{_digest(body)}"}}\n'


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two fits, as a list in words; empty where nothing does.

    Examples
    --------
    >>> from ellimix.checkpoint import differences
    >>> differences({"n_components": 3, "rows": 100}, {"n_components": 4, "rows": 100})
    'n_components was 3 and is 4'
    """
    names = [*before, *(name for name in now if name not in before)]
    said = ((name, before.get(name, ABSENT), now.get(name, ABSENT)) for name in names)
    return ", ".join(f"{name} was {a!r} and is {b!r}" for name, a, b in said if a != b)


def check_same(saved: Saved, now: Mapping[str, Any]) -> None:
    """Raise `CheckpointError` where what is known of a fit is not what was written.

    Only the names in `now` are compared, so that a part can be checked early.
    """
    before = {name: saved.of[name] for name in now if name in saved.of}
    if said := differences(before, now):
        raise CheckpointError(
            f"{saved.origin} is the checkpoint of another fit: {said}. Fit the same model to the "
            "same rows, or choose another file."
        )


def short(value: Any) -> Any:
    """A value in short: numbers and texts as they are, all else by its kind and a digest.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.checkpoint import short
    >>> short(3), short(np.zeros(2)) == short(np.zeros(2)), short(np.zeros(2)) == short(np.ones(2))
    (3, True, False)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    if isinstance(value, np.random.RandomState):
        return "a RandomState"
    made = hashlib.sha256()
    _feed(made, value)
    kind = f"array {np.shape(value)}" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{kind} {made.hexdigest()[:SHOWN]}"


def _feed(made: Any, value: Any) -> None:
    """Give a hash all that a value is made of."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        made.update(f"{value.dtype.str}{value.shape}".encode())
        made.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    elif isinstance(value, Mapping):
        _feed(made, [part for pair in value.items() for part in pair])
    elif isinstance(value, list | tuple | np.ndarray):
        made.update(f"({len(value)}".encode())
        for part in value:
            _feed(made, part)
    elif is_dataclass(value) and not isinstance(value, type):
        made.update(type(value).__name__.encode())
        _feed(made, [getattr(value, part.name) for part in fields(value)])
    elif value is None or isinstance(value, bool | int | float | str | np.generic):
        made.update(f"{value!r};".encode())
    else:
        made.update(type(value).__name__.encode())


def _keep_previous(checkpoint: Checkpoint) -> None:
    """Give the file a second name, under which it stays when it is replaced."""
    spare = checkpoint.previous.with_name(checkpoint.previous.name + ".new")
    spare.unlink(missing_ok=True)
    try:
        os.link(checkpoint.file, spare)
    except OSError:  # a file system without links
        shutil.copyfile(checkpoint.file, spare)
    os.replace(spare, checkpoint.previous)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _reach_disk(folder: Path) -> None:
    """Make a rename outlive a loss of power, where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(handle)
    except OSError:  # some network drives
        return
    finally:
        os.close(handle)
