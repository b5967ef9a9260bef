"""The key-value workloads, and the list of all workloads in the order in which they run."""

from __future__ import annotations

import itertools
import random
from functools import partial
from time import perf_counter
from typing import Any

import data
import workloads_branches
import workloads_lifecycle
from context import Context, Row, Target, Workload
from timing import batch_times, measure, no_garbage_collection, run_threads

THREADS = 8
TRANSACTION = 1000
VERSIONS = 10_000
WARM_UP = 500


def put_in(ctx: Context, mode: str, count: int, batch: int) -> dict[str, float]:
    store = ctx.fresh(mode)
    pairs = data.records(data.shuffled_keys(ctx.rows))[:count]
    warm_up = max(1, min(WARM_UP, count // 10))
    for key, value in pairs[:warm_up]:
        store.put(key, value)
    metrics = measure(
        store.put, pairs[warm_up:], pairs=True, batch=batch, singles=max(1, count // 5), budget_s=ctx.budget_s
    )
    store.close()
    return metrics


def put_memory(ctx: Context) -> dict[str, float]:
    return put_in(ctx, "memory", ctx.writes, 1000)


def put_buffered(ctx: Context) -> dict[str, float]:
    return put_in(ctx, "buffered", ctx.writes, 1000)


def put_strict(ctx: Context) -> dict[str, float]:
    return put_in(ctx, "strict", min(ctx.rows, 2_000 if ctx.quick else 10_000), 1)


def handle_of(store: Any) -> Any:
    return store.handle() if hasattr(store, "handle") else store


def put_all(handle: Any, pairs: list[tuple[str, Any]]) -> None:
    for key, value in pairs:
        handle.put(key, value)


def put_threads(ctx: Context) -> dict[str, float]:
    count = min(ctx.rows // THREADS, 400 if ctx.quick else 2_000)
    shares = data.chunks(data.records(data.shuffled_keys(ctx.rows))[: count * THREADS], count)
    metrics = {}
    for threads in (1, 2, 4, THREADS):
        store = ctx.fresh("strict")
        seconds = run_threads([partial(put_all, handle_of(store), share) for share in shares[:threads]])
        store.close()
        metrics[f"per_second_{threads}"] = count * threads / seconds
    return metrics


def read_beside_writer(ctx: Context) -> dict[str, float]:
    """Two threads read random keys while one puts: a fixed number of reads, and what was written meanwhile."""
    store = ctx.loaded(ctx.rows)
    keys = data.shuffled_keys(ctx.rows)
    pairs = data.records(keys)
    share = len(keys) // 2 if not ctx.quick else len(keys) // 10
    running = [True, True]
    written = 0

    def read(reader: int) -> None:
        handle = handle_of(store)
        for key in keys[reader * share : (reader + 1) * share]:
            if handle.get(key) is None:
                raise AssertionError(f"{ctx.name}: {key} is missing")
        running[reader] = False

    def write() -> None:
        nonlocal written
        handle = handle_of(store)
        while any(running):
            key, value = pairs[written % len(pairs)]
            handle.put(key, value)
            written += 1

    seconds = run_threads([partial(read, 0), partial(read, 1), write])
    store.close()
    return {"reads_per_second": 2 * share / seconds, "puts_per_second": written / seconds}


def write_chunks(ctx: Context, method: str) -> dict[str, float]:
    store = ctx.fresh("buffered")
    chunks: list[Any] = data.chunks(data.records(data.shuffled_keys(ctx.rows)), TRANSACTION)
    if method == "batch":
        chunks = [dict(chunk) for chunk in chunks]
    with no_garbage_collection():
        write = getattr(store, method)
        start = perf_counter()
        means, done = batch_times(write, chunks, batch=1, budget_s=ctx.budget_s)
        seconds = perf_counter() - start
    store.close()
    puts = sum(len(chunk) for chunk in chunks[:done])
    return {"per_second": puts / seconds, "p50_us": sorted(means)[len(means) // 2] / 1e3}


def transaction(ctx: Context) -> dict[str, float]:
    return write_chunks(ctx, "transaction")


def batch_put(ctx: Context) -> dict[str, float]:
    return write_chunks(ctx, "batch")


def check_reads(ctx: Context, store: Any) -> None:
    """A fast wrong answer is no answer."""
    key, value = data.records(data.shuffled_keys(ctx.rows))[-1]
    if store.get(key) != value:
        raise AssertionError(f"{ctx.name}: get returned {store.get(key)!r}, not {value!r}")


def get_random(ctx: Context) -> dict[str, float]:
    store = ctx.shared()
    check_reads(ctx, store)
    keys = data.shuffled_keys(ctx.rows)
    random.Random(1).shuffle(keys)
    for key in keys[:WARM_UP]:
        store.get(key)
    return measure(store.get, keys, singles=len(keys) // 5, budget_s=ctx.budget_s)


def get_missing(ctx: Context) -> dict[str, float]:
    store = ctx.shared()
    keys = data.missing_keys(ctx.rows)
    random.Random(2).shuffle(keys)
    if any(store.get(key) is not None for key in keys[:WARM_UP]):
        raise AssertionError(f"{ctx.name}: found a key that was never put")
    return measure(store.get, keys, singles=len(keys) // 5, budget_s=ctx.budget_s)


def list_prefix(ctx: Context) -> dict[str, float]:
    store = ctx.shared()
    groups = max(1, ctx.rows // data.GROUP)
    expected = min(data.GROUP, ctx.rows)
    if len(store.list_prefix(data.group_prefix(0))) != expected:
        raise AssertionError(f"{ctx.name}: a prefix does not list {expected} keys")
    prefixes = [data.group_prefix(number % groups) for number in range(max(groups, 40))]
    random.Random(3).shuffle(prefixes)
    return measure(store.list_prefix, prefixes, batch=10, singles=len(prefixes) // 4, budget_s=ctx.budget_s)


def page(ctx: Context) -> dict[str, float]:
    store = ctx.shared()
    cursors = [None]
    while True:
        _, cursor = store.page(cursors[-1], max(10, ctx.rows // 200))
        if cursor is None:
            break
        cursors.append(cursor)
    if len(store.page(cursors[0], 10)[0]) != min(10, ctx.rows):
        raise AssertionError(f"{ctx.name}: a page does not hold 10 keys")
    chosen = random.Random(4).choices(cursors[:-1] or cursors, k=2_000 if ctx.quick else 20_000)
    return measure(
        lambda cursor: store.page(cursor, 10), chosen, batch=100, singles=len(chosen) // 5, budget_s=ctx.budget_s
    )


def list_all(ctx: Context) -> dict[str, float]:
    store = ctx.shared()
    keys = store.list_prefix("")
    if keys != sorted(data.shuffled_keys(ctx.rows)):
        raise AssertionError(f"{ctx.name}: listing all keys gave {len(keys)} of {ctx.rows}, or in another order")
    metrics = measure(store.list_prefix, [""] * 6, batch=1, singles=1, budget_s=ctx.budget_s)
    return {"p50_ms": metrics["p50_us"] / 1e3}


def delete(ctx: Context) -> dict[str, float]:
    store = ctx.loaded(ctx.rows)
    keys = data.shuffled_keys(ctx.rows)
    random.Random(5).shuffle(keys)
    metrics = measure(store.delete, keys[: ctx.writes // 2], singles=ctx.writes // 10, budget_s=ctx.budget_s)
    if store.get(keys[0]) is not None:
        raise AssertionError(f"{ctx.name}: a deleted key is still there")
    store.close()
    return metrics


def history(ctx: Context) -> dict[str, float]:
    versions = min(VERSIONS, ctx.rows)
    store = ctx.fresh("buffered")
    pool = data.value_pool()
    for value in itertools.islice(itertools.cycle(pool), versions):
        store.put_version("the-key", value)
    found = store.history("the-key")
    if len(found) != versions or found[0]["value"] != pool[(versions - 1) % len(pool)]:
        raise AssertionError(f"{ctx.name}: the history has {len(found)} of {versions} versions, or the wrong order")
    metrics = measure(store.history, ["the-key"] * 10, batch=1, singles=2, budget_s=ctx.budget_s)
    store.close()
    return {"p50_ms": metrics["p50_us"] / 1e3}


def compare_and_swap(ctx: Context) -> dict[str, float]:
    store = ctx.fresh("buffered")
    pool = data.value_pool()
    set_cell = getattr(store, "set_cell", store.put)
    for key in data.shuffled_keys(min(1000, ctx.rows)):
        set_cell(key, pool[0])
    set_cell("the-cell", pool[0])
    count = ctx.rows // 5
    steps = [(pool[i % len(pool)], pool[(i + 1) % len(pool)]) for i in range(count)]
    metrics = measure(
        lambda old, new: store.cas("the-cell", old, new),
        steps,
        pairs=True,
        batch=100,
        singles=count // 5,
        budget_s=ctx.budget_s,
    )
    store.close()
    return metrics


def append_event(ctx: Context) -> dict[str, float]:
    store = ctx.fresh("buffered")
    pool = data.value_pool()
    events = [(f"type{i % 100}", pool[i % len(pool)]) for i in range(ctx.rows // 2)]
    metrics = measure(store.append_event, events, pairs=True, singles=len(events) // 5, budget_s=ctx.budget_s)
    store.close()
    return metrics


def events_batch_and_type(ctx: Context) -> dict[str, float]:
    store = ctx.fresh("buffered")
    pool = data.value_pool()
    types = min(100, ctx.rows // 10)
    events = [(f"type{i % types}", pool[i % len(pool)]) for i in range(ctx.rows)]
    with no_garbage_collection():
        start = perf_counter()
        for chunk in data.chunks(events, 1000):
            store.append_events(chunk)
        seconds = perf_counter() - start
    found = store.events_of_type("type3", 10)
    if len(found) != 10:
        raise AssertionError(f"{ctx.name}: {len(found)} events of a type, not 10")
    names = [f"type{i % types}" for i in range(1000)]
    metrics = measure(lambda name: store.events_of_type(name, 10), names, batch=5, singles=200, budget_s=ctx.budget_s)
    store.close()
    return {"append_us": seconds / len(events) * 1e6, "list_us": metrics["p50_us"]}


def set_by_hand(store: Any) -> Any:
    """For a store of bytes: read, decode, change, encode, write."""

    def set_nested(key: str, value: Any) -> None:
        document = store.get(key)
        data.nested_parent(document)["limit"] = value
        store.put(key, document)

    return set_nested


def documents(ctx: Context) -> dict[str, float]:
    store = ctx.fresh("buffered")
    keys = data.shuffled_keys(max(100, ctx.rows // 10))
    put = getattr(store, "put_document", store.put)
    for number, key in enumerate(keys):
        put(key, data.document(number))
    set_nested = getattr(store, "set_nested", None) or set_by_hand(store)
    get_nested = getattr(store, "get_nested", None) or (lambda key: data.nested_parent(store.get(key))["limit"])
    random.Random(6).shuffle(keys)
    changes = [(key, number) for number, key in enumerate(keys)] * 2
    sets = measure(set_nested, changes, pairs=True, batch=100, singles=len(keys) // 5, budget_s=ctx.budget_s)
    if get_nested(keys[0]) != 0:
        raise AssertionError(f"{ctx.name}: the place in a document holds another value than was set")
    gets = measure(get_nested, keys * 2, batch=100, singles=len(keys) // 5, budget_s=ctx.budget_s)
    store.close()
    return {"set_us": sets["p50_us"], "get_us": gets["p50_us"]}


P50 = "p50_us"

KEY_VALUE = [
    Workload(
        "put_memory",
        [Row("put, in memory", P50, "µs", target=Target("≤ 0.5 x best", ratio=0.5))],
        put_memory,
        "memory",
        note="new keys in random order into an empty store; LMDB and LevelDB have no memory mode",
    ),
    Workload(
        "put_buffered",
        [Row("put, buffered", P50, "µs", target=Target("≤ 0.9 x best", ratio=0.9))],
        put_buffered,
        "buffered",
        note="new keys in random order into an empty store",
    ),
    Workload(
        "put_strict",
        [Row("put, fsync each", "single_p50_us", "µs", target=Target("≤ 0.85 x best", ratio=0.85))],
        put_strict,
        "strict",
        note="median of single calls: the mean is ruled by the device's rare long stalls",
    ),
    Workload(
        "put_threads",
        [
            Row(
                f"puts/s, {THREADS} threads, fsync each",
                f"per_second_{THREADS}",
                "/s",
                "higher",
                Target("≥ 1.3 x best", ratio=1.3),
            )
        ],
        put_threads,
        "strict",
        note="each thread with its own handle and keys",
    ),
    Workload(
        "read_beside_writer",
        [
            Row("gets/s, 2 threads beside a writer", "reads_per_second", "/s", "higher"),
            Row("puts/s, beside 2 readers", "puts_per_second", "/s", "higher"),
        ],
        read_beside_writer,
        "buffered",
        note="each thread with its own handle; the interpreter lock is shared by all three",
        quick=False,
        only=("strata", "lmdb", "leveldb", "rocksdb", "sqlite"),
    ),
    Workload(
        "transaction",
        [Row("transactions of 1,000 puts", "per_second", "/s", "higher", Target("≥ 1 x best", ratio=1.0))],
        transaction,
        "buffered",
        note="random keys; each peer by the fastest atomic way it has",
    ),
    Workload(
        "batch_put",
        [
            Row(
                "kv_batch_put of 1,000",
                "per_second",
                "/s",
                "higher",
                Target("≥ 1.5 x best transaction", ratio=1.5),
                best_of="transactions of 1,000 puts",
            )
        ],
        batch_put,
        "buffered",
        needs=("batch",),
        note="peers by their batch call where it is another than that of the row above",
    ),
    Workload(
        "get",
        [Row("get, random", P50, "µs", target=Target("≤ 0.7 x best", ratio=0.7))],
        get_random,
        "buffered",
        group="reads",
        note="value decoded to a dict",
    ),
    Workload(
        "get_missing",
        [Row("get, missing", P50, "µs", target=Target("≤ 1.2 x best", ratio=1.2))],
        get_missing,
        "buffered",
        group="reads",
    ),
    Workload(
        "list_prefix",
        [Row("list a prefix of 1,000", P50, "µs", target=Target("≤ 0.7 x best", ratio=0.7))],
        list_prefix,
        "buffered",
        group="reads",
        note="keys as str",
    ),
    Workload(
        "page",
        [Row("page of 10", P50, "µs", target=Target("≤ 1 x best", ratio=1.0))],
        page,
        "buffered",
        group="reads",
        note="from a random cursor, keys as str",
    ),
    Workload(
        "list_all",
        [Row("all keys", "p50_ms", "ms", target=Target("≤ 0.6 x best", ratio=0.6))],
        list_all,
        "buffered",
        group="reads",
        note="keys as str",
    ),
    Workload(
        "delete",
        [Row("delete", P50, "µs", target=Target("≤ 1 x best", ratio=1.0))],
        delete,
        "buffered",
        note="in random order",
    ),
    Workload(
        "history",
        [Row("history of 10,000 versions", "p50_ms", "ms", target=Target("≤ 0.8 x best", ratio=0.8))],
        history,
        "buffered",
        needs=("history",),
        note="values decoded; SQLite with a history table of its own",
    ),
]

OTHER = [
    Workload(
        "cas",
        [Row("compare-and-swap", P50, "µs", target=Target("≤ 0.7 x best", ratio=0.7))],
        compare_and_swap,
        "buffered",
        needs=("cas",),
        quick=False,
        note="one cell, every swap succeeds",
    ),
    Workload(
        "append_event",
        [Row("append an event", P50, "µs", target=Target("≤ 1 x best", ratio=1.0))],
        append_event,
        "buffered",
        needs=("append_event",),
        quick=False,
    ),
    Workload(
        "events",
        [
            Row("append, per event in a batch", "append_us", "µs", target=Target("≤ 1 x best", ratio=1.0)),
            Row("10 events of a type", "list_us", "µs", target=Target("≤ 5 µs", absolute=5.0)),
        ],
        events_batch_and_type,
        "buffered",
        needs=("append_events",),
        quick=False,
        note="100 types, payloads decoded",
    ),
    Workload(
        "documents",
        [
            Row("JSON set a nested path, 1.9 KB document", "set_us", "µs", target=Target("≤ 0.5 x best", ratio=0.5)),
            Row("JSON get a nested path", "get_us", "µs", target=Target("≤ 0.25 x best", ratio=0.25)),
        ],
        documents,
        "buffered",
        quick=False,
        note="random documents of rows / 10; peers decode, change and encode the whole by orjson",
    ),
]


def all_workloads() -> list[Workload]:
    return [*KEY_VALUE, *workloads_lifecycle.WORKLOADS, *workloads_branches.WORKLOADS, *OTHER]


def internal_workloads() -> list[Workload]:
    """Those that only other workloads start, each in a process of its own."""
    return workloads_lifecycle.INTERNAL
