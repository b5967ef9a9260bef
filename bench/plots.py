"""Draws the figures of one run: `python bench/plots.py RESULTS.json FOLDER`. Needs Matplotlib and nothing else here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt

LATENCY_ROWS = [
    "put, in memory",
    "put, buffered",
    "put, fsync each",
    "get, random",
    "get, missing",
    "page of 10",
    "delete",
    "compare-and-swap",
    "append an event",
    "JSON set a nested path, 1.9 KB document",
    "JSON get a nested path",
]
SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000, "1M": 1_000_000}
THREADS = (1, 2, 4, 8)


def latency(run: dict[str, Any], systems: list[str]) -> Any:
    rows = [row for row in run["rows"] if row["title"] in LATENCY_ROWS]
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(rows) + 1.5))
    height = 0.8 / len(systems)
    for place, system in enumerate(systems):
        points = [(at, row["values"].get(system)) for at, row in enumerate(rows)]
        drawn = [(at, value) for at, value in points if value is not None]
        axes.barh(
            [at + (place - len(systems) / 2 + 0.5) * height for at, _ in drawn],
            [value for _, value in drawn],
            height,
            label=system,
        )
    axes.set_yticks(range(len(rows)), [row["title"] for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("µs a call, median (less is better)")
    axes.legend()
    return figure


def of_workload(run: dict[str, Any], workload: str, system: str) -> dict[str, float]:
    found: dict[str, float] = run["workloads"].get(workload, {}).get(system, {}).get("median") or {}
    return found


def throughput(run: dict[str, Any], systems: list[str]) -> Any:
    figure, axes = plt.subplots(figsize=(6, 4))
    for system in systems:
        medians = of_workload(run, "put_threads", system)
        points = [(threads, medians.get(f"per_second_{threads}")) for threads in THREADS]
        if all(value is not None for _, value in points):
            axes.plot([threads for threads, _ in points], [value for _, value in points], marker="o", label=system)
    axes.set_xscale("log", base=2)
    axes.set_xticks(THREADS, [str(threads) for threads in THREADS])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("threads")
    axes.set_ylabel("puts/s, each synced to the device")
    axes.legend()
    return figure


def fork_cost(run: dict[str, Any], systems: list[str]) -> Any:
    figure, axes = plt.subplots(figsize=(6, 4))
    for system in systems:
        points = [(size, of_workload(run, f"fork_{name}", system).get("p50_us")) for name, size in SIZES.items()]
        drawn = [(size, value) for size, value in points if value is not None]
        if drawn:
            axes.plot([size for size, _ in drawn], [value for _, value in drawn], marker="o", label=system)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("keys on the branch")
    axes.set_ylabel("µs a fork, median")
    axes.legend()
    return figure


def main(arguments: list[str]) -> None:
    source, folder = Path(arguments[0]), Path(arguments[1])
    run = json.loads(source.read_text())
    measured = {system for outcomes in run["workloads"].values() for system in outcomes}
    systems = ["strata", *sorted(measured - {"strata"})]
    matplotlib.rcParams.update({"svg.hashsalt": "strata", "svg.fonttype": "none", "font.size": 9})
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (latency, throughput, fork_cost):
        figure = draw(run, systems)
        if not any(axes.has_data() for axes in figure.axes):  # its rows were not measured
            continue
        figure.tight_layout()
        figure.savefig(folder / f"{draw.__name__}.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
