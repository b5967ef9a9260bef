"""Forks: what one costs, what reading through many costs; what a diff and a merge of few changes in much data cost."""

from __future__ import annotations

import statistics
from functools import partial
from time import perf_counter_ns
from typing import Any

import data
import disk
from context import Context, Row, Target, Workload
from stats import percentile
from timing import batch_times, no_garbage_collection

CHANGED = 10
DEPTH = 100
SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000, "1M": 1_000_000}


def fork_repeatedly(store: Any, name: str, limit: int, pairs: list[Any]) -> list[int]:
    """Times of forks of the default branch, 10 of the pairs written before each (none when there are no pairs)."""
    times: list[int] = []
    spent = 0
    while len(times) < limit and (spent < 2e9 or len(times) < 3):
        if pairs:
            first = len(times) * CHANGED % len(pairs)
            store.transaction(pairs[first : first + CHANGED])
        start = perf_counter_ns()
        store.fork("default", f"{name}{len(times)}")
        times.append(perf_counter_ns() - start)
        spent += times[-1]
    return times


def fork_time(ctx: Context, keys: int) -> dict[str, float]:
    path = ctx.folder()
    limit = 50 if ctx.quick else 200
    store = ctx.loaded(keys, path=path)
    with no_garbage_collection():
        times = fork_repeatedly(store, "changed", limit, data.records(data.shuffled_keys(keys)))
    store.close()
    ctx.open(path, "buffered").close()  # what the first close left to do is not a fork's
    before = disk.allocated_bytes(path)
    store = ctx.open(path, "buffered")
    forks = len(fork_repeatedly(store, "same", limit, []))
    store.close()
    return {
        "p50_us": percentile(times, 50) / 1e3,
        "p99_us": percentile(times, 99) / 1e3,
        "forks": len(times),
        "disk_kb": (disk.allocated_bytes(path) - before) / forks / 1e3,
    }


def fork_depth(ctx: Context, keys: int) -> dict[str, float]:
    """Random gets on the first branch and on one 100 forks below it, in turn."""
    store = ctx.loaded(keys)
    pairs = data.records(data.shuffled_keys(keys))
    source = "default"
    for level in range(DEPTH):
        store.fork(source, f"level{level}")
        source = f"level{level}"
        store.use(source)
        first = level * CHANGED % keys
        store.transaction(pairs[first : first + CHANGED])
    wanted = data.shuffled_keys(keys)[:10_000]
    means: dict[str, list[float]] = {"default": [], source: []}
    with no_garbage_collection():
        for _ in range(5):
            for branch, times in means.items():
                store.use(branch)
                get: Any = store.get
                batch_times(get, wanted[:1000], batch=1000)
                times.extend(batch_times(get, wanted, batch=1000, budget_s=1)[0])
    store.close()
    shallow, deep = (statistics.median(times) / 1e3 for times in means.values())
    return {"depth0_us": shallow, "depth100_us": deep, "ratio": deep / shallow}


def fork_workload(label: str, keys: int) -> Workload:
    return Workload(
        f"fork_{label}",
        [
            Row(f"fork of {label} keys", "p50_us", "µs", target=Target("≤ 30 µs", absolute=30.0)),
            Row(f"disk of a fork of {label} keys", "disk_kb", "KB", target=Target("≤ 4 KB", absolute=4.0)),
        ],
        partial(fork_time, keys=keys),
        "buffered",
        note="10 keys changed before each timed fork; disk after a second series of forks without changes, closed",
        quick=keys <= 10_000,
        rounds=1,
        needs=("fork",),
    )


def depth_workload(label: str, keys: int) -> Workload:
    return Workload(
        f"depth_{label}",
        [
            Row(f"get at fork depth 100 of {label} keys", "depth100_us", "µs"),
            Row(f"the same against depth 0, {label} keys", "ratio", "x", target=Target("≤ 1.1 x", absolute=1.1)),
        ],
        partial(fork_depth, keys=keys),
        "buffered",
        note="10 keys changed at each level",
        quick=keys <= 10_000,
        rounds=1,
        needs=("fork",),
        # 100 forks of 100k keys take the older engine more than a minute.
        only=() if keys <= 10_000 else ("strata",),
    )


def compare_time(ctx: Context, keys: int) -> dict[str, float]:
    """A diff of a branch and its fork with 10 keys changed, then a merge of the fork, again and again."""
    store = ctx.loaded(keys)
    pairs = data.records(data.shuffled_keys(keys))
    limit = 20 if ctx.quick else 100
    diffs: list[int] = []
    merges: list[int] = []
    spent = 0
    with no_garbage_collection():
        while len(diffs) < limit and (spent < 4e9 or len(diffs) < 3):
            name = f"work{len(diffs)}"
            store.fork("default", name)
            store.use(name)
            first = len(diffs) * CHANGED % len(pairs)
            changed = [(key, {**value, "changed": len(diffs)}) for key, value in pairs[first : first + CHANGED]]
            store.transaction(changed)
            start = perf_counter_ns()
            found = store.diff("default", name)
            middle = perf_counter_ns()
            store.merge(name, "default")
            merges.append(perf_counter_ns() - middle)
            diffs.append(middle - start)
            spent += diffs[-1] + merges[-1]
            if found != CHANGED:
                raise AssertionError(f"{found} keys differ, not {CHANGED}")
    store.use("default")
    key, value = changed[-1]
    if store.get(key) != value:
        raise AssertionError("a merge lost a change")
    store.close()
    return {"diff_us": percentile(diffs, 50) / 1e3, "merge_us": percentile(merges, 50) / 1e3}


def merge_much_time(ctx: Context, keys: int) -> dict[str, float]:
    """A merge of a fork in which every key was changed."""
    store = ctx.loaded(keys)
    store.fork("default", "work")
    store.use("work")
    pairs = [(key, {**value, "changed": 1}) for key, value in data.records(data.shuffled_keys(keys))]
    for first in range(0, keys, 1000):
        store.transaction(pairs[first : first + 1000])
    with no_garbage_collection():
        start = perf_counter_ns()
        store.merge("work", "default")
        spent = perf_counter_ns() - start
    store.use("default")
    if any(store.get(key) != value for key, value in pairs[:: keys // 10]):
        raise AssertionError("a merge lost a change")
    store.close()
    return {"merge_ms": spent / 1e6}


def merge_much_workload(label: str, keys: int) -> Workload:
    return Workload(
        f"merge_all_{label}",
        [Row(f"merge of {label} changed keys", "merge_ms", "ms")],
        partial(merge_much_time, keys=keys),
        "buffered",
        note="a fork in which every key was changed, merged back at once",
        quick=keys <= 10_000,
        rounds=1,
        needs=("fork", "merge"),
        only=("strata",),  # the older engine refuses more than about 4,096 changes
    )


def compare_workload(label: str, keys: int) -> Workload:
    return Workload(
        f"compare_{label}",
        [
            Row(f"diff of 10 changed of {label} keys", "diff_us", "µs", target=Target("≤ 300 µs", absolute=300.0)),
            Row(f"merge of 10 changed of {label} keys", "merge_us", "µs", target=Target("≤ 600 µs", absolute=600.0)),
        ],
        partial(compare_time, keys=keys),
        "buffered",
        note="a fork, 10 keys changed, the diff with its entries, then the merge back, each time; medians",
        quick=keys <= 10_000,
        rounds=1,
        needs=("fork", "diff", "merge"),
    )


WORKLOADS = [
    *(compare_workload(label, keys) for label, keys in SIZES.items()),
    *(merge_much_workload(label, SIZES[label]) for label in ("10k", "100k")),
    *(fork_workload(label, keys) for label, keys in SIZES.items()),
    *(depth_workload(label, keys) for label, keys in SIZES.items()),
]
