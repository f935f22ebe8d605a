"""Files as a Dask dataframe, on a cluster that is there or on one of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ellimix.errors import DataError, MissingExtra
from ellimix.sources.dask import dask_module
from ellimix.sources.files import PARQUET, TEXT, kind_of


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """A client of the cluster at an address; without one, of a cluster on this machine.

    Parameters
    ----------
    address : str or None
        Such as ``"tcp://10.0.0.1:8786"``. None starts a process with one thread for each core.

    Raises
    ------
    DataError
        No scheduler answers at the address.
    MissingExtra
        distributed is not installed.
    """
    try:
        distributed = import_module("distributed")
    except ModuleNotFoundError as error:
        raise MissingExtra("distributed", "dask") from error
    if address is None:
        with (
            distributed.LocalCluster(threads_per_worker=1, dashboard_address=":0") as own,
            distributed.Client(own) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(address, timeout="20s")
    except (OSError, ValueError, TimeoutError) as error:
        raise DataError(f"No scheduler of Dask answers at {address}: {error}.") from None
    with client:
        yield client


def frame_of(paths: Sequence[Path]) -> Any:
    """A Dask dataframe of files of one format.

    Raises
    ------
    DataError
        Dask reads no such files.
    """
    frames, names = dask_module("dataframe"), [str(path) for path in paths]
    kind = kind_of(paths[0])
    if kind in PARQUET:
        return frames.read_parquet(names)
    if kind in TEXT:
        packed = paths[0].suffix.lower() == ".gz"
        return frames.read_csv(
            names, sep="\t" if kind == ".tsv" else ",",
            compression="gzip" if packed else None, blocksize=None if packed else "default",
        )  # fmt: skip
    raise DataError(f"Dask reads Parquet and CSV files, not {kind}: use another engine.")
