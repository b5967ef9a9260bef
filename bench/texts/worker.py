"""One system in a process of its own: `python -m texts.worker ADAPTER WORK DATA [JUDGED …]`, figures as JSON."""

from __future__ import annotations

import gc
import importlib
import json
import os
import statistics
import sys
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

import disk
from stats import percentile

from texts import corpus, judged

K = 10
REPEATS = 3
SLOW_S = 30.0
PUTS = 200

Figures = dict[str, Any]


def timed(store: Any, queries: list[str]) -> Figures:
    """Milliseconds a query: of a few series the one in the middle."""
    series = []
    deadline = perf_counter() + SLOW_S
    for _ in range(REPEATS):
        times = []
        for query in queries:
            start = perf_counter_ns()
            store.search(query, K)
            times.append(perf_counter_ns() - start)
        series.append(times)
        if perf_counter() > deadline:
            break
    times = sorted(series, key=statistics.fmean)[len(series) // 2]
    return {"p50_ms": percentile(times, 50) / 1e6, "p99_ms": percentile(times, 99) / 1e6}


def all_terms(store: Any, queries: dict[str, list[str]]) -> Figures:
    return {terms: timed(store, asked) for terms, asked in queries.items()}


def put_until_found(store: Any, texts: list[corpus.Document]) -> Figures:
    puts, found = [], []
    for number in range(PUTS):
        word = f"uniqueword{number}x"
        start = perf_counter_ns()
        store.put(f"new{number}", f"{texts[number][1]} {word}")
        middle = perf_counter_ns()
        if store.search(word, K) != [f"new{number}"]:
            raise AssertionError(f"document {number} was not found")
        puts.append(middle - start)
        found.append(perf_counter_ns() - start)
    return {"put_ms": percentile(puts, 50) / 1e6, "found_ms": percentile(found, 50) / 1e6}


def index_bytes(store: Any, work: str) -> int:
    """Of the index alone, where a system says so; else all that it keeps."""
    return int(store.index_bytes()) if hasattr(store, "index_bytes") else disk.allocated_bytes(work)


def forking(store: Any, queries: dict[str, list[str]]) -> Figures:
    start = perf_counter()
    store.fork("other")
    spent = perf_counter() - start
    parent = timed(store, queries["2"])
    store.use("other")
    first = perf_counter()
    store.search(queries["2"][0], K)
    first_ms = (perf_counter() - first) * 1e3
    fork = timed(store, queries["2"])
    return {"ms": spent * 1e3, "first_ms": first_ms, "parent_ms": parent["p50_ms"], "fork_ms": fork["p50_ms"]}


def quality(module: Any, work: str, folders: list[str]) -> Figures:
    """nDCG@10 by collection."""
    found = {}
    for folder in folders:
        place = os.path.join(work, "judged-" + Path(folder).name)
        os.mkdir(place)
        store = module.Store(place)
        store.load(judged.documents(Path(folder)))
        found[Path(folder).name] = judged.ndcg(Path(folder), store.search)
        store.close()
    return found


def measure(module: Any, work: str, data: Path, folders: list[str]) -> Figures:
    texts, queries = corpus.load(data)
    text_bytes = sum(len(text.encode()) for _, text in texts)
    place = os.path.join(work, "db")
    os.mkdir(place)
    store = module.Store(place)
    start = perf_counter()
    store.load(texts)
    loaded = perf_counter() - start
    figures: Figures = {
        "version": module.version(),
        "documents": len(texts),
        "text_mb": text_bytes / 1e6,
        "load_per_s": len(texts) / loaded,
        "queries": all_terms(store, queries),
    }
    if hasattr(store, "reopen"):
        start = perf_counter()
        store.reopen()
        store.search(queries["1"][0], K)
        figures["open_ms"] = (perf_counter() - start) * 1e3
    if hasattr(store, "put"):
        figures["put"] = put_until_found(store, texts)
    if hasattr(store, "fork"):
        figures["fork"] = forking(store, queries)
    store.close()
    figures["index_x"] = index_bytes(store, place) / text_bytes
    if folders:
        figures["ndcg"] = quality(module, work, folders)
        figures["mean_ndcg"] = statistics.fmean(figures["ndcg"].values())
    return figures


def main(arguments: list[str]) -> None:
    adapter, work, data, *folders = arguments
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
    module = importlib.import_module(f"texts.adapters.{adapter}")
    gc.disable()
    figures = measure(module, work, Path(data), folders)
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
