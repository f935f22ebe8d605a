"""The 14 covariance families, by name.

``FAMILIES`` is the registry: a new family is one class and one line here. scikit-learn's four
names are aliases, parsed here and nowhere else. With one feature there are two families, E and V;
all 14 names reduce to one of them.
"""

from __future__ import annotations

from typing import Final

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.covariance.diagonal import EEI, EVI, VEI, VVI
from ellimix.covariance.ellipsoidal import EEE, EVV, VEE, VVV
from ellimix.covariance.oriented import EEV, EVE, VEV, VVE
from ellimix.covariance.spherical import EII, VII

__all__ = [
    "ALIASES",
    "FAMILIES",
    "ONE_FEATURE",
    "Covariance",
    "Family",
    "Structure",
    "name_for",
    "parse",
]

_ALL: Final[tuple[Family, ...]] = (
    EII(), VII(),
    EEI(), VEI(), EVI(), VVI(),
    EEE(), VEE(), EVE(), VVE(), EEV(), VEV(), EVV(), VVV(),
)  # fmt: skip

FAMILIES: Final[dict[str, Family]] = {family.name: family for family in _ALL}
ALIASES: Final = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
ONE_FEATURE: Final = {"E": "EII", "V": "VII"}


def parse(name: str, n_features: int | None = None) -> Family:
    """The family of that name.

    Parameters
    ----------
    name : str
        Three letters (``"VVV"``), one of scikit-learn's four names (``"full"``), or ``"E"`` or
        ``"V"`` for one feature.
    n_features : int, optional
        Number of features: ``"E"`` and ``"V"`` are refused unless it is 1.

    Raises
    ------
    ValueError
        The name is unknown, or is for one feature and there are more.

    Examples
    --------
    >>> from ellimix.covariance import parse
    >>> parse("tied").words
    'ellipsoidal, equal volume, shape and orientation'
    """
    if name in ONE_FEATURE:
        if n_features is not None and n_features != 1:
            raise ValueError(
                f"The covariance family {name!r} is for one feature, but there are {n_features}. "
                f"Use one of {', '.join(FAMILIES)}."
            )
        return FAMILIES[ONE_FEATURE[name]]
    family = FAMILIES.get(ALIASES.get(name, name))
    if family is None:
        raise ValueError(
            f"Unknown covariance family {name!r}. Use one of {', '.join(FAMILIES)}; "
            f"{', '.join(ALIASES)} (scikit-learn's names); or E, V for one feature."
        )
    return family


def name_for(family: Family, n_features: int) -> str:
    """A family's name for so many features: its letter for the volume where there is but one.

    Examples
    --------
    >>> from ellimix.covariance import FAMILIES, name_for
    >>> name_for(FAMILIES["VII"], 1), name_for(FAMILIES["VII"], 2)
    ('V', 'VII')
    """
    return family.name[0] if n_features == 1 else family.name
