"""How passes run on Dask: graphs of tasks in, their values back.

Dask is imported here and nowhere else (``pip install 'ellimix[dask]'``). A pass is one graph of
tasks, so it runs wherever the user's own tasks would: on the cluster of the default client, or on
one of Dask's local schedulers. What a worker loses, Dask computes again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Any, TypeVar, final
from uuid import uuid4

from ellimix.errors import MissingExtra, RowsLost
from ellimix.sources.memory import LAYOUT_BYTES

T = TypeVar("T")
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
    """A collection's optimised graph, and the keys of its partitions in order.

    `dask.optimize` is not asked for it: it forgets what was persisted.
    """
    if hasattr(collection, "optimize"):  # dataframes
        lean = collection.optimize()
        graph, keys = lean.__dask_graph__(), lean.__dask_keys__()
        given = graph
    else:
        given, keys = collection.__dask_graph__(), collection.__dask_keys__()
        graph = collection.__dask_optimize__(given, keys)
    while keys and isinstance(keys[0], list):
        keys = list(chain.from_iterable(keys))
    gone = [key for key in keys if key not in graph]  # persisted partitions as they are
    return Tasks(dict(graph) | {key: given[key] for key in gone}, keys)


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
    run = dask_module("base").get_scheduler(collections=[Tasks(graph, keys)])
    return list(_watched(lambda: run(graph, keys), where))


def persisted(tasks: Tasks, where: str) -> Tasks:
    """The tasks with their values kept, where they are computed."""
    kept: Tasks = _watched(lambda: dask_module().persist(tasks)[0], where)
    return kept


def _watched(run: Callable[[], Any], where: str) -> Any:
    """What a run gives, or `RowsLost`."""
    try:
        return run()
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


def balanced(tasks: Tasks, sizes: Sequence[int], where: str) -> Tasks:
    """Kept values, of which some move so that each worker has its share for its threads.

    Tasks run where their rows are, so a pass takes as long as the worker with the most rows. The
    worker that is done first with a partition gets the next one: on busy machines that is no share.

    Parameters
    ----------
    tasks : Tasks
        That were `persisted`.
    sizes : sequence of int
        Of their values.
    where : str
        What messages call the rows.
    """
    client = _client(tasks)
    if client is None:
        return tasks
    futures = [tasks.graph[key] for key in tasks.keys]
    _watched(lambda: import_module("distributed").wait(futures), where)
    found = client.who_has(futures)
    threads = client.nthreads()
    homes = [next(iter(found.get(future.key, ())), "") for future in futures]
    graph, keys, name = dict(tasks.graph), list(tasks.keys), named("moved")
    for worker, moving in moves(homes, sizes, threads).items():
        wanted = Tasks(
            {keys[i]: graph[keys[i]] for i in moving}
            | {(name, i): (itself, keys[i]) for i in moving},
            [(name, i) for i in moving],
        )
        there = partial(client.persist, wanted, workers=[worker], allow_other_workers=True)
        kept = _watched(there, where)
        for i in moving:
            del graph[keys[i]]
            keys[i] = (name, i)
            graph[keys[i]] = kept.graph[keys[i]]
    return Tasks(graph, keys)


def moves(
    homes: Sequence[str], sizes: Sequence[int], threads: Mapping[str, int]
) -> dict[str, list[int]]:
    """Which values move to which worker, so that the largest load of a thread gets small.

    Examples
    --------
    >>> from ellimix.sources.dask import moves
    >>> moves(["a", "a", "a", "b"], [5, 5, 5, 5], {"a": 1, "b": 1})
    {'b': [0]}
    """
    at = list(homes)
    load = dict.fromkeys(threads, 0)
    for home, size in zip(homes, sizes, strict=True):
        if home in load:
            load[home] += size
    while len(load) > 1:
        most = max(load, key=lambda w: load[w] / threads[w])
        least = min(load, key=lambda w: load[w] / threads[w])
        top = load[most] / threads[most]
        may = [i for i, home in enumerate(at) if home == most]
        may = [i for i in may if (load[least] + sizes[i]) / threads[least] < top and sizes[i]]
        if not may:
            break
        i = max(may, key=lambda i: (sizes[i], -i))
        at[i] = least
        load[most], load[least] = load[most] - sizes[i], load[least] + sizes[i]
    out: dict[str, list[int]] = {}
    for i, (home, now) in enumerate(zip(homes, at, strict=True)):
        if home != now:
            out.setdefault(now, []).append(i)
    return out


def itself(value: T) -> T:
    """The value, where it is wanted."""
    return value


def _client(collection: Any) -> Any:
    """The client of the cluster on which a collection is computed; None on a local scheduler."""
    get = dask_module("base").get_scheduler(collections=[collection])
    client = getattr(get, "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


def room_for(collection: Any) -> int:
    """Bytes that rows may take where a collection is computed."""
    client = _client(collection)
    if client is None:
        return LAYOUT_BYTES
    shown = client.scheduler_info()["workers"].values()
    left = [
        SHARE * max(worker["memory_limit"] - worker.get("metrics", {}).get("memory", 0), 0)
        if worker["memory_limit"]
        else LAYOUT_BYTES
        for worker in shown
    ]
    return int(len(client.nthreads()) * sum(left) / max(len(left), 1))
