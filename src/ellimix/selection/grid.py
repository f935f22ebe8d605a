"""The grid of a search: covariance families and numbers of components, from what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, Final

from ellimix.covariance import ALIASES, FAMILIES, ONE_FEATURE, Family, parse
from ellimix.errors import DataError

ALL: Final = "all"
SKLEARN: Final = "sklearn"  # its four
COMPONENTS: Final = tuple(range(1, 10))


def families_of(names: object, n_features: int) -> tuple[Family, ...]:
    """The families of a search, without repetition.

    With one feature the 14 families are two: all others reduce to E (EII) or V (VII).

    Parameters
    ----------
    names : str or iterable of str
        ``"all"``, ``"sklearn"`` (full, tied, diag, spherical), a name that
        `ellimix.covariance.parse` knows, or several of them.
    n_features : int

    Raises
    ------
    DataError
        There is no name, or something that is none.
    ValueError
        A name is unknown, or is for one feature and there are more.

    Examples
    --------
    >>> from ellimix.selection.grid import families_of
    >>> [family.name for family in families_of("sklearn", 2)]
    ['VVV', 'EEE', 'VVI', 'VII']
    >>> [family.name for family in families_of(["tied", "EEI", "E"], 1)]
    ['EII']
    """
    found = [parse(name, n_features) for name in _names(names)]
    if n_features == 1:
        found = [FAMILIES[ONE_FEATURE[family.name[0]]] for family in found]
    return tuple({family.name: family for family in found}.values())


def _names(names: object) -> list[str]:
    if isinstance(names, str):
        names = {ALL: FAMILIES, SKLEARN: ALIASES}.get(names, [names])
    found = list(names) if isinstance(names, Iterable) else [names]
    if not found:
        raise DataError(
            f'families is empty: name at least one, or say "{ALL}" or "{SKLEARN}" (its four).'
        )
    for name in found:
        if not isinstance(name, str):
            raise DataError(
                f'families holds {name!r}: expected names such as "VVV", "EEE" or "diag".'
            )
    return [str(name) for name in found]


def components_of(asked: object) -> tuple[int, ...]:
    """The numbers of components of a search, in ascending order, without repetition.

    Parameters
    ----------
    asked : int, iterable of int or None
        A number stands for itself alone, None for 1 to 9.

    Raises
    ------
    DataError
        There is no number, or one that is not a whole number from 1.

    Examples
    --------
    >>> from ellimix.selection.grid import components_of
    >>> components_of([4, 2, 2]), components_of(3)
    ((2, 4), (3,))
    """
    if asked is None:
        return COMPONENTS
    found: list[Any] = list(asked) if isinstance(asked, Iterable) else [asked]
    if not found:
        raise DataError("n_components is empty: expected whole numbers, such as range(1, 10).")
    for k in found:
        if isinstance(k, bool) or not isinstance(k, Integral) or int(k) < 1:
            raise DataError(
                f"n_components holds {k!r}: expected whole numbers from 1, such as range(1, 10)."
            )
    return tuple(sorted({int(k) for k in found}))
