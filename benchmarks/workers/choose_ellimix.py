"""ellimix: the whole search, as a user calls it."""

from __future__ import annotations

from typing import Any

import ellimix as em
from choosing_protocol import Cell, Found, Request, serve


def search(request: Request):
    """`extra` is the time budget in seconds."""
    given: dict[str, Any] = {}
    if request.most is not None:
        given["n_components"] = range(1, request.most + 1)
    if request.extra is not None:
        given["time_budget"] = float(request.extra)
    found = em.select(request.rows, random_state=request.seed, **given)

    def read() -> Found:
        cells: list[Cell] = [
            (
                entry["family"],
                int(entry["n_components"]),
                float(entry["bic"]),
                str(getattr(entry["status"], "value", entry["status"])),
                str(entry["reason"]),
            )
            for entry in found.results_
        ]
        family, k = found.best_.covariance_type, found.best_.n_components
        bic = next(bic for f, size, bic, *_ in cells if (f, size) == (family, k))
        assert bic is not None
        return Found(family, k, bic, cells, found.predict(request.rows))

    return read


if not hasattr(em, "select"):
    raise SystemExit("this ellimix has no select()")
serve(search, "ellimix")
