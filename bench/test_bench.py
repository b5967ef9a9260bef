"""The harness itself: statistics, timing, the report, and every workload on tiny sizes where a system is installed."""

from __future__ import annotations

import dataclasses
import json
import random
import statistics
from pathlib import Path

import baseline
import data
import environments
import pytest
import report
import run
import stats
from bounds import BOUNDS, text_of
from context import Row, Target, Workload
from driver import Outcome, Plan, Worker
from driver import run as run_plan
from timing import batch_times, measure, single_times
from workloads import all_workloads

PEERS = environments.read_peers()
ROWS = 40


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    random.Random(1).shuffle(values)
    assert stats.percentile(values, 50) == 50
    assert stats.percentile(values, 99) == 99
    assert stats.percentile(values, 99.9) == 100
    assert stats.percentile(values, 0) == 1
    assert stats.percentile([7.0], 99) == 7


def test_percentile_refuses_what_has_none() -> None:
    with pytest.raises(ValueError, match="no values"):
        stats.percentile([], 50)
    with pytest.raises(ValueError, match="out of range"):
        stats.percentile([1.0], 101)


def test_rounds_become_medians_of_each_metric() -> None:
    assert stats.over_rounds([{"a": 1, "b": 5}, {"a": 9}, {"a": 2, "b": 7}]) == {"a": 2, "b": 6}


def test_spread_and_best() -> None:
    assert stats.spread([2.0, 4.0, 3.0]) == pytest.approx(2 / 3)
    assert stats.spread([0.0]) == 0
    assert stats.best([3.0, 1.0, 2.0], "lower") == 1
    assert stats.best([3.0, 1.0, 2.0], "higher") == 3
    assert stats.best([], "lower") is None


def test_batches_call_each_argument_once_in_order() -> None:
    seen: list[int] = []
    means, done = batch_times(seen.append, list(range(25)), batch=10)
    assert seen == list(range(25))
    assert (len(means), done) == (3, 25)


def test_timed_pairs_are_spread_over_two_arguments() -> None:
    seen = []
    times = single_times(lambda key, value: seen.append((key, value)), [("a", 1), ("b", 2)], pairs=True)
    assert seen == [("a", 1), ("b", 2)]
    assert len(times) == 2
    assert min(times) > 0


def test_a_spent_budget_ends_the_series_early() -> None:
    _, done = batch_times(lambda _: None, list(range(1000)), batch=10, budget_s=0)
    assert done == 10
    assert len(single_times(lambda _: None, list(range(1000)), budget_s=0)) == 1


def test_measure_tells_a_slow_call_from_a_fast_one() -> None:
    fast = measure(lambda _: None, list(range(300)), batch=100, singles=100)
    slow = measure(lambda _: sum(range(2000)), list(range(300)), batch=100, singles=100)
    assert slow["p50_us"] > 5 * fast["p50_us"]
    assert slow["single_p50_us"] > 5 * fast["single_p50_us"]
    assert slow["p99_us"] >= slow["single_p50_us"]
    assert fast["calls"] == 300
    with pytest.raises(ValueError, match="single calls"):
        measure(lambda _: None, [1], singles=1)


def test_records_are_distinct_grouped_and_of_the_size_promised() -> None:
    keys = data.shuffled_keys(3000)
    assert len(set(keys)) == 3000
    assert sum(key.startswith(data.group_prefix(1)) for key in keys) == data.GROUP
    assert not set(keys) & set(data.missing_keys(3000))
    sizes = [len(json.dumps(value, separators=(",", ":"))) for value in data.value_pool()]
    assert 90 <= statistics.fmean(sizes) <= 115


def line(better: str, target: Target, values: dict[str, float]) -> report.Line:
    workload = Workload("w", [Row("w", "m", "µs", better, target)], lambda ctx: {}, "buffered")
    outcomes = {name: Outcome(rounds=[{"m": value}]) for name, value in values.items()}
    return report.lines_of([workload], {"w": outcomes})[0]


def test_a_ratio_is_taken_against_the_best_peer() -> None:
    faster = line("lower", Target("", ratio=0.5), {"strata": 1.0, "lmdb": 4.0, "sqlite": 2.5})
    assert (faster.best_peer, faster.ratio, faster.met) == ("sqlite", 0.4, True)
    assert line("lower", Target("", ratio=0.5), {"strata": 1.3, "lmdb": 2.5}).met is False
    more = line("higher", Target("", ratio=1.5), {"strata": 3.0, "lmdb": 2.0, "sqlite": 1.0})
    assert (more.best_peer, more.met) == ("lmdb", True)
    assert line("higher", Target("", ratio=1.5), {"strata": 2.9, "lmdb": 2.0}).met is False


def test_an_absolute_target_needs_no_peer_and_no_figure_is_no_verdict() -> None:
    assert line("lower", Target("", absolute=5.0), {"strata": 4.9}).met is True
    assert line("lower", Target("", absolute=5.0), {"strata": 5.1, "lmdb": 1.0}).met is False
    assert line("lower", Target("", absolute=5.0), {"lmdb": 1.0}).met is None
    assert line("lower", Target("", ratio=0.5), {"strata": 1.0}).met is None


def test_a_row_may_be_held_against_the_best_of_another() -> None:
    first = Workload("a", [Row("a", "m", "/s", "higher")], lambda ctx: {}, "buffered")
    row = Row("b", "m", "/s", "higher", Target("", ratio=1.5), best_of="a")
    second = Workload("b", [row], lambda ctx: {}, "buffered")
    results = {
        "a": {"strata": Outcome(rounds=[{"m": 1.0}]), "lmdb": Outcome(rounds=[{"m": 2.0}])},
        "b": {"strata": Outcome(rounds=[{"m": 3.0}]), "lmdb": Outcome(problem="has no batch")},
    }
    assert report.lines_of([first, second], results)[1].ratio == 1.5


def test_every_workload_has_its_own_name_and_rows() -> None:
    workloads = all_workloads()
    assert len({workload.name for workload in workloads}) == len(workloads)
    titles = [row.title for workload in workloads for row in workload.rows]
    assert len(set(titles)) == len(titles)


def test_what_bounds_a_row_is_said_of_rows_that_there_are() -> None:
    assert set(BOUNDS) <= {workload.name for workload in all_workloads()}


def test_the_baseline_tells_worse_from_noise(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    baseline.store([line("lower", Target(""), {"strata": 1.0, "lmdb": 2.0})], file)
    assert baseline.compare([line("lower", Target(""), {"strata": 1.2, "lmdb": 2.0})], file) == []
    (worse,) = baseline.compare([line("lower", Target(""), {"strata": 1.4, "lmdb": 2.0})], file)
    assert worse == "w: 0.70 x best, was 0.50 (1.40 x worse, the band is 1.25)"
    baseline.store([line("higher", Target(""), {"strata": 4.0, "lmdb": 2.0})], file)
    assert baseline.compare([line("higher", Target(""), {"strata": 3.5, "lmdb": 2.0})], file) == []
    assert len(baseline.compare([line("higher", Target(""), {"strata": 3.0, "lmdb": 2.0})], file)) == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SystemExit, match="unknown workloads: nothing"):
        run.chosen("get,nothing", ["get", "page"], "workloads")


def test_the_machine_is_described_without_its_name() -> None:
    facts = report.machine()
    assert set(facts) == {"processor", "cores", "memory", "kernel", "python"}
    assert all(value and "/" not in value.replace("x86/", "") for value in facts.values())


@pytest.mark.parametrize(
    "name", [name if name in ("strata", "sqlite") else pytest.param(name, marks=pytest.mark.slow) for name in PEERS]
)
def test_every_workload_runs_on(name: str, tmp_path: Path) -> None:
    peer = PEERS[name]
    if not environments.is_ready(peer):
        pytest.skip(f"{peer.title} is not installed (./dev bench installs it)")
    # One group: one process for all of them.
    small = [
        dataclasses.replace(work, group="all")
        for work in all_workloads()
        if not work.name.endswith(("10k", "100k", "1M"))
    ]
    plan = Plan(small, [peer], rows=ROWS, keys=ROWS, rounds=1, quick=True, root=tmp_path, timeout_s=60)
    results = run_plan(plan)
    assert set(results) == {work.name for work in small}
    for work in small:
        outcome = results[work.name][name]
        assert not outcome.failed, f"{work.name}: {outcome.problem}"
        if outcome.problem is None:
            assert outcome.rounds
            for row in work.rows:
                assert row.metric not in outcome.rounds[0] or outcome.rounds[0][row.metric] >= 0
    facts = {
        "date": "2000-01-01",
        "machine": report.machine(),
        "file_system": report.file_system(tmp_path),
        "load": 0.0,
        "rows": ROWS,
        "keys": ROWS,
        "rounds": 1,
        "quick": True,
    }
    lines = report.lines_of(small, results)
    text = report.page(lines, [peer], {name: "1"}, facts, results, ["performance/latency.svg"])
    assert peer.title in text
    assert "![latency](performance/latency.svg)" in text
    assert "- **put, buffered**: " + text_of("put_buffered") in text
    assert str(tmp_path) not in text
    assert json.dumps(report.as_json(lines, {name: "1"}, facts, results))


def test_a_worker_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    peer = PEERS["sqlite"]
    if not environments.is_ready(peer):
        pytest.skip("SQLite's environment is not made (./dev bench makes it)")
    worker = Worker(peer, tmp_path)
    request = {"workload": "put_buffered", "rows": 100_000, "keys": 10, "quick": False}
    assert "no answer" in worker.ask(request, timeout_s=0.01)["error"]
    assert "ended" in worker.ask(request, timeout_s=1)["error"]
    worker.stop()
