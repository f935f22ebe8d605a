"""Whole fits with default settings: whole_fit.py ellimix|sklearn FOLDER K.

To a line "run SEED" it answers with the seconds of `fit`, its iterations, and the mean
log-likelihood of the rows in nats, which is taken after the clock has stopped.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np


def estimator(library: str, k: int):
    if library == "sklearn":
        from sklearn.mixture import GaussianMixture

        return lambda seed: GaussianMixture(k, random_state=seed)
    from ellimix import GaussianMixture

    return lambda seed: GaussianMixture(k, random_state=seed)


def main() -> None:
    library, folder, k = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")
    rows = np.load(folder / "rows.npy")
    make = estimator(library, k)
    import sklearn.cluster  # noqa: F401  (both use its k-means; imports are not the fit)

    package = {"sklearn": "scikit-learn"}.get(library, library)
    print(json.dumps({"ready": {package: metadata.version(package)}}), file=answers, flush=True)
    for line in sys.stdin:
        model = make(int(line.split()[1]))
        began = time.perf_counter()
        model.fit(rows)
        seconds = time.perf_counter() - began
        score = float(model.score(rows))
        content = {"seconds": seconds, "iterations": int(model.n_iter_), "score": score}
        print(json.dumps(content), file=answers, flush=True)


if __name__ == "__main__":
    main()
