"""How passes run on Dask: graphs of tasks in, their values back.

Dask is imported here and nowhere else (``pip install 'ellimix[dask]'``). A pass is one graph of
tasks, so it runs wherever the user's own tasks would: on the cluster of the default client, or on
one of Dask's local schedulers. What a worker loses, Dask computes again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, final
from uuid import uuid4

from ellimix.errors import MissingExtra, RowsLost
from ellimix.sources.memory import LAYOUT_BYTES

Graph = dict[Any, Any]

HOMES = ("dask", "dask_expr")
SHARE = 0.5  # of the memory that workers have left: rows and layouts take no more


def is_dask(X: Any) -> bool:
    """Whether something is a Dask collection, told without importing Dask."""
    return type(X).__module__.split(".")[0] in HOMES


@final
class Tasks:
    """Some tasks as a collection of Dask's: what `dask.compute` and `dask.persist` take.

    Parameters
    ----------
    graph : Mapping
    keys : list
        Of the tasks that are wanted.
    """

    def __init__(self, graph: Mapping[Any, Any], keys: Sequence[Any]) -> None:
        self.graph, self.keys = dict(graph), list(keys)

    def __dask_graph__(self) -> Graph:
        return self.graph

    def __dask_keys__(self) -> list[Any]:
        return self.keys

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return tuple(self.keys)

    def __dask_postcompute__(self) -> tuple[Any, ...]:
        return list, ()

    def __dask_postpersist__(self) -> tuple[Any, ...]:
        return _kept, (self.keys,)

    @staticmethod
    def __dask_optimize__(graph: Any, keys: Any, **_: Any) -> Any:
        """Nothing: the graphs of collections were optimised when they were opened."""
        return graph

    @staticmethod
    def __dask_scheduler__(graph: Any, keys: Any, **options: Any) -> Any:
        return dask_module("threaded").get(graph, keys, **options)


def _kept(graph: Any, keys: list[Any], **_: Any) -> Tasks:
    return Tasks(graph, keys)


def dask_module(name: str = "") -> Any:
    """Dask, or a module of it; `MissingExtra` where it is not installed."""
    try:
        return import_module(f"dask.{name}" if name else "dask")
    except ModuleNotFoundError as error:
        raise MissingExtra("dask", "dask") from error


def parts_of(collection: Any) -> Tasks:
    """A collection's optimised graph, and the keys of its partitions in order."""
    (lean,) = dask_module().optimize(collection)
    keys = lean.__dask_keys__()
    while keys and isinstance(keys[0], list):
        keys = list(chain.from_iterable(keys))
    return Tasks(lean.__dask_graph__(), keys)


def named(what: str) -> str:
    """A name that no other task has; Dask's pictures show the part before the number."""
    return f"ellimix-{what}-{uuid4().hex}"


def sent(graph: Graph, step: Any) -> str:
    """The key under which a step is in the graph: it travels once to each worker, as bytes.

    Dask's scheduler passes bytes on as they are, and so needs none of the step's packages.
    """
    key = named("step")
    graph[key] = import_module("cloudpickle").dumps(step)
    return key


def computed(graph: Graph, keys: list[Any], where: str) -> list[Any]:
    """The values of some tasks."""
    found: list[Any] = _watched(dask_module().compute, Tasks(graph, keys), where)
    return found


def persisted(tasks: Tasks, where: str) -> Tasks:
    """The tasks with their values kept, where they are computed."""
    kept: Tasks = _watched(dask_module().persist, tasks, where)
    return kept


def _watched(run: Callable[..., Any], tasks: Tasks, where: str) -> Any:
    """What `dask.compute` or `dask.persist` gives, or `RowsLost`."""
    try:
        return run(tasks)[0]
    except _losses() as error:
        said = (str(error) or "no details").splitlines()[0]
        raise RowsLost(
            f"{where[0].upper()}{where[1:]} has lost rows that Dask cannot compute again "
            f"({type(error).__name__}: {said})."
        ) from error


def _losses() -> tuple[type[BaseException], ...]:
    """What a cluster raises where workers are gone, with what they alone had."""
    cluster = sys.modules.get("distributed")
    if cluster is None:
        return ()
    futures = import_module("concurrent.futures")
    return (
        cluster.KilledWorker,
        cluster.CancelledError if hasattr(cluster, "CancelledError") else futures.CancelledError,
        futures.CancelledError,
        cluster.comm.CommClosedError,
    )


def room_for(collection: Any) -> int:
    """Bytes that rows may take where a collection is computed."""
    get = dask_module("base").get_scheduler(collections=[collection])
    client = getattr(get, "__self__", None)
    if client is None or not hasattr(client, "scheduler_info"):
        return LAYOUT_BYTES
    shown = client.scheduler_info()["workers"].values()
    left = [
        SHARE * max(worker["memory_limit"] - worker.get("metrics", {}).get("memory", 0), 0)
        if worker["memory_limit"]
        else LAYOUT_BYTES
        for worker in shown
    ]
    return int(len(client.nthreads()) * sum(left) / max(len(left), 1))
