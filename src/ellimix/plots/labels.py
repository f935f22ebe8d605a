"""Words in pictures."""

from __future__ import annotations

from ellimix.density.mixture import Mixture

LONGEST = 28  # letters of a feature's name


def short(name: object, longest: int = LONGEST) -> str:
    r"""A name in one line, with its middle left out where it is long.

    Examples
    --------
    >>> short("mean of the absolute deviation of the signal")
    'mean of the a…of the signal'
    >>> short("two\nlines")
    'two lines'
    """
    words = "".join(c if c.isprintable() else " " for c in " ".join(str(name).split()))
    if len(words) <= longest:
        return words
    half = (longest - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def component(mixture: Mixture, k: int) -> str:
    """A component's number and weight."""
    return f"{k} ({mixture.weights[k]:.0%})"


def noise(mixture: Mixture) -> str:
    """The noise component and its weight."""
    return f"noise ({mixture.noise_weight:.0%})"


def counted(mixture: Mixture) -> str:
    """How many components there are, and their family."""
    plural = "" if mixture.n_components == 1 else "s"
    clutter = "" if mixture.box is None else " and noise"
    return f"{mixture.n_components} component{plural}{clutter}, {mixture.family.name}"


def rows(n: int, drawn: int, binned: bool = False) -> str:
    """How many rows there are, and how many of them are drawn."""
    count = f"{n:,} row{'' if n == 1 else 's'}" if drawn == n else f"{drawn:,} of {n:,} rows drawn"
    return f"{count}, binned" if binned else count
