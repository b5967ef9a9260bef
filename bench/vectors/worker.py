"""One system in a process of its own: `python -m vectors.worker ADAPTER WORK DATA`, the figures as one line of JSON."""

from __future__ import annotations

import gc
import importlib
import json
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

import disk
import numpy as np
from stats import percentile
from timing import run_threads

import vectors.dataset as dataset

K = dataset.K
REPEATS = 3
SLOW_S = 20.0  # a series of queries ends after so long, however few were made
CHURN_SHARE = 10  # every tenth row is overwritten
CHURN_ROUNDS = 3
LEAST_QPS = 20  # a slower system is not asked for more than it takes to say so

Figures = dict[str, Any]


def timed_queries(data: dataset.Data, ask: Callable[[Any], list[int]], field: str = "") -> Figures:
    """Recall, and milliseconds a query: the median series of a few."""
    recalls: list[float] = []
    returned: list[int] = []
    series: list[tuple[float, list[int]]] = []
    for repeat in range(REPEATS):
        times: list[int] = []
        deadline = perf_counter() + SLOW_S
        for number, query in enumerate(data.queries):
            start = perf_counter_ns()
            found = ask(query)
            times.append(perf_counter_ns() - start)
            if repeat == 0:
                recalls.append(data.recall(number, found, field))
                returned.append(len(set(found)))
            if perf_counter() > deadline:
                break
        series.append((statistics.fmean(times), times))
        if perf_counter() > deadline:
            break
    mean, times = sorted(series, key=lambda one: one[0])[len(series) // 2]
    return {
        "recall": statistics.fmean(recalls),
        "returned": statistics.fmean(returned),
        "qps": 1e9 / mean,
        "p50_ms": percentile(times, 50) / 1e6,
        "p99_ms": percentile(times, 99) / 1e6,
        "queries": len(times),
    }


def two_threads(data: dataset.Data, asks: list[Callable[[Any], list[int]]]) -> float:
    """Queries a second of two threads together."""

    def ask_all(ask: Callable[[Any], list[int]]) -> None:
        for query in data.queries:
            ask(query)

    return len(data.queries) * len(asks) / run_threads([partial(ask_all, ask) for ask in asks])


def search_figures(store: Any, module: Any, data: dataset.Data) -> list[Figures]:
    curve = []
    for breadth in module.BREADTHS:
        ask = lambda query, breadth=breadth: store.search(query, K, breadth)  # noqa: E731
        for query in data.queries[:20]:
            ask(query)
        point = timed_queries(data, ask)
        handles = [store.handle() if hasattr(store, "handle") else store for _ in range(2)]
        if point["p50_ms"] < 20:
            point["qps_2"] = two_threads(
                data, [lambda query, one=one, breadth=breadth: one.search(query, K, breadth) for one in handles]
            )
        if hasattr(store, "batch"):
            start = perf_counter()
            store.batch(data.queries, K, breadth)
            point["qps_batch"] = len(data.queries) / (perf_counter() - start)
        curve.append({"breadth": breadth, **point})
        if point["recall"] > 0.9995 or point["qps"] < LEAST_QPS:
            break
    return curve


def thorough(curve: list[Figures], least: float) -> Any:
    """The setting of the quickest point that finds enough."""
    good = [point for point in curve if point["recall"] >= least]
    return max(good, key=lambda point: point["qps"])["breadth"] if good else curve[-1]["breadth"]


def churn(store: Any, data: dataset.Data, ask: Callable[[Any], list[int]]) -> Figures:
    """Overwrites a tenth of the rows with themselves, slightly turned, and back again."""
    rows = list(range(0, len(data.vectors), CHURN_SHARE))
    rng = np.random.default_rng(3)
    spent = 0.0
    for _ in range(CHURN_ROUNDS):
        turned = data.vectors[rows] + 0.02 * rng.standard_normal((len(rows), data.vectors.shape[1])).astype(np.float32)
        start = perf_counter()
        store.overwrite(rows, turned / np.linalg.norm(turned, axis=1, keepdims=True))
        store.overwrite(rows, data.vectors[rows])
        spent += perf_counter() - start
    after = timed_queries(data, ask)
    return {"per_second": CHURN_ROUNDS * 2 * len(rows) / spent, "recall": after["recall"], "qps": after["qps"]}


def durable_upserts(store: Any, data: dataset.Data, folder: str) -> Figures:
    """Single upserts, in turn with appending as many bytes to a file and syncing that."""
    os.mkdir(folder)
    durable = store.durable(os.path.join(folder, "db"))
    upserts: list[int] = []
    syncs: list[int] = []
    with open(os.path.join(folder, "plain"), "wb", buffering=0) as plain:
        for row in range(200):
            start = perf_counter_ns()
            durable.upsert_one(row, data.vectors[row])
            done = perf_counter_ns()
            plain.write(data.vectors[row].tobytes())
            os.fdatasync(plain.fileno())
            upserts.append(done - start)
            syncs.append(perf_counter_ns() - done)
    durable.close()
    p50, sync_p50 = percentile(upserts, 50) / 1e6, percentile(syncs, 50) / 1e6
    return {"p50_ms": p50, "sync_p50_ms": sync_p50, "above_sync_ms": p50 - sync_p50}


def reopening(store: Any, ask: Callable[[Any], list[int]], query: Any) -> Figures:
    start = perf_counter()
    store.reopen()
    closed = perf_counter()
    ask(query)
    return {"reopen_ms": (closed - start) * 1e3, "first_search_ms": (perf_counter() - closed) * 1e3}


def forking(store: Any, data: dataset.Data) -> Figures:
    times = []
    for number in range(20):
        start = perf_counter()
        store.fork(f"fork{number}")
        times.append(perf_counter() - start)
    parent = timed_queries(data, lambda query: store.search(query, K, 0))
    store.use("fork7")
    fork = timed_queries(data, lambda query: store.search(query, K, 0))
    return {"ms": statistics.median(times) * 1e3, "parent_ms": parent["p50_ms"], "fork_ms": fork["p50_ms"]}


def measure(module: Any, data: dataset.Data, work: str) -> Figures:
    before = disk.resident_bytes()
    store = module.Store(work, data.vectors.shape[1])
    figures: Figures = {"version": module.version(), "rows": len(data.vectors)}
    start = perf_counter()
    store.load(data.vectors, data.metadata)
    figures["load_per_s"] = len(data.vectors) / (perf_counter() - start)
    if getattr(store, "acknowledged_s", 0):
        figures["acknowledged_per_s"] = len(data.vectors) / store.acknowledged_s
    figures["memory_mb"] = (disk.resident_bytes() - before) / 1e6
    ask: Callable[[Any], list[int]] | None = None
    if hasattr(store, "search"):
        figures["curve"] = search_figures(store, module, data)
        breadth = thorough(figures["curve"], 0.99)
        ask = lambda query: store.search(query, K, breadth)  # noqa: E731
    if hasattr(store, "exact"):
        figures["exact"] = timed_queries(data, lambda query: store.exact(query, K))
    if hasattr(store, "filtered"):
        for field in dataset.FILTERS:
            figures[f"filter_{field}"] = timed_queries(
                data, lambda query, field=field: store.filtered(query, K, field, 0), field
            )
    if hasattr(store, "upsert_one"):
        times = []
        for row in range(300):
            start_ns = perf_counter_ns()
            store.upsert_one(row, data.vectors[row])
            times.append(perf_counter_ns() - start_ns)
        figures["upsert_one_p50_ms"] = percentile(times, 50) / 1e6
    if hasattr(store, "durable"):
        figures["durable"] = durable_upserts(store, data, work + ".durable")
    if ask is not None and hasattr(store, "overwrite"):
        figures["overwrite"] = churn(store, data, ask)
    if ask is not None and hasattr(store, "reopen"):
        figures["open"] = reopening(store, ask, data.queries[0])
    if ask is not None and hasattr(store, "fork"):
        figures["fork"] = forking(store, data)
    store.close()
    figures["disk_mb"] = disk.allocated_bytes(work) / 1e6
    return figures


def main(arguments: list[str]) -> None:
    adapter, work, folder = arguments
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
    module = importlib.import_module(f"vectors.adapters.{adapter}")
    data = dataset.load(Path(folder)).first(getattr(module, "MOST_ROWS", None))
    gc.disable()
    figures = measure(module, data, work)
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
