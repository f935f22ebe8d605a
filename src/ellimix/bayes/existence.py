"""Whether a quantity of a posterior exists yet, and what it takes if not."""

from __future__ import annotations

import math

from ellimix.errors import ImproperPosterior


def demand(what: str, kappa: float, degrees: float, d: int, *, proper: bool, above: float) -> None:
    """Raise ImproperPosterior unless a posterior is proper and its degrees exceed `above`.

    Parameters
    ----------
    what : str
        The quantity, as the beginning of a sentence.
    kappa, degrees : float
    d : int
    proper : bool
    above : float
        d - 1 or more.
    """
    if degrees <= above:
        more = math.floor(above - degrees) + 1
        raise ImproperPosterior(
            f"{what} does not exist yet: degrees is {degrees:.6g} and must exceed {above:.6g}. "
            f"Update with {more} more row{'s'[: more > 1]}."
        )
    if kappa == 0.0:
        raise ImproperPosterior(
            f"{what} does not exist yet: kappa is 0, so nothing is known of the mean. "
            "Update with 1 row."
        )
    if not proper:
        flat = "the rows are all equal" if d == 1 else "the rows do not vary in every direction"
        raise ImproperPosterior(
            f"{what} does not exist yet: {flat}, so scale is "
            f"{'0' if d == 1 else 'singular'}. Update with rows that vary, or begin with a "
            "prior whose scale is not tiny beside them."
        )
