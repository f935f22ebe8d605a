"""scikit-learn's usual loop: its four covariance types for every K, the smallest BIC."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture

from choosing_protocol import Cell, Found, Request, serve

LETTERS = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}


def search(request: Request):
    """`extra` is n_init."""
    rows, n_init = request.rows, int(request.extra or 1)
    cells: list[Cell] = []
    best: tuple[float, str, GaussianMixture] | None = None
    for k in range(1, min(request.most or 9, len(rows)) + 1):
        for kind, family in LETTERS.items():
            model = GaussianMixture(
                k, covariance_type=kind, n_init=n_init, random_state=request.seed
            )
            try:
                bic = float(model.fit(rows).bic(rows))
            except ValueError as error:
                cells.append((family, k, None, "failed", str(error)))
                continue
            cells.append((family, k, bic, "ok", ""))
            if best is None or bic < best[0]:
                best = bic, family, model
    if best is None:
        raise ValueError("no cell has a fit: " + cells[-1][-1])

    def read() -> Found:
        bic, family, model = best
        return Found(family, model.n_components, bic, cells, np.asarray(model.predict(rows)))

    return read


serve(search, "scikit-learn")
