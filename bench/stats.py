"""Turning raw times into the few numbers that a report shows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank, no interpolation)."""
    if not values:
        raise ValueError("no values")
    if not 0 <= percent <= 100:
        raise ValueError(f"percent out of range: {percent}")
    ordered = sorted(values)
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def over_rounds(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each metric over the rounds that have it."""
    names = {name: None for metrics in rounds for name in metrics}
    return {name: statistics.median([metrics[name] for metrics in rounds if name in metrics]) for name in names}


def spread(values: Sequence[float]) -> float:
    """How far the rounds lie apart: (max - min) / median; 0 for a single round."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def best(values: Iterable[float], better: str) -> float | None:
    """The best of the values, None when there are none."""
    found = list(values)
    if not found:
        return None
    return min(found) if better == "lower" else max(found)
