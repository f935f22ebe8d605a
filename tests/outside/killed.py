"""A fit in a process of its own, which a test kills: ``python killed.py CASE FOLDER [WHERE]``."""

import os
import signal
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

import ellimix as em
from broken_fits import model


def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in_write(number):
    """Die in the middle of that write of a checkpoint, with half of it on the disk."""
    count, fsync = [0], os.fsync

    def dying(handle):
        count[0] += 1
        if count[0] == 2 * number + 1:  # a file and its folder each
            os.ftruncate(handle, 700)
            kill()
        fsync(handle)

    os.fsync = dying


def main(case, folder, pause, write=None):
    if write is not None:
        killed_in_write(int(write))
    folder = Path(folder)
    source = em.rows(folder / "x.parquet", weights="w", memory=0, threads=1)
    slow = source.watched(lambda seen: time.sleep(float(pause)) if seen.ended else None)
    kept = em.Checkpoint(folder / "run.json", every_passes=1)
    fitted = model(case).fit(slow, checkpoint=kept, resume=True)
    np.savez(
        folder / "end.npz",
        weights=fitted.weights_,
        means=fitted.means_,
        covariances=fitted.covariances_,
        factors=fitted.precisions_cholesky_,
        trace=fitted.lower_bounds_,
        steps=fitted.report_.steps,
        counts=fitted.report_.counts,
        notes=fitted.report_.notes,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
