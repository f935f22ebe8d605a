"""Mixtures in files: one JSON document, with a schema name and version.

No code runs on load, every number round-trips bit for bit (Python writes the shortest decimal
that reads back to the same double), and whatever is wrong with a file gives one `ModelFileError`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance
from ellimix.density.checks import checked_parameters, checked_weights, covariance_of_factor
from ellimix.density.mixture import Mixture
from ellimix.errors import ModelFileError
from ellimix.inference.base import Hyperparameters, Parameters
from ellimix.inference.box import Box
from ellimix.inference.mixing import expected_weights
from ellimix.inference.normal_wishart import Rule
from ellimix.inference.pointed import RULES, Pointed
from ellimix.records import Array

SCHEMA = "ellimix.mixture"
VERSION = 1

_KEYS = {
    "schema",
    "version",
    "family",
    "feature_names",
    "weights",
    "means",
    "covariances",
    "precision_factors",
}


def save(mixture: Mixture, path: str | PathLike[str]) -> None:
    """Write a mixture to a JSON file, beside the place and then renamed.

    Parameters
    ----------
    mixture : Mixture
    path : path-like
        An existing file is replaced at once, or not at all.

    Raises
    ------
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import ellimix as em, os, tempfile
    >>> mixture = em.Mixture.from_parameters([1.0], [[0.0]], [1.0], family="V")
    >>> path = os.path.join(tempfile.mkdtemp(), "model.json")
    >>> em.save(mixture, path)
    >>> float(em.load(path).means[0, 0])
    0.0
    """
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "family": mixture.family.name,
        "feature_names": list(mixture.feature_names) if mixture.feature_names else None,
        "weights": mixture.weights.tolist(),
        "means": mixture.means.tolist(),
        "covariances": mixture.covariance.values.tolist(),
        "precision_factors": mixture.covariance.factor.tolist(),
        "n_held": mixture.n_held,
    }
    if mixture.box is not None:
        box = mixture.box
        document["noise"] = {
            "weight": mixture.noise_weight,
            "middle": box.middle.tolist(),
            "axes": box.axes.tolist(),
            "sides": box.sides.tolist(),
        }
    if mixture.rule is not None and mixture.parameters.hyper is not None:
        document["posterior"] = _posterior_document(mixture.rule, mixture.parameters.hyper)
    text = json.dumps(document, allow_nan=False, indent=1)
    write_beside(Path(path), lambda name: Path(name).write_text(text + "\n", encoding="utf-8"))


def load(path: str | PathLike[str]) -> Mixture:
    """Read a mixture that `save` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Mixture

    Raises
    ------
    ModelFileError
        The file is not one that `save` wrote, of another version, cut short, or its numbers are
        not those of a mixture (NaN, wrong shapes, weights that do not sum to 1, covariances that
        are not positive definite).
    OSError
        The file cannot be read.
    """
    where = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ModelFileError(f"{where} is not a text file: not a saved mixture.") from None
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{where} is not a complete JSON document: {_first_line(error)}"
        ) from None
    try:
        return _mixture(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{where} is not a sound mixture: {_first_line(error)}") from None


def write_beside(path: Path, write: Callable[[str], object]) -> None:
    """Let `write` fill a temporary file in the same folder, then rename it to `path`.

    Whatever stood at `path` is there until the new file is complete. An `OSError` names `path`.
    """
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix or ".tmp"
    )
    os.close(handle)
    try:
        write(name)
        os.chmod(name, _permissions(path))
        os.replace(name, path)
    except OSError as error:  # such as a full disk, of which the error does not say where
        Path(name).unlink(missing_ok=True)
        if error.errno is None:  # of a library
            raise OSError(f"{path} cannot be written: {error}") from error
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _permissions(path: Path) -> int:
    """Those of the file that is replaced, or what the umask gives a new one."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _mixture(document: Any) -> Mixture:
    if not isinstance(document, dict):
        raise ValueError("the document is not an object with keys.")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {document.get('schema')!r}, expected {SCHEMA!r}.")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise ValueError(
            f"its version is {version!r}, and this release reads version {VERSION}. "
            "A newer release of ellimix may have written it."
        )
    if missing := sorted(_KEYS - document.keys()):
        raise ValueError(f"it lacks {', '.join(missing)}.")
    if document["family"] not in FAMILIES:
        raise ValueError(f"its family {document['family']!r} is none of {', '.join(FAMILIES)}.")
    weights, means, covariances, factors = (
        _numbers(document[key], key)
        for key in ("weights", "means", "covariances", "precision_factors")
    )
    given = document.get("noise")
    if given is None:
        parameters, family = checked_parameters(weights, means, covariances, document["family"])
        noise, box, kept = None, None, parameters.weights
    else:
        noise, box = _noise(given)
        kept = checked_weights([*weights, float(noise)], len(weights) + 1)[:-1]
        shares = kept / kept.sum()
        parameters, family = checked_parameters(shares, means, covariances, document["family"])
        if box.middle.size != parameters.means.shape[1]:
            raise ValueError("the box of its noise has another number of features.")
    k, d = parameters.means.shape
    from_factor = covariance_of_factor(factors, family.structure, k, d)
    _check_agreement(parameters.covariance, from_factor)
    covariance = Covariance(
        family.structure, parameters.covariance.values, from_factor.factor, from_factor.log_det
    )
    names = _names(document["feature_names"], d)
    whole = Parameters(kept, parameters.means, covariance, noise)
    mixture = Mixture(whole, family, names, box)
    # optional: the first release of this version did not write them
    mixture = replace(mixture, n_held=_n_held(document.get("n_held", 0), mixture.n_parameters))
    posterior = document.get("posterior")
    return mixture if posterior is None else _with_posterior(mixture, posterior)


def _posterior_document(rule: Rule, hyper: Hyperparameters) -> dict[str, Any]:
    """JSON has no infinity: point estimates have no numbers but the weights'."""
    document: dict[str, Any] = {"rule": rule.name, "concentration": hyper.concentration.tolist()}
    if not isinstance(rule, Pointed):
        document["mean_precision"] = hyper.mean_precision.tolist()
        document["degrees"] = hyper.degrees.tolist()
    if hyper.process is not None:
        document["process"] = hyper.process.tolist()
    return document


def _with_posterior(mixture: Mixture, value: Any) -> Mixture:
    """The mixture with the rest of a variational posterior."""
    if not isinstance(value, dict) or value.get("rule") not in RULES:
        raise ValueError(f"posterior must have a rule, one of {', '.join(RULES)}.")
    rule = RULES[value["rule"]]
    pointed = isinstance(rule, Pointed)
    keys = ["concentration", *([] if pointed else ["degrees", "mean_precision"]), "rule"]
    if sorted(value.keys() - {"process"}) != keys:
        raise ValueError(f"posterior must have {', '.join(keys)}.")
    if rule.family.name != mixture.family.name or mixture.box is not None:
        raise ValueError(f"posterior {rule.name} does not belong to such a mixture.")
    k, d = mixture.means.shape
    concentration = _positive(value, "concentration", 0.0)
    if concentration.shape not in ((k, 1), (k, 2)):
        raise ValueError(f"posterior concentration must be {k} lists of one or two numbers.")
    precision = degrees = np.full(k, np.inf)
    if not pointed:
        precision = _positive(value, "mean_precision", 0.0)
        degrees = _positive(value, "degrees", rule.least_degrees(d))
    if precision.shape != (k,) or degrees.shape != (k,):
        raise ValueError(f"posterior mean_precision and degrees must be {k} numbers each.")
    if not np.allclose(expected_weights(concentration), mixture.weights, rtol=1e-6, atol=1e-9):
        raise ValueError("posterior concentration does not belong to weights.")
    process = _positive(value, "process", 0.0) if "process" in value else None
    if process is not None and (process.shape != (2,) or concentration.shape != (k, 2)):
        raise ValueError("posterior process must be the shape and rate of a Dirichlet process.")
    hyper = Hyperparameters(concentration, precision, degrees, process)
    return replace(mixture, parameters=replace(mixture.parameters, hyper=hyper), rule=rule)


def _positive(value: dict[str, Any], key: str, least: float) -> Array:
    """Finite numbers above a bound."""
    array = np.array(_numbers(value[key], f"posterior {key}"), dtype=np.float64)
    if not (np.isfinite(array) & (array > least)).all():
        raise ValueError(f"posterior {key} must be finite and above {least:g}.")
    return array


def _n_held(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"n_held must be an integer from 0 to {most}, not {str(value)[:40]!r}.")
    return value


def _noise(value: Any) -> tuple[Array, Box]:
    """The noise component's weight and box."""
    if not isinstance(value, dict) or sorted(value) != ["axes", "middle", "sides", "weight"]:
        raise ValueError("noise must have weight, middle, axes and sides.")
    parts = {key: np.array(_numbers(part, f"noise {key}")) for key, part in value.items()}
    d = parts["middle"].size
    shapes = {"weight": (), "middle": (d,), "axes": (d, d), "sides": (d,)}
    for key, shape in shapes.items():
        if parts[key].shape != shape or not np.isfinite(parts[key]).all():
            raise ValueError(f"noise {key} must be {shape} finite numbers.")
        parts[key] = parts[key].astype(np.float64)
    if not (parts["sides"] > 0.0).all():
        raise ValueError("the sides of the noise's box must be positive.")
    if not np.allclose(parts["axes"].T @ parts["axes"], np.eye(d), atol=1e-8):
        raise ValueError("the axes of the noise's box must be orthonormal.")
    return parts["weight"], Box(parts["middle"], parts["axes"], parts["sides"])


def _numbers(value: Any, key: str) -> Any:
    """Nested lists of numbers, and nothing else (NumPy would take strings and booleans)."""
    if isinstance(value, list):
        return [_numbers(item, key) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} hold something that is not a number: {str(value)[:40]!r}.")
    return value


def _check_agreement(stored: Covariance, derived: Covariance) -> None:
    """The stored factors must be those of the stored covariances."""
    scale = np.abs(stored.factor).max()
    if not np.allclose(stored.factor, derived.factor, rtol=1e-3, atol=1e-6 * scale):
        raise ValueError("precision_factors do not belong to covariances.")


def _names(value: Any, d: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    good = isinstance(value, list) and all(isinstance(name, str) for name in value)
    if not good or len(value) != d or len(set(value)) != d:
        raise ValueError(f"feature_names must be {d} different texts, or null.")
    return tuple(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it contains {name}.")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
