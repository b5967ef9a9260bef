"""The report: each row of the targets beside every system, as JSON and as a page of Markdown."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stats
from bounds import BOUNDS, text_of
from context import Row, Workload
from driver import Outcome
from environments import Peer

OURS = "strata"
NOTHING = "-"


@dataclass(frozen=True)
class Line:
    """One row with every system's figure (None: none) and how ours stands against the target."""

    row: Row
    workload: Workload
    values: dict[str, float | None]
    spreads: dict[str, float]
    best_peer: str | None
    ratio: float | None
    met: bool | None  # None: cannot be said


def lines_of(workloads: list[Workload], results: dict[str, dict[str, Outcome]]) -> list[Line]:
    lines: list[Line] = []
    by_title: dict[str, Line] = {}
    for workload in workloads:
        outcomes = results[workload.name]
        for row in workload.rows:
            line = line_of(row, workload, outcomes, by_title)
            by_title[row.title] = line
            lines.append(line)
    return lines


def line_of(row: Row, workload: Workload, outcomes: dict[str, Outcome], earlier: dict[str, Line]) -> Line:
    values: dict[str, float | None] = {}
    spreads = {}
    for name, outcome in outcomes.items():
        found = [metrics[row.metric] for metrics in outcome.rounds if row.metric in metrics]
        values[name] = stats.over_rounds([{row.metric: value} for value in found])[row.metric] if found else None
        if found:
            spreads[name] = stats.spread(found)
    rivals = earlier[row.best_of].values if row.best_of in earlier else values
    peers = {name: value for name, value in rivals.items() if name != OURS and value is not None}
    record = stats.best(peers.values(), row.better)
    best_peer = next((name for name, value in peers.items() if value == record), None)
    ours = values.get(OURS)
    ratio = ours / record if ours is not None and record else None
    return Line(row, workload, values, spreads, best_peer, ratio, is_met(row, ours, ratio))


def is_met(row: Row, ours: float | None, ratio: float | None) -> bool | None:
    target = row.target
    if target is None:
        return None
    figure, bound = (ratio, target.ratio) if target.ratio is not None else (ours, target.absolute)
    if figure is None or bound is None:
        return None
    return figure <= bound if row.better == "lower" else figure >= bound


def show(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    if unit == "/s":
        return f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.1f}k"
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def table(lines: list[Line], peers: list[Peer]) -> str:
    titles = [peer.title for peer in peers]
    head = ["workload", "unit", *titles, "best peer", "ours / best", "target", ""]
    out = [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head)]
    names = {peer.name: peer.title for peer in peers}
    for line in lines:
        cells = [line.row.title, line.row.unit]
        cells += [show(line.values.get(peer.name), line.row.unit) for peer in peers]
        cells.append(names.get(line.best_peer or "", NOTHING))
        cells.append(NOTHING if line.ratio is None else f"{line.ratio:.2f}")
        cells.append(line.row.target.text if line.row.target else NOTHING)
        cells.append({True: "met", False: "**missed**", None: NOTHING}[line.met])
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


def machine() -> dict[str, str]:
    """What the figures depend on, and nothing that names the machine."""
    cpu = "unknown"
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            cpu = text.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "processor": cpu,
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def file_system(path: Path) -> str:
    """The kind of file system under the path, as the kernel names it."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for text in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = text.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown"


def page(
    lines: list[Line],
    peers: list[Peer],
    versions: dict[str, str],
    facts: dict[str, Any],
    results: dict[str, dict[str, Outcome]],
    plots: list[str],
) -> str:
    host = facts["machine"]
    parts = [
        "# Performance",
        "Written by `./dev bench`; run it to measure your own machine. Figures move with the machine and with what "
        "else runs on it: the ratio to the best peer of the same run is what counts.",
        f"Measured on {facts['date']}: {host['processor']}, {host['cores']} cores, {host['memory']}, {host['kernel']}, "
        f"{facts['file_system']}, Python {host['python']}; load average at the start {facts['load']:.1f}. "
        f"{facts['rows']:,} keys unless a row says otherwise, {facts['rounds']} rounds"
        + (", a quick run (fewer calls, long workloads left out)." if facts["quick"] else "."),
        "## Results",
        table(lines, peers),
        f"`{NOTHING}`: it cannot do that, or was not measured. " + unmeasured(results, peers),
        *(f"![{Path(plot).stem.replace('_', ' ')}]({plot})" for plot in plots),
        "## What the rows measure",
        "\n".join(
            f"- **{', '.join(row.title for row in workload.rows)}**: {workload.durability}"
            + (f"; {workload.note}" if workload.note else "")
            + "."
            for workload in {line.workload.name: line.workload for line in lines}.values()
        ),
        "## What bounds them",
        bounds(lines),
        "## How it is measured",
        METHOD,
        "## Versions and options",
        "\n".join(f"- **{peer.title}** {versions.get(peer.name, '')}: {peer.options}." for peer in peers),
    ]
    return "\n\n".join(parts) + "\n"


def bounds(lines: list[Line]) -> str:
    """What profiles say of the rows that were measured."""
    measured = {line.workload.name: line for line in lines}
    return "\n".join(
        f"- **{line.workload.rows[0].title}**: {text_of(name)}" for name, line in measured.items() if name in BOUNDS
    )


METHOD = """\
- Every system runs in an environment and a process of its own; rounds are interleaved (A B C, A B C, …) and a figure is
  the median of the rounds.
- Values are dicts of about 100 bytes as JSON; keys are 18 bytes, 1,000 to a prefix. Systems that store bytes encode and
  decode with orjson inside the timed call, as their users must.
- Durability is equal within a row. *memory*: nothing on disk. *buffered*: handed to the operating system at each
  commit, so that killing the process loses nothing. *strict*: synced to the device before the call returns.
- Short calls are timed a thousand at a time, and the figure is the median over those batches; percentiles come from a
  second series timed call by call, less the cost of reading the clock. The garbage collector is off in timed loops.
- Answers are checked for being right before they are timed."""


def unmeasured(results: dict[str, dict[str, Outcome]], peers: list[Peer]) -> str:
    titles = {peer.name: peer.title for peer in peers}
    failed = [
        f"{titles[name]} in {workload} ({outcome.problem})"
        for workload, outcomes in results.items()
        for name, outcome in outcomes.items()
        if outcome.failed
    ]
    return f"Failed: {'; '.join(failed)}." if failed else "Nothing failed."


def as_json(
    lines: list[Line], versions: dict[str, str], facts: dict[str, Any], results: dict[str, dict[str, Outcome]]
) -> dict[str, Any]:
    return {
        "facts": facts,
        "versions": versions,
        "rows": [
            {
                "title": line.row.title,
                "unit": line.row.unit,
                "better": line.row.better,
                "durability": line.workload.durability,
                "values": line.values,
                "spread": line.spreads,
                "best_peer": line.best_peer,
                "ratio": line.ratio,
                "target": line.row.target.text if line.row.target else None,
                "met": line.met,
            }
            for line in lines
        ],
        "workloads": {
            name: {
                system: {
                    "rounds": outcome.rounds,
                    "median": stats.over_rounds(outcome.rounds),
                    "problem": outcome.problem,
                }
                for system, outcome in outcomes.items()
            }
            for name, outcomes in results.items()
        },
    }
