"""Long update runs, bytes written, opening, memory and disk."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
from time import perf_counter
from typing import Any

import data
import disk
from context import Context, Row, Target, Workload, load
from stats import percentile
from timing import clock_overhead_ns, no_garbage_collection, single_times

MIB = 1 << 20


def json_bytes(pairs: list[tuple[str, Any]]) -> int:
    """Keys and values as compact JSON, the same count for every system."""
    return sum(len(key) + len(json.dumps(value, separators=(",", ":"))) for key, value in pairs)


def random_updates(ctx: Context, keys: int, updates: int, budget_s: float) -> dict[str, float]:
    path = ctx.folder()
    store = ctx.loaded(keys, path=path)
    chooser = random.Random(6)
    pool = data.value_pool()
    pairs = [(data.key_of(chooser.randrange(keys)), pool[chooser.randrange(len(pool))]) for _ in range(updates)]
    os.sync()
    before = disk.device_written_bytes(path), disk.process_written_bytes()
    with no_garbage_collection():
        start = perf_counter()
        times = single_times(store.put, pairs, pairs=True, budget_s=budget_s)
        seconds = perf_counter() - start
    store.close()
    os.sync()
    after = disk.device_written_bytes(path), disk.process_written_bytes()
    written = json_bytes(pairs[: len(times)])
    overhead = clock_overhead_ns()
    metrics = {
        "per_second": len(times) / seconds,
        "p50_us": (percentile(times, 50) - overhead) / 1e3,
        "p999_us": (percentile(times, 99.9) - overhead) / 1e3,
        "max_ms": max(times) / 1e6,
        "updates": len(times),
        "process_bytes_per_user_byte": (after[1] - before[1]) / written,
    }
    if before[0] is not None and after[0] is not None:
        metrics["device_bytes_per_user_byte"] = (after[0] - before[0]) / written
    return metrics


def updates_small(ctx: Context) -> dict[str, float]:
    return random_updates(ctx, ctx.rows, 10 * ctx.rows, 60)


def updates_large(ctx: Context) -> dict[str, float]:
    return random_updates(ctx, ctx.keys, 2 * ctx.keys, 120)


# Steps of the reopening workloads, each in a process of its own.


def step_build(ctx: Context) -> dict[str, float]:
    store = ctx.open(ctx.arguments["path"], "buffered")
    load(store, ctx.keys)
    store.close()
    return {}


def step_write_and_die(ctx: Context) -> dict[str, float]:
    store = ctx.open(ctx.arguments["path"], "buffered")
    chooser = random.Random(ctx.arguments["seed"])
    pool = data.value_pool()
    for _ in range(ctx.arguments["updates"]):
        store.put(data.key_of(chooser.randrange(ctx.keys)), pool[chooser.randrange(len(pool))])
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def step_open(ctx: Context) -> dict[str, float]:
    key = data.key_of(ctx.keys // 2)
    memory = disk.resident_bytes()
    start = perf_counter()
    store = ctx.open(ctx.arguments["path"], "buffered")
    opened = perf_counter()
    found = store.get(key)
    got = perf_counter()
    memory = disk.resident_bytes() - memory
    if found is None:
        raise AssertionError(f"{ctx.name}: a key is missing after reopening")
    store.close()
    return {
        "open_ms": (opened - start) * 1e3,
        "first_get_ms": (got - start) * 1e3,
        "memory_mb": memory / MIB,
    }


def reopen(ctx: Context) -> dict[str, float]:
    path = ctx.folder()
    ctx.in_child("step_build", path=path)
    clean = [ctx.in_child("step_open", path=path) for _ in range(3)]
    metrics = {
        "clean_ms": statistics.median([opened["open_ms"] for opened in clean]),
        "memory_mb": statistics.median([opened["memory_mb"] for opened in clean]),
    }
    log_bytes = getattr(ctx.adapter, "log_bytes", None)
    killed, per_mb = [], []
    for seed in range(3):
        before = log_bytes(path) if log_bytes else 0
        ctx.in_child("step_write_and_die", path=path, updates=ctx.keys // 10, seed=seed)
        written = log_bytes(path) - before if log_bytes else 0
        killed.append(ctx.in_child("step_open", path=path)["open_ms"])
        if written:
            per_mb.append(killed[-1] / (written / 1e6))
    metrics["killed_ms"] = statistics.median(killed)
    if per_mb:
        metrics["killed_ms_per_mb"] = statistics.median(per_mb)
    return metrics


def disk_use(ctx: Context) -> dict[str, float]:
    path = ctx.folder()
    store = ctx.open(path, "buffered")
    for key, value in data.records(data.shuffled_keys(ctx.rows)):
        store.put(key, value)
    store.close()
    closed = disk.allocated_bytes(path)
    metrics = {"closed_mb": closed / 1e6}
    store = ctx.open(path, "buffered")
    if hasattr(store, "compact"):
        store.compact()
        store.close()
        metrics["compacted_mb"] = disk.allocated_bytes(path) / 1e6
    else:
        store.close()
    return metrics


WORKLOADS = [
    Workload(
        "updates_large",
        [
            Row(
                "random updates of 1M keys",
                "per_second",
                "/s",
                "higher",
                Target("≥ 1 x best", ratio=1.0),
            ),
            Row("random updates of 1M keys, p99.9", "p999_us", "µs", target=Target("≤ 1 x best", ratio=1.0)),
            Row(
                "device bytes per user byte, 1M keys",
                "device_bytes_per_user_byte",
                "x",
                target=Target("≤ 8", absolute=8.0),
            ),
        ],
        updates_large,
        "buffered",
        note="2M updates timed one by one, at most 120 s; device bytes are everyone's: the machine must be idle",
        quick=False,
        rounds=1,
    ),
    Workload(
        "updates_small",
        [
            Row("random updates of 100k keys", "per_second", "/s", "higher"),
            Row(
                "device bytes per user byte, 100k keys",
                "device_bytes_per_user_byte",
                "x",
                target=Target("≤ 4", absolute=4.0),
            ),
        ],
        updates_small,
        "buffered",
        note="1M updates, at most 60 s",
        quick=False,
        rounds=1,
    ),
    Workload(
        "reopen",
        [
            Row("reopen 1M keys, closed cleanly", "clean_ms", "ms", target=Target("≤ 15 ms", absolute=15.0)),
            Row("reopen 1M keys after kill -9", "killed_ms", "ms"),
            Row(
                "reopen after kill -9, per MB of log to replay",
                "killed_ms_per_mb",
                "ms",
                target=Target("≤ 10 ms", absolute=10.0),
            ),
            Row("memory after opening 1M keys", "memory_mb", "MB", target=Target("≤ 32 MB", absolute=32.0)),
        ],
        reopen,
        "buffered",
        note="each opening in a process of its own, after one get; killed after 100k random updates",
        quick=False,
        rounds=1,
    ),
    Workload(
        "disk",
        [
            Row("disk after 100k puts, closed", "closed_mb", "MB", target=Target("≤ 40 MB", absolute=40.0)),
            Row("disk after compaction", "compacted_mb", "MB", target=Target("≤ 20 MB", absolute=20.0)),
        ],
        disk_use,
        "buffered",
        note="allocated blocks; 100k single puts; compaction keeps no history",
        quick=False,
        rounds=1,
    ),
]

INTERNAL = [
    Workload(name, [], run, "buffered")
    for name, run in (
        ("step_build", step_build),
        ("step_write_and_die", step_write_and_die),
        ("step_open", step_open),
    )
]
