"""Timed loops. The garbage collector is off in all of them, equally for every system."""

from __future__ import annotations

import contextlib
import gc
import statistics
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter, perf_counter_ns, process_time_ns
from typing import Any

from stats import percentile


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def clock_overhead_ns() -> float:
    """What reading the clock twice around nothing shows; taken off single-call times."""
    times = []
    for _ in range(1000):
        start = perf_counter_ns()
        times.append(perf_counter_ns() - start)
    return statistics.median(times)


def run_threads(tasks: list[Callable[[], None]]) -> float:
    """Runs the tasks in a thread each, started together; the seconds until the last one ended."""
    start_line = threading.Barrier(len(tasks) + 1)
    failures: list[BaseException] = []

    def follow(task: Callable[[], None]) -> None:
        start_line.wait()
        try:
            task()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=follow, args=(task,)) for task in tasks]
    with no_garbage_collection():
        for thread in threads:
            thread.start()
        start_line.wait()
        start = perf_counter()
        for thread in threads:
            thread.join()
        seconds = perf_counter() - start
    if failures:
        raise failures[0]
    return seconds


def batch_times(
    call: Callable[..., Any], arguments: Sequence[Any], *, batch: int, pairs: bool = False, budget_s: float = 5.0
) -> tuple[list[float], int]:
    """Nanoseconds a call, one mean for each batch of calls, and how many calls were made.

    Stops early when the budget is spent. With `pairs` an argument is a tuple of two.
    """
    means = []
    done = 0
    deadline = perf_counter_ns() + int(budget_s * 1e9)
    for first in range(0, len(arguments), batch):
        chunk = arguments[first : first + batch]
        if pairs:
            start = perf_counter_ns()
            for key, value in chunk:
                call(key, value)
            end = perf_counter_ns()
        else:
            start = perf_counter_ns()
            for argument in chunk:
                call(argument)
            end = perf_counter_ns()
        means.append((end - start) / len(chunk))
        done += len(chunk)
        if end > deadline:
            break
    return means, done


def single_times(
    call: Callable[..., Any], arguments: Sequence[Any], *, pairs: bool = False, budget_s: float = 5.0
) -> array[int]:
    """Nanoseconds of each call by itself, clock reading included; stops early when the budget is spent."""
    times = array("q")
    note = times.append
    deadline = perf_counter_ns() + int(budget_s * 1e9)
    if pairs:
        for key, value in arguments:
            start = perf_counter_ns()
            call(key, value)
            end = perf_counter_ns()
            note(end - start)
            if end > deadline:
                break
    else:
        for argument in arguments:
            start = perf_counter_ns()
            call(argument)
            end = perf_counter_ns()
            note(end - start)
            if end > deadline:
                break
    return times


def measure(
    call: Callable[..., Any],
    arguments: Sequence[Any],
    *,
    batch: int = 1000,
    singles: int = 1000,
    pairs: bool = False,
    budget_s: float = 5.0,
) -> dict[str, float]:
    """The usual metrics of one call, in microseconds.

    The last `singles` arguments are timed call by call (p99_us and single_p50_us), those before them by batches:
    p50_us is the median of the batch means, mean_us their total over all calls; cpu_us is what the whole process, its
    background threads included, spent on a call, and says something on a busy machine too.
    """
    if not 0 < singles < len(arguments):
        raise ValueError(f"{singles} single calls of {len(arguments)}")
    with no_garbage_collection():
        busy = process_time_ns()
        means, done = batch_times(call, arguments[:-singles], batch=batch, pairs=pairs, budget_s=budget_s)
        busy = process_time_ns() - busy
        each = single_times(call, arguments[-singles:], pairs=pairs, budget_s=budget_s)
    overhead = clock_overhead_ns()
    mean = statistics.fmean(means)
    return {
        "p50_us": statistics.median(means) / 1e3,
        "mean_us": mean / 1e3,
        "single_p50_us": max(percentile(each, 50) - overhead, 0) / 1e3,
        "p99_us": max(percentile(each, 99) - overhead, 0) / 1e3,
        "per_second": 1e9 / mean,
        "cpu_us": busy / done / 1e3,
        "calls": done + len(each),
    }
