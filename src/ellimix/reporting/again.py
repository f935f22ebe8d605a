"""Sections on how to run the same again: calls and versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from ellimix import __version__
from ellimix.reporting.parts import Bullets, Code, Part, Section, Table
from ellimix.reporting.subject import Subject

PACKAGES: Final = ("numpy", "scipy", "scikit-learn", "numba")


def again(subject: Subject) -> Section:
    """The calls that make this model and this report."""
    parts: list[Part] = []
    for call in subject.calls:
        parts.append(Code(call.caption, call.lines))
        if call.notes:
            parts.append(Bullets(call.notes))
    return Section("again", "Run it again", tuple(parts))


def versions() -> Section:
    """What made the report."""
    rows = (
        ("ellimix", __version__),
        *((package, _version(package)) for package in PACKAGES),
        ("Python", platform.python_version()),
        ("platform", platform.platform()),
    )
    caption = "What computed the numbers above."
    return Section("versions", "Versions", (Table(caption, ("package", "version"), rows, ()),))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
