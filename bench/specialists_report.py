"""A table of rows, each a figure of every system beside the best peer's and the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from specialists import NOTHING, OURS, Figures


@dataclass(frozen=True)
class Row:
    title: str
    unit: str
    read: Callable[[Figures], float | None]
    better: str = "lower"
    ratio: float | None = None  # the target: ours against the best peer's
    absolute: float | None = None  # or ours alone
    peer: str = ""  # the one that counts, where it is not the best


def inside(*path: str) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        at: Any = figures
        for name in path:
            if not isinstance(at, dict) or name not in at:
                return None
            at = at[name]
        return float(at)

    return read


def show(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    if unit == "/s":
        return f"{value:,.0f}"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def best_of(row: Row, values: dict[str, float | None]) -> tuple[str | None, float | None]:
    known = {
        name: value for name, value in values.items() if name != OURS and value is not None and row.peer in ("", name)
    }
    if not known:
        return None, None
    choose = max if row.better == "higher" else min
    name = choose(known, key=lambda one: known[one])
    return name, known[name]


def verdict(row: Row, ours: float | None, best: float | None, titles: dict[str, str]) -> tuple[str, str]:
    """The target as text, and whether it is met."""
    sign = "≥" if row.better == "higher" else "≤"
    if row.ratio is not None:
        target = f"{sign} {row.ratio:g} x {titles[row.peer] if row.peer else 'best'}"
        bound = None if best is None else row.ratio * best
    elif row.absolute is not None:
        target, bound = f"{sign} {row.absolute:,g} {row.unit}".strip(), row.absolute
    else:
        return NOTHING, NOTHING
    if ours is None or bound is None:
        return target, NOTHING
    met = ours >= bound if row.better == "higher" else ours <= bound
    return target, "met" if met else "**missed**"


def table(rows: list[Row], results: dict[str, Figures], titles: dict[str, str]) -> str:
    head = ["", "unit", *(titles[name] for name in results), "best peer", "ours / best", "target", ""]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        values = {name: row.read(figures) for name, figures in results.items()}
        best_name, best = best_of(row, values)
        ours = values.get(OURS)
        ratio = f"{ours / best:.2f}" if ours is not None and best else NOTHING
        cells = [row.title, row.unit, *(show(value, row.unit) for value in values.values())]
        cells += [titles.get(best_name or "", NOTHING), ratio, *verdict(row, ours, best, titles)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def head_of(title: str, command: str, facts: Figures) -> list[str]:
    host = facts["machine"]
    return [
        f"# {title}",
        f"Written by `{command}`. Figures move with the machine and with what else runs on it: the ratio to the best "
        "peer of the same run is what counts.",
        f"Measured on {facts['date']}: {host['processor']}, {host['cores']} cores, {host['memory']}, {host['kernel']}, "
        f"Python {host['python']}; load average at the start {facts['load']:.1f}.",
    ]
