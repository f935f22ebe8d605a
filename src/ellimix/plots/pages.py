"""jinja2, imported here and nowhere else: pages from templates that are part of the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from ellimix.errors import MissingExtra


def check() -> None:
    """Raise `MissingExtra` where jinja2 is not installed."""
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise MissingExtra("jinja2", "report") from None


def page(package: str, name: str, **values: Any) -> str:
    """A page from a template; every text is escaped.

    Parameters
    ----------
    package : str
        The package that the template is in, such as ``"ellimix.plots.motion"``.
    name : str
        The template's file.
    **values
        What the template calls for. In a script use the filter ``tojson``, which is safe there.

    Raises
    ------
    MissingExtra
        jinja2 is not installed.
    """
    check()
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = made.from_string(files(package).joinpath(name).read_text(encoding="utf-8"))
    return template.render(**values)
