"""By how many bytes a fit of a file raises the memory of a process: ``python ... FILE COMPONENTS``.

Prints that, and what the source says of it.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.estimators.beginning import held_rows, sample_size


def peak():
    """The most memory that this process has had; rusage knows that of its parent, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(path, k):
    warnings.simplefilter("ignore")
    stream = em.rows(path, memory=0, threads=2)
    d = stream.n_features
    # what is loaded and made once: libraries, pools
    small = np.random.default_rng(0).normal(size=(2_000, d))
    parquet.write_table(pa.table({str(j): small[:, j] for j in range(d)}), path + ".small")
    arguments = {"engine": "numpy", "random_state": 0, "max_iter": 3}
    em.GaussianMixture(k, **arguments).fit(small)
    em.GaussianMixture(k, **arguments).fit(em.rows(parquet.read_table(path + ".small"), memory=0))
    before, model = peak(), em.GaussianMixture(k, **arguments)
    model.fit(stream)
    size = held_rows(sample_size(model, d), d, 8)
    print(peak() - before, stream.source().pass_bytes(ENGINES["numpy"], k, size))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
