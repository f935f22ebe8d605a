"""Peak memory of a fit above its data: no array of rows times components is made.

    python benchmarks/memory.py                      1,000,000 x 10, K = 16, full
    python benchmarks/memory.py --library sklearn    the same by scikit-learn

Each fit runs in a process of its own; the figure is the growth of its peak resident set.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import warnings

from problems import mixture_rows


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def measure(library: str, n: int, d: int, k: int) -> None:
    if library == "ellimix":
        from ellimix import GaussianMixture
        from ellimix.starts import kmeans  # noqa: F401
    else:
        from sklearn.mixture import GaussianMixture
    import sklearn.cluster  # noqa: F401  (both use its k-means; imports are not the fit)

    # loads what is loaded late: for ours the compiled pass, too
    small = {"engine": "numba"} if library == "ellimix" else {}
    GaussianMixture(2, **small).fit(mixture_rows(1000, d, 2))
    rows = mixture_rows(n, d, k)
    before = peak_mib()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GaussianMixture(k, max_iter=10, random_state=0).fit(rows)
    above = peak_mib() - before
    print(
        f"{library:8s} {n} x {d}, K = {k}: data {rows.nbytes / 2**20:.0f} MiB, peak above them "
        f"{above:.0f} MiB ({model.n_iter_} iterations, mean log-likelihood "
        f"{model.lower_bound_:.4f}); an n x K array would be {n * k * 8 / 2**20:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", choices=["ellimix", "sklearn", "both"], default="both")
    parser.add_argument("--shape", default="1000000,10,16", help="n,d,K")
    arguments = parser.parse_args()
    if arguments.library != "both":
        measure(arguments.library, *map(int, arguments.shape.split(",")))
        return
    for library in ("ellimix", "sklearn"):
        command = [sys.executable, __file__, "--library", library, "--shape", arguments.shape]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
