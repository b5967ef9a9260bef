"""The report on vectors: each row of the targets beside every system, and recall against speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specialists import NOTHING, Figures
from specialists_report import Row, head_of, inside, table

from vectors.shapes import FILTERS


def quickest(least: float, metric: str = "qps") -> Callable[[Figures], float | None]:
    """Setting aside what misses the goal of recall, the speed of the quickest setting."""

    def read(figures: Figures) -> float | None:
        good = [point[metric] for point in figures.get("curve", []) if point["recall"] >= least and metric in point]
        return max(good, default=None)

    return read


def filtered(field: str) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        point = figures.get(f"filter_{field}")
        return point["p50_ms"] if point and point["recall"] >= 0.99 else None

    return read


def each(name: str) -> Callable[[Figures], float | None]:
    return lambda figures: figures[name] * 1e3 / figures["rows"] if figures.get(name) else None


ROWS = [
    Row("QPS at recall ≥ 0.99", "/s", quickest(0.99), "higher", ratio=2.0),
    Row("QPS at recall ≥ 0.95", "/s", quickest(0.95), "higher", ratio=1.5),
    Row("the same, two threads", "/s", quickest(0.95, "qps_2"), "higher"),
    Row("the same, one call for all queries", "/s", quickest(0.95, "qps_batch"), "higher"),
    Row("exact", "/s", inside("exact", "qps"), "higher", ratio=4.0, peer="numpy"),
    Row("filter keeps 50 %", "ms", filtered("half"), absolute=0.25),
    Row("filter keeps 10 %", "ms", filtered("tenth"), absolute=0.10),
    Row("filter keeps 1 %", "ms", filtered("hundredth"), absolute=0.05),
    Row("filter keeps 0.1 %", "ms", filtered("thousandth"), absolute=0.04),
    Row("filter keeps a tenth that lies together", "ms", filtered("near")),
    Row("load, until searches are quick", "/s", inside("load_per_s"), "higher", absolute=6000),
    Row("load, until acknowledged", "/s", inside("acknowledged_per_s"), "higher"),
    Row("single upsert", "ms", inside("upsert_one_p50_ms")),
    Row("durable single upsert, above one sync", "ms", inside("durable", "above_sync_ms"), absolute=0.06),
    Row("overwrite", "/s", inside("overwrite", "per_second"), "higher", absolute=15000),
    Row("recall after overwriting", "", inside("overwrite", "recall"), "higher"),
    Row("open", "ms", inside("open", "reopen_ms")),
    Row("first search after it", "ms", inside("open", "first_search_ms")),
    Row("fork", "ms", inside("fork", "ms"), absolute=1.0),
    Row("search on the fork", "ms", inside("fork", "fork_ms")),
    Row("search on its parent", "ms", inside("fork", "parent_ms")),
    Row("disk", "KB a vector", each("disk_mb"), absolute=4.0),
    Row("memory", "KB a vector", each("memory_mb")),
]


def recalls(results: dict[str, Figures], titles: dict[str, str]) -> str:
    head = ["", *(titles[name] for name in results)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for field in FILTERS:
        points = [figures.get(f"filter_{field}") for figures in results.values()]
        cells = [f"{point['recall']:.3f}, {point['returned']:.1f}" if point else NOTHING for point in points]
        lines.append("| " + " | ".join([f"`{field}`", *cells]) + " |")
    exact = [figures.get("exact") for figures in results.values()]
    lines.append("| " + " | ".join(["exact", *(f"{one['recall']:.4f}" if one else NOTHING for one in exact)]) + " |")
    return "\n".join(lines)


def page(facts: Figures, sets: dict[str, dict[str, Figures]], peers: list[Any], problems: dict[str, str]) -> str:
    titles = {peer.name: peer.title for peer in peers}
    parts = head_of("Performance of vector search", "./dev bench vectors", facts)
    parts.append("k = 10, cosine, one thread unless said.")
    for name, results in sets.items():
        rows = max((figures["rows"] for figures in results.values()), default=0)
        parts += [
            f"## {facts['descriptions'][name]}: {rows:,} vectors",
            table(ROWS, results, titles),
            "Recall with filters, and how many of 10 hits came back:",
            recalls(results, titles),
            f"![recall against speed](performance_vectors/{name}.svg)",
        ]
    if problems:
        parts.append("Left out: " + "; ".join(f"{titles[name]}: {why}" for name, why in problems.items()) + ".")
    parts += [
        "## What bounds them",
        BOUNDS,
        "## How it is measured",
        METHOD + (ADDED if facts["added"] else ""),
        "## Versions and options",
    ]
    versions = {name: figures["version"] for results in sets.values() for name, figures in results.items()}
    parts.append("\n".join(f"- **{peer.title}** {versions.get(peer.name, '')}: {peer.options}." for peer in peers))
    return "\n\n".join(parts) + "\n"


BOUNDS = """\
- **QPS**: of 60 µs at an `ef` of 48, three fifths are the walk, most of it waiting for the 384 bytes of each row that
  it meets; under a tenth compares the best again in float32, the rest are Python's arguments and the hits as dicts
  with their metadata. scann looks into a tree of clusters, holds no metadata and takes no new row: made for vectors
  that lie in clusters, it is the quickest there.
- **exact**: one pass over the bytes of all rows, as fast as memory gives them.
- **filters**: few rows are scanned; half of all are met by a walk that answers with allowed ones alone.
- **load**: hnswlib's insertions over the bytes of rows, in as many threads as there are cores.
- **first search after opening**: the rows of the files are compared with those of the tree before they are believed.
- **search on the fork and its parent**: after overwriting a tenth of the rows, which lie beside the graph and are
  scanned.
- **memory**: floats, bytes and graph in memory, metadata and keys."""

ADDED = """
- Some systems were measured in an earlier run of the same kind: those that were measured again, ours among them, show
  the later one."""

METHOD = """\
- Each system runs in an environment and a process of its own, one after the other. Queries are timed call by call from
  Python; a figure is the mean of the median of three series, `ms` are medians.
- Recall counts a row as right if its score is at least that of the true tenth, less 0.00002.
- QPS at a recall is that of the quickest setting which reaches it; a filter that finds less than 99 % shows nothing.
  Peers without metadata answer ids alone; here the metadata of each hit comes back as a dict.
- A filter is `field == 0` over an integer. `near` keeps the tenth that lies nearest to one of ten anchors.
- Loading comes in batches with as many threads as there are cores, and ends when searches are as quick as they will be.
- Overwriting replaces every tenth row by a turned one and back, three times; then recall is measured again."""
